//! Writing tools into a manifest's text, which keeps everything else as its author wrote it. Pure.

use serde_json::Value;

use super::definition::Definition;

/// What a person wants to know of a parameter first.
const FIRST_KEYS: [&str; 3] = ["type", "required", "default"];

/// The lines of a tool, each behind `indent` spaces for every level.
pub(super) fn lines(definition: &Definition, indent: usize) -> String {
    let pad = |levels: usize| " ".repeat(indent * levels);
    let mut text = format!("{}{}:\n", pad(1), definition.name);
    for (key, value) in &definition.keys {
        match value {
            Value::Object(parameters) if *key == "parameters" => {
                text.push_str(&format!("{}{key}:\n", pad(2)));
                for (name, spec) in parameters {
                    text.push_str(&format!("{}{}: {}\n", pad(3), word(name), flow(spec)));
                }
            }
            value => text.push_str(&format!("{}{key}: {}\n", pad(2), flow(value))),
        }
    }
    text
}

/// The text with tools behind those that it has; nothing if its `tools` are not lines of their own.
pub(super) fn with_tools(text: &str, definitions: &[Definition]) -> Option<String> {
    let mut before = Vec::new();
    let mut rest = text.lines();
    let is_tools = |line: &str| {
        let behind = line.strip_prefix("tools:").map(str::trim);
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('#') || behind == "{}")
    };
    let head = loop {
        match rest.next() {
            Some(line) if is_tools(line) => break line.strip_suffix("{}").unwrap_or(line),
            Some(line) if line.starts_with("tools:") => return None,
            Some(line) => before.push(line),
            None => break "\ntools:",
        }
    };
    before.push(head);
    let rest: Vec<&str> = rest.collect();
    let belongs = |line: &&str| line.is_empty() || line.starts_with([' ', '#']);
    let mut end = rest.iter().take_while(|line| belongs(line)).count();
    // What stands between two sections stays with the second one.
    while end > 0 && rest.get(end - 1).is_some_and(|line| line.is_empty() || line.starts_with('#')) {
        end -= 1;
    }
    let (tools, after) = rest.split_at(end);
    let indent = tools.iter().find(|line| line.starts_with(' ') && !line.trim_start().starts_with('#'));
    let indent = indent.map_or(2, |line| line.len() - line.trim_start().len());
    let mut edited =
        before.into_iter().chain(tools.iter().copied()).fold(String::new(), |text, line| text + line + "\n");
    for definition in definitions {
        edited.push_str(&lines(definition, indent));
    }
    after.iter().for_each(|line| {
        edited.push_str(line);
        edited.push('\n');
    });
    Some(if text.contains("\r\n") { edited.replace('\n', "\r\n") } else { edited })
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let place =
                |name: &str| FIRST_KEYS.iter().position(|first| *first == name).unwrap_or(FIRST_KEYS.len());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| place(name));
            let fields: Vec<String> =
                fields.into_iter().map(|(name, value)| format!("{}: {}", word(name), flow(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => word(text),
        other => other.to_string(),
    }
}

/// A text without quotes where no reader of YAML takes it for anything else.
fn word(text: &str) -> String {
    let plain = text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'));
    let taken = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if plain && !taken.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    // JSON's strings are YAML's, too.
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use gantz_core::manifest::Manifest;
    use serde_json::json;

    use super::*;

    fn definition() -> Definition {
        let parameters = json!({"path": {"type": "string", "required": true, "description": "Where: \"here\"\n"}, "n": {"type": "integer"}});
        let keys = vec![
            ("description", json!("Read a file: all of it")),
            ("handler", json!("mcp.files")),
            ("parameters", parameters),
            ("effects", json!("read_only")),
        ];
        Definition { name: "read".into(), keys }
    }

    #[test]
    fn a_tool_is_written_as_a_person_would() {
        let expected = "  read:\n    description: \"Read a file: all of it\"\n    handler: mcp.files\n    parameters:\n      \
                        \"n\": {type: integer}\n      path: {type: string, required: true, description: \"Where: \\\"here\\\"\\n\"}\n    \
                        effects: read_only\n";
        assert_eq!(lines(&definition(), 2), expected);
    }

    #[test]
    fn tools_are_added_and_nothing_else_changes() {
        let servers = "name: t\nversion: 1.0.0 # mine\nmcp_servers:\n  files: {command: [x]}\n";
        for text in [
            format!(
                "{servers}tools:\n    own: # kept\n        description: d\n        handler: h\n\n# later\nlanes:\n  slow: {{}}\n"
            ),
            format!("{servers}tools: {{}}\n"),
            format!("{servers}tools: # none yet\n"),
            servers.to_owned(),
            servers.trim_end().to_owned(),
        ] {
            let edited = with_tools(&text, &[definition()]).unwrap();
            let manifest =
                Manifest::parse("gantz.yaml", &edited).unwrap_or_else(|error| panic!("{error}\n{edited}"));
            let tool = manifest.tool("read").unwrap();
            assert_eq!(
                tool.parameters.get("path").unwrap().value.description.as_deref(),
                Some("Where: \"here\"\n")
            );
            for line in text.lines().filter(|line| !line.starts_with("tools:")) {
                assert!(edited.contains(line), "{line}\n{edited}");
            }
        }
        assert_eq!(with_tools("tools: {a: {}}\n", &[definition()]), None);
    }
}
