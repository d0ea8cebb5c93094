//! Keys that an object has twice: most readers keep the last of them, and lose the others without a word.

use std::collections::HashSet;

use super::super::limits::OPEN_KEYS_MAX;

/// Objects have few keys. Above this, looking through them one by one costs more than a table.
const FEW: usize = 16;

/// Counts the keys that repeat one of the same object. Bounded: it knows so many keys of what is open at a time.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    pub(super) count: u64,
    /// For each level, also of those that were open and may be again.
    levels: Vec<Keys>,
    open: usize,
    known: usize,
}

/// The keys of one object, by their hashes of 64 bits: among as many as are compared, two different ones are alike in one of
/// some thousand million documents.
#[derive(Debug, Default)]
struct Keys {
    few: Vec<u64>,
    many: HashSet<u64>,
}

impl Keys {
    /// Whether it is new.
    fn insert(&mut self, key: u64) -> bool {
        if self.few.len() < FEW {
            let new = !self.few.contains(&key);
            if new {
                self.few.push(key);
            }
            return new;
        }
        !self.few.contains(&key) && self.many.insert(key)
    }

    fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    fn clear(&mut self) {
        self.few.clear();
        self.many = HashSet::new();
    }
}

impl Duplicates {
    pub(super) fn open(&mut self) {
        self.open += 1;
        if self.levels.len() < self.open {
            self.levels.push(Keys::default());
        }
    }

    pub(super) fn key(&mut self, hash: u64) {
        let Some(keys) = self.open.checked_sub(1).and_then(|level| self.levels.get_mut(level)) else {
            return;
        };
        if self.known == OPEN_KEYS_MAX {
            return;
        }
        if keys.insert(hash) {
            self.known += 1;
        } else {
            self.count += 1;
        }
    }

    pub(super) fn close(&mut self) {
        self.open -= 1;
        self.known -= self.levels[self.open].len();
        self.levels[self.open].clear();
    }
}
