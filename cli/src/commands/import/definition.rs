//! From a tool as MCP describes it to a tool as the manifest does. Pure.
//!
//! The manifest's parameters say less than JSON Schema. What they cannot say is left to the server, which checks it anyway;
//! a parameter without one type has no place in a manifest, and its tool is left out.

use serde_json::{Map, Value, json};

/// A tool for the manifest.
#[derive(Debug, PartialEq)]
pub(super) struct Definition {
    pub(super) name: String,
    /// Its keys in the order they are written.
    pub(super) keys: Vec<(&'static str, Value)>,
}

/// JSON Schema's names and the manifest's for what both can say.
const KEYWORDS: [(&str, &str); 9] = [
    ("description", "description"),
    ("default", "default"),
    ("minimum", "minimum"),
    ("maximum", "maximum"),
    ("minLength", "min_length"),
    ("maxLength", "max_length"),
    ("minItems", "min_items"),
    ("maxItems", "max_items"),
    ("pattern", "pattern"),
];
const NAME_MAX_CHARS: usize = 64;

/// The tool of `server` as the manifest writes it, or why it cannot.
pub(super) fn define(server: &str, tool: &Value) -> Result<Definition, String> {
    let own_name = tool["name"].as_str().ok_or("it has no name")?;
    let name = manifest_name(own_name);
    let description = tool["description"].as_str().filter(|text| !text.trim().is_empty());
    let mut keys = vec![("description", json!(description.unwrap_or(own_name)))];
    let title = tool["title"].as_str().or_else(|| tool["annotations"]["title"].as_str());
    if let Some(title) = title.filter(|title| !title.trim().is_empty()) {
        keys.insert(0, ("title", json!(title)));
    }
    keys.push(("handler", json!(format!("mcp.{server}"))));
    if name != own_name {
        keys.push(("mcp_tool", json!(own_name)));
    }
    let parameters = properties(&tool["inputSchema"])?;
    if !parameters.is_empty() {
        keys.push(("parameters", Value::Object(parameters)));
    }
    keys.push(("effects", json!(effects(&tool["annotations"]))));
    Ok(Definition { name, keys })
}

/// Without a word of the server, a tool must not run twice.
fn effects(annotations: &Value) -> &'static str {
    match (&annotations["readOnlyHint"], &annotations["idempotentHint"]) {
        (Value::Bool(true), _) => "read_only",
        (_, Value::Bool(true)) => "keyed",
        _ => "at_most_once",
    }
}

fn manifest_name(name: &str) -> String {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    name.chars().map(|char| if fits(char) { char } else { '_' }).take(NAME_MAX_CHARS).collect()
}

/// The properties of an object, those that it requires marked so.
fn properties(schema: &Value) -> Result<Map<String, Value>, String> {
    let required = |name: &str| {
        let listed = schema["required"].as_array();
        listed.is_some_and(|listed| listed.iter().any(|listed| listed == name))
    };
    let mut all = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
        let begins = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
        if !begins || name.len() > NAME_MAX_CHARS || !name.chars().all(is_word) {
            return Err(format!("a manifest cannot have a parameter named `{name}`"));
        }
        let mut spec = value(property).map_err(|error| format!("its parameter `{name}` {error}"))?;
        if required(name) && !spec.contains_key("default") {
            spec.insert("required".into(), json!(true));
        }
        all.insert(name.clone(), Value::Object(spec));
    }
    Ok(all)
}

