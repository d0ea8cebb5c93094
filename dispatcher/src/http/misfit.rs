//! A JSON object that is not the submission expected: which field, and what would be right.

use gantz_core::outcome::truncate;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::body;
use super::problem::Problem;

/// How much of a value or a name is repeated in an error.
const SHOWN_MAX_BYTES: usize = 80;
/// What the reader says of fields that can be written in several ways, none of which was given.
const NO_VARIANT: &str = "data did not match any variant of untagged enum";

/// Reads `text` as a `T`.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        if !error.is_data() {
            return body::syntax(&error);
        }
        problem(&pointer, without_place(&error.to_string()))
    })
}

/// An error's message without the line and column, which mean little to a program's author.
pub(super) fn without_place(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}

fn problem(pointer: &str, message: &str) -> Problem {
    if let Some((name, rest)) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.rsplit_once("`, expected "))
    {
        return unknown_field(pointer, name, rest);
    }
    for (prefix, wrong) in [("missing field `", "is missing"), ("duplicate field `", "is there twice")] {
        if let Some(name) = message.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('`')) {
            return Problem::field(&below(pointer, name), wrong);
        }
    }
    if message.starts_with(NO_VARIANT) {
        return Problem::field(pointer, ways_to_write(pointer));
    }
    Problem::field(pointer, reworded(message))
}

fn unknown_field(pointer: &str, name: &str, expected: &str) -> Problem {
    // The reader lists the known ones in back quotes.
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    // The path leads to the unknown name itself, which may be megabytes.
    let parent = pointer.strip_suffix(&below("", name)).unwrap_or(pointer);
    let mut name = name.to_owned();
    truncate(&mut name, SHOWN_MAX_BYTES);
    let message = match closest(&name, &known) {
        Some(near) => format!("there is no such field, did you mean `{near}`?"),
        None => format!("there is no such field, expected one of {}", known.join(", ")),
    };
    Problem::field(&below(parent, &name), message)
}

/// The known name that a misspelt one most likely means.
pub(super) fn closest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.len() > SHOWN_MAX_BYTES {
        return None;
    }
    let distance = |candidate: &str| strsim::damerau_levenshtein(name, candidate);
    let near = known.iter().copied().min_by_key(|candidate| distance(candidate))?;
    (distance(near) <= (name.len() / 3).max(1)).then_some(near)
}

fn ways_to_write(pointer: &str) -> &'static str {
    match pointer {
        "/deadline" => "expected milliseconds since the epoch, or RFC 3339 such as \"2030-01-31T12:00:00Z\"",
        "/delay" => "expected seconds, or a duration such as \"90s\"",
        "/tolerate" => "expected a number of children such as 3, or a share such as \"2.5%\"",
        _ => "has a type that does not fit",
    }
}

/// The reader's words for what it found and what it expected, in the other order and in JSON's own terms.
fn reworded(message: &str) -> String {
    let found = ["invalid type: ", "invalid value: "].iter().find_map(|prefix| message.strip_prefix(prefix));
    let Some((found, expected)) = found.and_then(|found| found.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let in_json = |words: &str| match words {
        "sequence" | "a sequence" => "an array".to_owned(),
        "map" | "a map" => "an object".to_owned(),
        words => words.to_owned(),
    };
    let mut found = in_json(found);
    truncate(&mut found, SHOWN_MAX_BYTES);
    format!("expected {}, got {found}", in_json(expected))
}

fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => below(&pointer, &index.to_string()),
        Segment::Map { key } => below(&pointer, key),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}

fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
