//! What a parameter's value looks like: its type, and the constraints that fit the type.

use serde_json::Value;

use super::super::check::{self, Path, is_below};
use super::super::diagnostic::{Problems, Span};
use super::super::parameters::{ParameterType, ValueSpec};
use super::super::pattern::Pattern;
use super::super::section::{Section, list, number, text, wrong_type};
use super::super::suggest::{closest, listing};
use super::super::syntax::{cut, describe};
use super::super::tree::{Kind, Node};
use super::parameters;
use crate::limits;

const KEYS: [&str; 15] = [
    "type",
    "description",
    "required",
    "default",
    "enum",
    "minimum",
    "maximum",
    "min_length",
    "max_length",
    "pattern",
    "items",
    "min_items",
    "max_items",
    "properties",
    "additional_properties",
];
/// The first of [`KEYS`], those that all types take.
const COMMON_KEYS: usize = 4;
/// Lengths and counts are bounded by what a job's parameters may hold anyway.
const LENGTH_MAX: u64 = limits::PARAMETERS_MAX_BYTES as u64;
/// Values of one `enum`: each is compared for every job, and listed in every error.
const CHOICES_MAX: usize = 1_000;

const TYPES: [(&str, ParameterType); 6] = [
    ("string", ParameterType::String),
    ("integer", ParameterType::Integer),
    ("number", ParameterType::Number),
    ("boolean", ParameterType::Boolean),
    ("array", ParameterType::Array),
    ("object", ParameterType::Object),
];
/// What other languages call the types.
const TYPE_ALIASES: [(&str, &str); 12] = [
    ("str", "string"),
    ("text", "string"),
    ("int", "integer"),
    ("long", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("decimal", "number"),
    ("bool", "boolean"),
    ("list", "array"),
    ("dict", "object"),
    ("map", "object"),
    ("json", "object"),
];

/// Reads a parameter or a property: a value, and whether it must be given.
pub(super) fn read(
    node: &Node,
    span: Span,
    what: &str,
    problems: &mut Problems<'_>,
) -> Option<(ValueSpec, bool)> {
    if let Kind::Text(word) = &node.kind {
        let message = format!("{what}: expected a mapping, got {}", describe(node));
        problems.error_help(node.span, message, format!("write `{{type: {}}}`", cut(word)));
        return None;
    }
    let section = Section::open_listing(node, span, what.to_owned(), &KEYS, &fitting_keys(node), problems)?;
    let description = section.text("description", problems);
    let required = required(&section, problems);
    let kind = section.require("type", "type: string", problems).and_then(|node| kind(node, problems))?;
    report_misplaced(&section, kind, problems);
    let mut spec = ValueSpec { description, ..ValueSpec::any(kind) };
    match kind {
        ParameterType::String => read_string(&section, &mut spec, problems),
        ParameterType::Integer | ParameterType::Number => read_number(&section, &mut spec, problems),
        ParameterType::Boolean => {}
        ParameterType::Array => read_array(&section, &mut spec, problems),
        ParameterType::Object => read_object(&section, &mut spec, problems),
    }
    spec.default = section.get("default").and_then(|node| fitting(&spec, node, "default", problems));
    if let (true, Some(default)) = (required, section.entry("default")) {
        let message = format!("{what} is required and has a default, which would never be used");
        problems.error_help(default.key_span, message, "remove `required: true`, or remove `default`");
    }
    Some((spec, required))
}

/// The keys that the value of `node` takes: all keys as long as its type is not known.
fn fitting_keys(node: &Node) -> Vec<&'static str> {
    let Kind::Text(word) = &node.at("/type").kind else { return KEYS.to_vec() };
    match TYPES.iter().find(|(name, _)| name == word) {
        Some((_, kind)) => [&KEYS[..COMMON_KEYS], own_keys(*kind)].concat(),
        None => KEYS.to_vec(),
    }
}

