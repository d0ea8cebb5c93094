//! What is wrong with a manifest, and where: collected while reading, rendered with the line and a caret.

use std::fmt;

use serde::Serialize;

/// Problems shown at once. Whoever has more of them made one mistake many times.
const DIAGNOSTICS_MAX: usize = 50;
/// Characters of a source line shown, so that a minified document does not fill the screen.
const EXCERPT_MAX_CHARS: usize = 120;

/// A manifest that cannot be used. `Display` renders every diagnostic with its line and a caret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
pub struct ManifestError {
    source_name: String,
    diagnostics: Vec<Diagnostic>,
    omitted: usize,
}

/// One thing wrong, where it is, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The characters meant, at least 1, all of them on that line.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    #[serde(skip)]
    source_line: String,
}

impl ManifestError {
    /// What the manifest was called when it was parsed: usually its path.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// The problems in the order of their places, at most fifty.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Problems found beyond those that [`ManifestError::diagnostics`] holds.
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{}:{diagnostic}", self.source_name)?;
        }
        match self.omitted {
            0 => Ok(()),
            omitted => write!(f, "\n\n… and {omitted} more"),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, length, message, help, source_line } = self;
        let gutter = line.to_string();
        let (excerpt, before) = excerpt(source_line, column - 1);
        let carets = (*length).min(excerpt.chars().count().saturating_sub(before)).max(1);
        write!(f, "{line}:{column}: {message}")?;
        write!(f, "\n {gutter} | {excerpt}")?;
        write!(f, "\n {0:1$} | {0:before$}{0:^>carets$}", "", gutter.len())?;
        match help {
            Some(help) => write!(f, "\n {:1$} = help: {help}", "", gutter.len()),
            None => Ok(()),
        }
    }
}

/// The part of `line` around the character `at`, and the place of that character in it.
fn excerpt(line: &str, at: usize) -> (String, usize) {
    let line = line.trim_end().replace('\t', " ");
    if line.chars().count() <= EXCERPT_MAX_CHARS {
        return (line, at);
    }
    let start = at.saturating_sub(EXCERPT_MAX_CHARS / 2);
    let window: String = line.chars().skip(start).take(EXCERPT_MAX_CHARS).collect();
    if start == 0 { (format!("{window}…"), at) } else { (format!("…{window}…"), at - start + 1) }
}

/// Bytes of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One thing wrong, before its place is known as a line and a column.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// The problems found so far in one source.
pub(super) struct Problems<'s> {
    source: &'s str,
    found: Vec<Problem>,
    omitted: usize,
}

impl<'s> Problems<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, found: Vec::new(), omitted: 0 }
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(Problem { span, message: message.into(), help: None });
    }

    pub(super) fn error_help(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(Problem { span, message: message.into(), help: Some(help.into()) });
    }

    pub(super) fn push(&mut self, problem: Problem) {
        if self.is_full() {
            self.omitted += 1;
        } else {
            self.found.push(problem);
        }
    }

    /// Whether further problems are only counted.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() == DIAGNOSTICS_MAX
    }

    /// The source as it is written at `span`.
    pub(super) fn raw(&self, span: Span) -> &'s str {
        self.source.get(span.start..span.end).unwrap_or_default()
    }

    /// The number of the line, from 1, that holds the byte `offset`.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.before(offset).matches('\n').count() + 1
    }

    /// `value` if nothing was found, else what was.
    pub(super) fn into_result<T>(self, source_name: &str, value: Option<T>) -> Result<T, ManifestError> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(self.into_error(source_name)),
        }
    }

    fn into_error(self, source_name: &str) -> ManifestError {
        let mut diagnostics: Vec<_> = self.found.iter().map(|problem| self.locate(problem)).collect();
        diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        ManifestError { source_name: source_name.to_owned(), diagnostics, omitted: self.omitted }
    }

    fn locate(&self, Problem { span, message, help }: &Problem) -> Diagnostic {
        let before = self.before(span.start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let source_line = self.source[line_start..].lines().next().unwrap_or_default();
        let meant = self.raw(*span).lines().next().unwrap_or_default();
        Diagnostic {
            line: self.line(span.start),
            column: before[line_start..].chars().count() + 1,
            length: meant.trim_end().chars().count().max(1),
            message: message.clone(),
            help: help.clone(),
            source_line: source_line.to_owned(),
        }
    }

    fn before(&self, offset: usize) -> &'s str {
        self.source.get(..offset).unwrap_or(self.source)
    }
}
