//! Which paths a document has, and of which types: bounded, whatever the document.

use std::collections::HashMap;

use super::super::keep::keep;
use super::super::limits::{FIELDS_MAX, KEY_BYTES, SHAPE_DEPTH};
use super::super::report::{Field, JsonKind};
use super::scan::Visit;

/// Collects paths such as `users[].name` down to some depth.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) root: Option<JsonKind>,
    pub(super) values: u64,
    max_depth: usize,
    /// For each open level the length of the path that leads to it.
    levels: Vec<usize>,
    /// Levels open below those that are described.
    deeper: u64,
    path: Vec<u8>,
    known: HashMap<Vec<u8>, usize>,
    /// In the order in which they appeared.
    seen: Vec<Seen>,
    truncated: bool,
}

#[derive(Debug)]
struct Seen {
    path: Vec<u8>,
    kinds: Vec<JsonKind>,
    count: u64,
}

impl Shape {
    /// Of whole documents.
    pub(super) fn of_documents() -> Self {
        Self::down_to(SHAPE_DEPTH)
    }

    /// Only the keys of each record.
    pub(super) fn of_records() -> Self {
        Self::down_to(1)
    }

    fn down_to(max_depth: usize) -> Self {
        Self {
            root: None,
            values: 0,
            max_depth,
            levels: Vec::new(),
            deeper: 0,
            path: Vec::new(),
            known: HashMap::new(),
            seen: Vec::new(),
            truncated: false,
        }
    }

    /// Waits for another document, also after one that broke off.
    pub(super) fn reset(&mut self) {
        self.levels.clear();
        self.path.clear();
        self.deeper = 0;
    }

    /// The paths, and whether there were more.
    pub(super) fn finish(self) -> (Vec<Field>, bool) {
        let name =
            |path: &[u8]| keep(unescaped(path).as_deref().unwrap_or(path), SHAPE_DEPTH * (KEY_BYTES + 3));
        let fields = self
            .seen
            .into_iter()
            .map(|seen| Field { name: name(&seen.path), types: seen.kinds, count: seen.count })
            .collect();
        (fields, self.truncated)
    }

    fn record(&mut self, kind: JsonKind) {
        if self.path.is_empty() && self.levels.is_empty() {
            self.root.get_or_insert(kind);
            return;
        }
        if let Some(&index) = self.known.get(&self.path) {
            let seen = &mut self.seen[index];
            seen.count += 1;
            if !seen.kinds.contains(&kind) {
                seen.kinds.push(kind);
            }
        } else if self.seen.len() < FIELDS_MAX {
            self.known.insert(self.path.clone(), self.seen.len());
            self.seen.push(Seen { path: self.path.clone(), kinds: vec![kind], count: 1 });
        } else {
            self.truncated = true;
        }
    }
}

impl Visit for Shape {
    fn key(&mut self, name: &[u8], _hash: u64) {
        let (0, Some(&length)) = (self.deeper, self.levels.last()) else {
            return;
        };
        self.path.truncate(length);
        if length > 0 {
            self.path.push(b'.');
        }
        self.path.extend_from_slice(name);
    }

    fn value(&mut self, kind: JsonKind) {
        self.values += 1;
        let opens = matches!(kind, JsonKind::Object | JsonKind::Array);
        if self.deeper > 0 {
            self.deeper += u64::from(opens);
            return;
        }
        self.record(kind);
        if opens && self.levels.len() == self.max_depth {
            self.deeper = 1;
        } else if opens {
            if kind == JsonKind::Array {
                self.path.extend_from_slice(b"[]");
            }
            self.levels.push(self.path.len());
        }
    }

    fn close(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            self.levels.pop();
            self.path.truncate(self.levels.last().copied().unwrap_or(0));
        }
    }
}

/// A path with the escapes of its keys resolved, if it has any and they are whole.
fn unescaped(path: &[u8]) -> Option<Vec<u8>> {
    path.contains(&b'\\').then_some(())?;
    let quoted = [b"\"", path, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).ok().map(String::into_bytes)
}