/// The keys that a type takes besides those that all take.
fn own_keys(kind: ParameterType) -> &'static [&'static str] {
    match kind {
        ParameterType::String => &["enum", "min_length", "max_length", "pattern"],
        ParameterType::Integer | ParameterType::Number => &["enum", "minimum", "maximum"],
        ParameterType::Boolean => &[],
        ParameterType::Array => &["items", "min_items", "max_items"],
        ParameterType::Object => &["properties", "additional_properties"],
    }
}

fn report_misplaced(section: &Section<'_>, kind: ParameterType, problems: &mut Problems<'_>) {
    let type_name = kind.as_str();
    for key in KEYS[COMMON_KEYS..].iter().filter(|key| !own_keys(kind).contains(key)) {
        let Some(entry) = section.entry(key) else { continue };
        let help = match own_keys(kind) {
            [] => format!("values of type {type_name} have no constraints"),
            keys => format!("values of type {type_name} take {}", listing(keys.iter().copied())),
        };
        problems.error_help(entry.key_span, format!("`{key}` does not fit the type {type_name}"), help);
    }
}

fn kind(node: &Node, problems: &mut Problems<'_>) -> Option<ParameterType> {
    if let Kind::List(_) = node.kind {
        let help = "a value has one type; one that may be left out needs no `null`, only no `required: true`";
        problems.error_help(node.span, "`type`: expected one type, got a list", help);
        return None;
    }
    let names = || TYPES.iter().map(|(name, _)| *name);
    let Kind::Text(word) = &node.kind else {
        return wrong_type(node, "`type`", &format!("one of {}", listing(names())), problems);
    };
    let known = TYPES.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
    if known.is_none() {
        let lower = word.to_ascii_lowercase();
        let alias = TYPE_ALIASES.iter().find(|(alias, _)| *alias == lower).map(|(_, name)| *name);
        let help = match alias.or_else(|| closest(word, names())) {
            Some(name) => format!("did you mean `{name}`? The types are {}", listing(names())),
            None => format!("the types are {}", listing(names())),
        };
        problems.error_help(node.span, format!("unknown type `{}`", cut(word)), help);
    }
    known
}

fn required(section: &Section<'_>, problems: &mut Problems<'_>) -> bool {
    if let Some(node) = section.get("required")
        && let Kind::List(_) = node.kind
    {
        let message = "`required`: expected true or false, got a list";
        problems.error_help(node.span, message, "write `required: true` at each property that must be given");
        return false;
    }
    section.boolean("required", problems).unwrap_or(false)
}

fn read_string(section: &Section<'_>, spec: &mut ValueSpec, problems: &mut Problems<'_>) {
    (spec.min_length, spec.max_length) = bounds(section, ["min_length", "max_length"], problems);
    spec.pattern = section.get("pattern").and_then(|node| pattern(node, problems));
    spec.choices = choices(section, spec, problems);
}

fn read_number(section: &Section<'_>, spec: &mut ValueSpec, problems: &mut Problems<'_>) {
    let mut bound = |key: &str| section.get(key).and_then(|node| number(node, key, problems)).cloned();
    (spec.minimum, spec.maximum) = (bound("minimum"), bound("maximum"));
    if let (Some(minimum), Some(maximum), Some(entry)) =
        (&spec.minimum, &spec.maximum, section.entry("maximum"))
        && is_below(maximum, minimum)
    {
        let message = format!("`maximum` ({maximum}) is below `minimum` ({minimum}), so nothing fits");
        problems.error(entry.value.span, message);
    }
    spec.choices = choices(section, spec, problems);
}

fn read_array(section: &Section<'_>, spec: &mut ValueSpec, problems: &mut Problems<'_>) {
    (spec.min_items, spec.max_items) = bounds(section, ["min_items", "max_items"], problems);
    let Some(entry) = section.entry("items") else { return };
    let Some((items, required)) = read(&entry.value, entry.key_span, "`items`", problems) else { return };
    if required || items.default.is_some() {
        let message = "`items` describes each item: it takes neither `required` nor `default`";
        problems.error_help(entry.key_span, message, "use `min_items`, or give the array itself a `default`");
    }
    spec.items = Some(Box::new(items));
}

