//! A regular expression that strings must match, in the dialect of JSON Schema (ECMA-262).

use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};

/// A pattern's length: long enough for an e-mail address's, too short to be a program.
const PATTERN_MAX_BYTES: usize = 1_000;
/// Memory that a compiled pattern may take, so that a thousand tools with patterns stay within a process.
const COMPILED_MAX_BYTES: usize = 1024 * 1024;

/// A compiled pattern. It matches anywhere in a string unless it is anchored, and in time linear in the string's length.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    // The same crate that judges JSON Schemas decides here, so that what is published is what is checked.
    validator: Arc<Validator>,
}

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternError {
    /// It is longer than a pattern may be.
    #[error("the pattern has {length} bytes, expected at most {PATTERN_MAX_BYTES}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It is no regular expression, or one that cannot be matched in linear time.
    #[error("not a regular expression: {reason}")]
    Syntax {
        /// What is wrong with it.
        reason: String,
    },
    /// It compiles to too much.
    #[error("the pattern needs more than 1 MiB of memory; shorten its repetitions")]
    TooBig,
}

impl Pattern {
    pub(super) fn try_new(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_MAX_BYTES {
            return Err(PatternError::TooLong { length: text.len() });
        }
        let options = PatternOptions::regex().size_limit(COMPILED_MAX_BYTES);
        let schema = json!({ "pattern": text });
        match jsonschema::draft202012::options().with_pattern_options(options).build(&schema) {
            Ok(validator) => Ok(Self { text: text.to_owned(), validator: Arc::new(validator) }),
            Err(_) => Err(why(text)),
        }
    }

    /// The pattern as the manifest has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn is_match(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }
}

/// What keeps a pattern from being compiled.
fn why(text: &str) -> PatternError {
    match regex_syntax::ast::parse::Parser::new().parse(text) {
        Ok(_) => PatternError::TooBig,
        Err(error) => PatternError::Syntax { reason: error.kind().to_string() },
    }
}
