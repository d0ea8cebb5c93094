//! Which files a person means: a folder, a file, or a glob pattern.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

#[derive(Debug)]
pub(super) struct Pattern {
    root: PathBuf,
    matcher: Option<GlobMatcher>,
    /// How far below the root a match can lie.
    depth_max: usize,
}

impl Pattern {
    /// A path that exists is meant as it is, whatever characters it has; anything else is a pattern whose folder is
    /// the part before its first special character.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        if path.exists() {
            return Ok(Self { root: path.to_owned(), matcher: None, depth_max: usize::MAX });
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
        let text = if root == Path::new(".") { format!("./{text}") } else { text.to_owned() };
        let glob = GlobBuilder::new(&text).literal_separator(true).build();
        let glob = glob.map_err(|error| format!("`{text}` is no pattern: {}", error.kind()))?;
        Ok(Self { root, matcher: Some(glob.compile_matcher()), depth_max })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// How far below the root files need to be looked for: what lies deeper is not read, nor missed if it cannot be.
    pub(super) fn depth_max(&self) -> usize {
        self.depth_max
    }

    pub(super) fn matches(&self, path: &Path) -> bool {
        self.matcher.as_ref().is_none_or(|matcher| matcher.is_match(path))
    }
}