fn read_object(section: &Section<'_>, spec: &mut ValueSpec, problems: &mut Problems<'_>) {
    let properties = section.get("properties");
    spec.properties = properties
        .map(|node| parameters::specs(node, "property", "properties", problems))
        .unwrap_or_default();
    // Whoever lists the properties means these. Whoever lists none means any object.
    let additional = section.boolean("additional_properties", problems);
    spec.additional_properties = additional.unwrap_or(properties.is_none());
}

fn bounds(
    section: &Section<'_>,
    [min_key, max_key]: [&str; 2],
    problems: &mut Problems<'_>,
) -> (Option<u64>, Option<u64>) {
    let min = section.integer(min_key, 0, LENGTH_MAX, problems);
    let max = section.integer(max_key, 0, LENGTH_MAX, problems);
    if let (Some(min), Some(max), Some(entry)) = (min, max, section.entry(max_key))
        && max < min
    {
        let message = format!("`{max_key}` ({max}) is below `{min_key}` ({min}), so nothing fits");
        problems.error(entry.value.span, message);
    }
    (min, max)
}

fn pattern(node: &Node, problems: &mut Problems<'_>) -> Option<Pattern> {
    let pattern = text(node, "pattern", problems)?;
    match Pattern::try_new(pattern) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let help = "patterns are ECMA-262 regular expressions without look-around and back-references, best in \
                        single quotes: '^[a-z0-9-]+$'";
            problems.error_help(node.span, error.to_string(), help);
            None
        }
    }
}

fn choices(section: &Section<'_>, spec: &ValueSpec, problems: &mut Problems<'_>) -> Vec<Value> {
    let Some(node) = section.get("enum") else { return Vec::new() };
    let items = list(node, "enum", problems).unwrap_or_default();
    if items.len() > CHOICES_MAX {
        let message = format!("`enum` has {} values, expected at most {CHOICES_MAX}", items.len());
        problems.error_help(node.span, message, "check the value in the tool instead");
        return Vec::new();
    }
    if items.is_empty() && matches!(node.kind, Kind::List(_)) {
        problems.error_help(
            node.span,
            "`enum` is empty, so nothing fits",
            "list the values that are allowed",
        );
    }
    items.iter().filter_map(|item| fitting(spec, item, "enum", problems)).collect()
}

/// A value that keeps everything the spec says so far, defaults inside it filled in.
fn fitting(spec: &ValueSpec, node: &Node, key: &str, problems: &mut Problems<'_>) -> Option<Value> {
    let wanted = spec.kind.as_str();
    match (&node.kind, spec.kind) {
        (Kind::Null, _) => {
            let help = "leave `default` out: a parameter without one is simply absent when it is not given";
            problems.error_help(node.span, format!("`{key}`: expected {wanted}, got nothing"), help);
            return None;
        }
        (Kind::Number(_) | Kind::Bool(_), ParameterType::String) => {
            let help = format!("write it in quotes: \"{}\"", problems.raw(node.span));
            problems.error_help(node.span, format!("`{key}`: expected string, got {}", describe(node)), help);
            return None;
        }
        (Kind::List(_) | Kind::Map(_), kind) if kind.is_scalar() => {
            return wrong_type(node, &format!("`{key}`"), wanted, problems);
        }
        _ => {}
    }
    let mut value = node.to_json();
    let mut errors = Vec::new();
    check::value(spec, &mut value, &Path::Value, &mut errors);
    for error in &errors {
        let place = node.at(&error.pointer);
        problems.error(place.span, format!("`{key}` does not fit: {}", error.message));
    }
    errors.is_empty().then_some(value)
}
