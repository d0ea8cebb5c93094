//! Which files a person means: a folder, a file, or a glob pattern.

use std::path::{Component, Path, PathBuf};

use globset::{Glob, GlobBuilder, GlobMatcher};

#[derive(Debug)]
pub(super) struct Pattern {
    root: PathBuf,
    matcher: Option<GlobMatcher>,
    /// Parts of the pattern that begin with a dot: only these match hidden names.
    dotted: Vec<GlobMatcher>,
    /// How far below the root a match can lie.
    depth_max: usize,
}

impl Pattern {
    /// A path that exists is meant as it is, whatever characters it has; anything else is a pattern whose folder is
    /// the part before its first special character.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        if path.exists() {
            return Ok(Self {
                root: path.to_owned(),
                matcher: None,
                dotted: Vec::new(),
                depth_max: usize::MAX,
            });
        }
        let Some(special) = text.find(['*', '?', '[', '{']) else {
            return Err(format!("there is no file or folder `{text}`"));
        };
        let (root, rest) = match text[..special].rfind('/') {
            Some(slash) => (PathBuf::from(&text[..=slash]), &text[slash + 1..]),
            None => (PathBuf::from("."), text),
        };
        let depth_max = if rest.contains("**") { usize::MAX } else { rest.matches('/').count() + 1 };
        if !root.is_dir() {
            return Err(format!(
                "there is no folder `{}`, where the pattern `{text}` begins",
                root.display()
            ));
        }
        let dotted = rest.split('/').filter(|part| part.starts_with('.')).map(Glob::new);
        let dotted = dotted.filter_map(Result::ok).map(|glob| glob.compile_matcher()).collect();
        let text = if root == Path::new(".") { format!("./{text}") } else { text.to_owned() };
        let glob = GlobBuilder::new(&text).literal_separator(true).build();
        let glob = glob.map_err(|error| format!("`{text}` is no pattern: {}", error.kind()))?;
        Ok(Self { root, matcher: Some(glob.compile_matcher()), dotted, depth_max })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// How far below the root files need to be looked for: what lies deeper is not read, nor missed if it cannot be.
    pub(super) fn depth_max(&self) -> usize {
        self.depth_max
    }

    pub(super) fn matches(&self, path: &Path) -> bool {
        match &self.matcher {
            Some(matcher) => matcher.is_match(path) && !self.is_hidden(path),
            // Of a folder, all below it is meant.
            None => path.starts_with(&self.root),
        }
    }

    /// As in a shell, a name that begins with a dot is matched only where the pattern has the dot.
    fn is_hidden(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        below.components().map(Component::as_os_str).any(|name| {
            name.as_encoded_bytes().starts_with(b".")
                && !self.dotted.iter().any(|matcher| matcher.is_match(name))
        })
    }
}
