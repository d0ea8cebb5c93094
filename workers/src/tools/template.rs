//! Texts with holes, filled in with a job's parameters.

use std::borrow::Cow;

use gantz_core::manifest::template::{self, Part, TemplateError};
use serde_json::{Map, Value};

/// A text with holes, read once when its tool is made.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Piece>);

/// A piece of a template. Two literals never follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it is.
    Literal(String),
    /// The parameter of this name.
    Parameter(String),
}

/// A text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameter `{name}` is absent and has no default")]
pub(super) struct Missing {
    pub(super) name: String,
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        for part in template::parts(text)? {
            match (part, pieces.last_mut()) {
                (Part::Literal(more), Some(Piece::Literal(text))) => text.push_str(more),
                (Part::Literal(text), _) => pieces.push(Piece::Literal(text.to_owned())),
                (Part::Parameter(name), _) => pieces.push(Piece::Parameter(name.to_owned())),
            }
        }
        Ok(Self(pieces))
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The parameters it names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The parameter that is all there is to it.
    pub(super) fn alone(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Parameter(name)] => Some(name),
            _ => None,
        }
    }

    /// The text with every parameter in its place, as it is.
    pub(super) fn fill(&self, parameters: &Map<String, Value>) -> Result<String, Missing> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Parameter(name) => text.push_str(&parameter_text(name, parameters)?),
            }
        }
        Ok(text)
    }
}

/// A parameter as text: strings as they are, everything else as JSON. `null` counts as absent.
pub(super) fn parameter_text<'p>(
    name: &str,
    parameters: &'p Map<String, Value>,
) -> Result<Cow<'p, str>, Missing> {
    match parameters.get(name) {
        None | Some(Value::Null) => Err(Missing { name: name.to_owned() }),
        Some(Value::String(text)) => Ok(Cow::Borrowed(text)),
        Some(other) => Ok(Cow::Owned(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(template: &str, parameters: &Value, expect: Result<&str, &str>) {
        let filled = Template::parse(template).unwrap().fill(parameters.as_object().unwrap());
        assert_eq!(
            filled.as_deref().map_err(|missing| missing.name.as_str()),
            expect,
            "{template} with {parameters}"
        );
    }

    #[test]
    fn fills_in_parameters() {
        check("plain", &json!({}), Ok("plain"));
        check("", &json!({}), Ok(""));
        check("{a}", &json!({"a": "x y"}), Ok("x y"));
        check("--n={n}", &json!({"n": 7}), Ok("--n=7"));
        check("{yes}{no}", &json!({"yes": true, "no": false}), Ok("truefalse"));
        check("{list}", &json!({"list": [1, "b"]}), Ok(r#"[1,"b"]"#));
        check("{{{a}}}", &json!({"a": 1}), Ok("{1}"));
        check("{{a}}", &json!({"a": 1}), Ok("{a}"));
        // What a parameter holds is never read as a template.
        check("{a}", &json!({"a": "{b}", "b": "!"}), Ok("{b}"));
        check("{a}", &json!({}), Err("a"));
        check("{a}", &json!({"a": null}), Err("a"));
    }

    #[test]
    fn knows_when_a_parameter_stands_alone() {
        let alone = |text| Template::parse(text).unwrap().alone().map(str::to_owned);
        assert_eq!(alone("{a}").as_deref(), Some("a"));
        assert_eq!(alone("{a}{b}"), None);
        assert_eq!(alone(" {a}"), None);
        assert_eq!(alone("a"), None);
    }
}
