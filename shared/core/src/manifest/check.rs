//! Parameters against what a tool takes: one walk that checks, fills in defaults, and says what is wrong.
//!
//! Written by hand rather than left to the JSON Schema, because it runs for every job, fills in defaults on the way, and
//! owes its callers better words. A property test holds it to the schema.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::parameters::{ParameterSpec, ParameterType, ValueSpec};
use super::suggest::{closest, listing};
use super::syntax::cut;

/// Errors reported at once: nobody mends more in one go, and a large body of junk must not become a larger answer.
const ERRORS_MAX: usize = 20;

/// Values of an `enum` listed in one message.
const CHOICES_SHOWN_MAX: usize = 20;
/// Names up to this length are part of a pointer.
const NAME_SHOWN_MAX_BYTES: usize = 128;

/// A parameter that does not fit its tool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{message}")]
pub struct ParameterError {
    /// Where: a JSON pointer (RFC 6901) into the parameters, such as `/max_items`.
    pub pointer: String,
    /// What kind of error, for programs.
    pub code: ParameterErrorCode,
    /// What is wrong and what would be right, for people.
    pub message: String,
}

/// The kind of a [`ParameterError`]: stable names that programs may match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ParameterErrorCode {
    /// A required parameter is not there.
    Missing,
    /// The tool has no such parameter.
    Unknown,
    /// The value has another type.
    WrongType,
    /// The value is none of those listed.
    NotAllowed,
    /// The number lies below the minimum, above the maximum, or outside 64 bits.
    OutOfRange,
    /// The string or the array is too short or too long.
    WrongLength,
    /// The string does not match the pattern.
    PatternMismatch,
}

use ParameterErrorCode as Code;

pub(super) fn parameters(
    specs: &[ParameterSpec],
    mut parameters: Value,
) -> Result<Value, Vec<ParameterError>> {
    let mut errors = Vec::new();
    match &mut parameters {
        Value::Object(map) => object(specs, false, map, &Path::Parameters, &mut errors),
        other => {
            let message = format!("expected an object of parameters, got {}", describe(other));
            push(&mut errors, &Path::Parameters, Code::WrongType, message);
        }
    }
    if errors.is_empty() { Ok(parameters) } else { Err(errors) }
}

/// Checks one value and fills in the defaults inside it.
pub(super) fn value(spec: &ValueSpec, given: &mut Value, path: &Path<'_>, errors: &mut Vec<ParameterError>) {
    match (spec.kind, &mut *given) {
        (ParameterType::String, Value::String(_)) => string(spec, given, path, errors),
        (ParameterType::Integer, Value::Number(number)) => integer(spec, number, path, errors),
        (ParameterType::Number, Value::Number(number)) => range(spec, number, path, errors),
        (ParameterType::Boolean, Value::Bool(_)) => {}
        (ParameterType::Array, Value::Array(items)) => array(spec, items, path, errors),
        (ParameterType::Object, Value::Object(map)) => {
            object(&spec.properties, spec.additional_properties, map, path, errors);
        }
        (kind, other) => push(errors, path, Code::WrongType, wrong_type(kind, other)),
    }
}

