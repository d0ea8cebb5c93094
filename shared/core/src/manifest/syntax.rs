//! Words for what is wrong with the YAML itself, and for what a node is.

use granit_parser::{ErrorKind, ScanError};

use super::tree::{Kind, Node};

/// Characters of a value shown in a message.
const SHOWN_MAX_CHARS: usize = 40;

/// A parser's error as a message, and what would be right if that can be told.
pub(super) fn explain(error: &ScanError) -> (String, Option<String>) {
    let (message, help) = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => {
            ("a tab is used as indentation".to_owned(), "YAML is indented with spaces only")
        }
        ErrorKind::UnknownAnchor => ("this alias names no anchor".to_owned(), "write the value out"),
        ErrorKind::UnclosedQuotedScalar => {
            ("this string has no closing quote".to_owned(), "add the closing quote")
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            (format!("this `{open}` is never closed"), "add the closing bracket")
        }
        ErrorKind::RecursionLimitExceeded => ("nested too deeply".to_owned(), "the limit is 64 levels"),
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedDocumentStart
        | ErrorKind::InvalidBlockScalarIndent => (
            format!("not valid YAML: {}", error.info()),
            "keys of one mapping start in the same column, and what belongs to a key is indented below it",
        ),
        ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidSimpleKey
        | ErrorKind::MappingKeyNotAllowed
        | ErrorKind::MappingValueNotAllowed => (
            format!("not valid YAML: {}", error.info()),
            "a key is followed by `: `; a text that holds `: ` is written in quotes",
        ),
        ErrorKind::UnexpectedCharacter { character } => (
            format!("a value cannot start with `{character}`"),
            "write a text that starts with a special character in quotes",
        ),
        _ => return (format!("not valid YAML: {}", error.info()), None),
    };
    (message, Some(help.to_owned()))
}

/// What a node is: `the number 5`, `a list`.
pub(super) fn describe(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "nothing".to_owned(),
        Kind::Bool(value) => format!("the boolean {value}"),
        Kind::Number(value) => format!("the number {value}"),
        Kind::Text(value) => format!("the string {:?}", cut(value)),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
    }
}

/// The beginning of `text`, as much as a message holds.
pub(super) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