fn value(schema: &Value) -> Result<Map<String, Value>, String> {
    let kind = kind(schema).ok_or("may be of several types")?;
    let mut spec = Map::from_iter([("type".to_owned(), json!(kind))]);
    for (theirs, ours) in KEYWORDS {
        if let Some(value) = schema.get(theirs).filter(|value| !value.is_null()) {
            spec.insert(ours.into(), value.clone());
        }
    }
    if let Some(choices) =
        schema["enum"].as_array().filter(|_| ["string", "integer", "number"].contains(&kind))
    {
        let choices: Vec<&Value> = choices.iter().filter(|choice| !choice.is_null()).collect();
        spec.insert("enum".into(), json!(choices));
    }
    if kind == "array" && schema["items"].is_object() {
        // Items that may be anything need no word.
        if let Ok(items) = value(&schema["items"]) {
            spec.insert("items".into(), Value::Object(items));
        }
    }
    if kind == "object" {
        let own = properties(schema)?;
        let more = schema.get("additionalProperties");
        if !own.is_empty() {
            spec.insert("properties".into(), Value::Object(own));
            // Ours are closed unless they say otherwise, and JSON Schema's are open.
            spec.insert("additional_properties".into(), json!(more != Some(&json!(false))));
        }
    }
    Ok(spec)
}

/// The one type of a value, `null` aside: a parameter without a value is left out.
fn kind(schema: &Value) -> Option<&str> {
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        _ => {
            let mut typed = schema["anyOf"].as_array()?.iter().filter(|other| other["type"] != "null");
            let only = typed.next()?;
            return if typed.next().is_none() { kind(only) } else { None };
        }
    };
    match types.as_slice() {
        [only] if ["string", "integer", "number", "boolean", "array", "object"].contains(only) => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_become_parameters() {
        let tool = json!({
            "name": "web.search", "description": "Search the web", "annotations": {"title": "Search", "readOnlyHint": true},
            "inputSchema": {"type": "object", "required": ["query", "limit"], "$schema": "x", "properties": {
                "query": {"type": "string", "minLength": 1, "format": "x"},
                "limit": {"type": "integer", "default": 10, "maximum": 50},
                "kind": {"type": ["string", "null"], "enum": ["news", "any", null]},
                "site": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": null},
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
                "range": {"type": "object", "required": ["from"], "properties": {"from": {"type": "number"}}},
            }},
        });
        let definition = define("web", &tool).unwrap();
        assert_eq!(definition.name, "web_search");
        assert_eq!(
            definition.keys,
            [
                ("title", json!("Search")),
                ("description", json!("Search the web")),
                ("handler", json!("mcp.web")),
                ("mcp_tool", json!("web.search")),
                (
                    "parameters",
                    json!({
                        "query": {"type": "string", "min_length": 1, "required": true},
                        "limit": {"type": "integer", "default": 10, "maximum": 50},
                        "kind": {"type": "string", "enum": ["news", "any"]},
                        "site": {"type": "string"},
                        "tags": {"type": "array", "items": {"type": "string"}, "max_items": 3},
                        "range": {"type": "object", "additional_properties": true,
                            "properties": {"from": {"type": "number", "required": true}}},
                    })
                ),
                ("effects", json!("read_only")),
            ]
        );
    }

    #[test]
    fn what_a_manifest_cannot_say_is_left_out_with_the_reason() {
        let with = |properties: Value| json!({"name": "t", "inputSchema": {"type": "object", "properties": properties}});
        for (tool, expected) in [
            (
                with(json!({"x": {"anyOf": [{"type": "string"}, {"type": "number"}]}})),
                "its parameter `x` may be of several types",
            ),
            (with(json!({"x": {}})), "its parameter `x` may be of several types"),
            (with(json!({"a b": {"type": "string"}})), "a manifest cannot have a parameter named `a b`"),
            (json!({}), "it has no name"),
        ] {
            assert_eq!(define("s", &tool).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_tool_that_says_nothing_must_not_run_twice() {
        for (annotations, expected) in [
            (json!(null), "at_most_once"),
            (json!({"destructiveHint": false}), "at_most_once"),
            (json!({"idempotentHint": true}), "keyed"),
            (json!({"readOnlyHint": true, "idempotentHint": false}), "read_only"),
        ] {
            assert_eq!(effects(&annotations), expected, "{annotations}");
        }
    }
}