/// Where a value stands. A list on the stack: no memory is asked for until something is wrong.
pub(super) enum Path<'p> {
    /// The parameters object itself.
    Parameters,
    /// A value that is looked at by itself, such as a default.
    Value,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Parameters | Path::Value => Ok(()),
            Path::Key(parent, key) => write!(f, "{parent}/{}", key.replace('~', "~0").replace('/', "~1")),
            Path::Index(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

fn object(
    specs: &[ParameterSpec],
    additional: bool,
    map: &mut Map<String, Value>,
    path: &Path<'_>,
    errors: &mut Vec<ParameterError>,
) {
    let noun = if matches!(path, Path::Parameters) { "parameter" } else { "property" };
    let mut known = 0;
    for spec in specs {
        let here = Path::Key(path, &spec.name);
        if let Some(given) = map.get_mut(&spec.name) {
            known += 1;
            value(&spec.value, given, &here, errors);
        } else if let Some(default) = &spec.value.default {
            known += 1;
            map.insert(spec.name.clone(), default.clone());
        } else if spec.required {
            push(errors, &here, Code::Missing, format!("missing required {noun} `{}`", spec.name));
        }
    }
    if !additional && known < map.len() {
        let strangers = map.keys().filter(|name| specs.iter().all(|spec| spec.name != **name));
        for name in strangers.take(ERRORS_MAX) {
            // A name that is longer than any name can be is not repeated: it may be megabytes.
            let short = name.len() <= NAME_SHOWN_MAX_BYTES;
            let message = unknown(noun, name, specs);
            let here = Path::Key(path, name);
            push(errors, if short { &here } else { path }, Code::Unknown, message);
        }
    }
}

fn array(spec: &ValueSpec, items: &mut [Value], path: &Path<'_>, errors: &mut Vec<ParameterError>) {
    length(spec.min_items, spec.max_items, items.len(), "item", path, errors);
    let Some(item_spec) = &spec.items else { return };
    for (index, item) in items.iter_mut().enumerate() {
        if errors.len() == ERRORS_MAX {
            return;
        }
        value(item_spec, item, &Path::Index(path, index), errors);
    }
}

fn string(spec: &ValueSpec, given: &Value, path: &Path<'_>, errors: &mut Vec<ParameterError>) {
    let text = given.as_str().unwrap_or_default();
    if spec.min_length.is_some() || spec.max_length.is_some() {
        length(spec.min_length, spec.max_length, text.chars().count(), "character", path, errors);
    }
    if let Some(pattern) = &spec.pattern
        && !pattern.is_match(given)
    {
        let message = format!("{:?} does not match the pattern `{}`", cut(text), pattern.as_str());
        push(errors, path, Code::PatternMismatch, message);
    }
    choice(spec, given, |choice| choice == given, path, errors);
}

fn integer(spec: &ValueSpec, number: &mut Number, path: &Path<'_>, errors: &mut Vec<ParameterError>) {
    match (number.is_f64(), exact(number)) {
        (false, _) => range(spec, number, path, errors),
        (true, Exact::Whole(whole)) => match whole_number(whole) {
            Some(whole) => {
                *number = whole;
                range(spec, number, path, errors);
            }
            None => push(errors, path, Code::OutOfRange, format!("{number} does not fit a 64-bit integer")),
        },
        (true, Exact::Fraction(float)) if float.fract() == 0.0 => {
            push(errors, path, Code::OutOfRange, format!("{number} does not fit a 64-bit integer"));
        }
        (true, Exact::Fraction(_)) => {
            push(errors, path, Code::WrongType, format!("expected integer, got number {number}"));
        }
    }
}

fn range(spec: &ValueSpec, number: &Number, path: &Path<'_>, errors: &mut Vec<ParameterError>) {
    if let Some(minimum) = spec.minimum.as_ref().filter(|minimum| is_below(number, minimum)) {
        push(errors, path, Code::OutOfRange, format!("{number} is below the minimum of {minimum}"));
    }
    if let Some(maximum) = spec.maximum.as_ref().filter(|maximum| is_below(maximum, number)) {
        push(errors, path, Code::OutOfRange, format!("{number} is above the maximum of {maximum}"));
    }
    if !spec.choices.is_empty() {
        let equal = |choice: &Value| choice.as_number().is_some_and(|choice| exact(choice) == exact(number));
        choice(spec, &Value::Number(number.clone()), equal, path, errors);
    }
}

fn choice(
    spec: &ValueSpec,
    given: &Value,
    equal: impl Fn(&Value) -> bool,
    path: &Path<'_>,
    errors: &mut Vec<ParameterError>,
) {
    if spec.choices.is_empty() || spec.choices.iter().any(equal) {
        return;
    }
    let mut choices: Vec<_> = spec.choices.iter().take(CHOICES_SHOWN_MAX).map(show).collect();
    if let Some(omitted @ 1..) = spec.choices.len().checked_sub(CHOICES_SHOWN_MAX) {
        choices.push(format!("and {omitted} more"));
    }
    let mut message = format!("{} is not one of {}", show(given), choices.join(", "));
    if let Some(text) = given.as_str()
        && let Some(near) = closest(text, spec.choices.iter().filter_map(Value::as_str))
    {
        message.push_str(&format!("; did you mean {near:?}?"));
    }
    push(errors, path, Code::NotAllowed, message);
}

fn length(
    min: Option<u64>,
    max: Option<u64>,
    length: usize,
    noun: &str,
    path: &Path<'_>,
    errors: &mut Vec<ParameterError>,
) {
    let length = length as u64;
    let plural = |bound: u64| if bound == 1 { "" } else { "s" };
    let message = match (min, max) {
        (Some(min), _) if length < min => {
            format!("expected at least {min} {noun}{}, got {length}", plural(min))
        }
        (_, Some(max)) if length > max => {
            format!("expected at most {max} {noun}{}, got {length}", plural(max))
        }
        _ => return,
    };
    push(errors, path, Code::WrongLength, message);
}

/// A number without the rounding of floats: JSON Schema compares values, not representations.
#[derive(PartialEq)]
enum Exact {
    Whole(i128),
    Fraction(f64),
}

fn exact(number: &Number) -> Exact {
    if let Some(whole) = number.as_i128() {
        return Exact::Whole(whole);
    }
    let float = number.as_f64().unwrap_or(f64::NAN);
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^127")]
    let exact = if float.fract() == 0.0 && float.abs() < 1e38 {
        Exact::Whole(float as i128)
    } else {
        Exact::Fraction(float)
    };
    exact
}

pub(super) fn is_below(left: &Number, right: &Number) -> bool {
    match (exact(left), exact(right)) {
        (Exact::Whole(left), Exact::Whole(right)) => left < right,
        // Where one side has a fraction it is below 2^53, and where it is beyond 10^38 no whole number is: no rounding
        // of the other side can change the order.
        _ => left.as_f64() < right.as_f64(),
    }
}

pub(super) fn whole_number(whole: i128) -> Option<Number> {
    u64::try_from(whole).map(Number::from).or_else(|_| i64::try_from(whole).map(Number::from)).ok()
}

fn unknown(noun: &str, name: &str, specs: &[ParameterSpec]) -> String {
    let shown = cut(name);
    let names = || specs.iter().map(|spec| spec.name.as_str());
    match closest(name, names()) {
        Some(near) => format!("unknown {noun} `{shown}`, did you mean `{near}`?"),
        None if specs.is_empty() => format!("unknown {noun} `{shown}`, expected none"),
        None => format!("unknown {noun} `{shown}`, expected one of {}", listing(names())),
    }
}

fn wrong_type(kind: ParameterType, given: &Value) -> String {
    let mut message = format!("expected {}, got {}", kind.as_str(), describe(given));
    let fits = |text: &str| match kind {
        ParameterType::Integer => text.parse::<i64>().is_ok(),
        ParameterType::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
        ParameterType::Boolean => matches!(text, "true" | "false"),
        ParameterType::Array => text.starts_with('['),
        ParameterType::Object => text.starts_with('{'),
        ParameterType::String => false,
    };
    match given {
        Value::String(text) if fits(text) && kind.is_scalar() => {
            message.push_str("; write it without quotes");
        }
        Value::String(text) if fits(text) => {
            message.push_str("; give the value itself, not a string that holds it");
        }
        Value::Number(_) | Value::Bool(_) if kind == ParameterType::String => {
            message.push_str("; write it in quotes");
        }
        Value::Null => message.push_str("; leave it out if there is none"),
        _ => {}
    }
    message
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("boolean {value}"),
        Value::Number(value) => format!("number {value}"),
        Value::String(value) => format!("string {:?}", cut(value)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", cut(text)),
        other => other.to_string(),
    }
}

fn push(errors: &mut Vec<ParameterError>, path: &Path<'_>, code: Code, message: String) {
    if errors.len() < ERRORS_MAX {
        errors.push(ParameterError { pointer: path.to_string(), code, message });
    }
}
