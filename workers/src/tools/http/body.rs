//! What a request sends.

use std::collections::BTreeSet;

use gantz_core::manifest::HttpBody;
use serde_json::{Map, Value};

use super::super::template::Template;
use super::error::HttpSpecError;

/// A request's body, before the parameters are known.
#[derive(Debug, Clone)]
pub(super) enum Body {
    None,
    /// The parameters, except these.
    Parameters {
        used_elsewhere: BTreeSet<String>,
    },
    Json(Shape),
}

/// JSON with holes.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Fixed(Value),
    Text(Template),
    List(Vec<Shape>),
    Object(Vec<(String, Shape)>),
}

impl Body {
    pub(super) fn parse(body: HttpBody, used_elsewhere: BTreeSet<String>) -> Result<Self, HttpSpecError> {
        Ok(match body {
            HttpBody::None => Self::None,
            HttpBody::Parameters => Self::Parameters { used_elsewhere },
            HttpBody::Template(value) => Self::Json(Shape::parse(value)?),
        })
    }

    /// The JSON to send, if any.
    pub(super) fn fill(&self, parameters: &Map<String, Value>) -> Option<Value> {
        match self {
            Self::None => None,
            Self::Parameters { used_elsewhere } => {
                let rest = parameters.iter().filter(|(name, _)| !used_elsewhere.contains(*name));
                Some(rest.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
            Self::Json(shape) => Some(shape.fill(parameters).unwrap_or(Value::Null)),
        }
    }
}

impl Shape {
    fn parse(value: Value) -> Result<Self, HttpSpecError> {
        Ok(match value {
            Value::String(text) => {
                let place = || "a string of `body`".to_owned();
                Self::Text(
                    Template::parse(&text)
                        .map_err(|source| HttpSpecError::Template { place: place(), source })?,
                )
            }
            Value::Array(items) => Self::List(items.into_iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| Ok((name, Self::parse(value)?)));
                Self::Object(members.collect::<Result<_, HttpSpecError>>()?)
            }
            fixed => Self::Fixed(fixed),
        })
    }

    /// The JSON, or nothing where a parameter that it needs is absent: the member or item is left out then, as the
    /// caller left the parameter out.
    fn fill(&self, parameters: &Map<String, Value>) -> Option<Value> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Text(template) => match template.alone() {
                Some(name) => parameters.get(name).cloned(),
                None => template.fill(parameters).ok().map(Value::String),
            },
            Self::List(items) => Some(items.iter().filter_map(|item| item.fill(parameters)).collect()),
            Self::Object(members) => {
                let filled =
                    members.iter().filter_map(|(name, value)| Some((name.clone(), value.fill(parameters)?)));
                Some(Value::Object(filled.collect()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: HttpBody, parameters: &Value, expect: Option<&Value>) {
        let used = BTreeSet::from(["id".to_owned()]);
        let body = Body::parse(body, used).unwrap();
        assert_eq!(body.fill(parameters.as_object().unwrap()).as_ref(), expect, "{body:?} with {parameters}");
    }

    #[test]
    fn fills_in_parameters() {
        check(HttpBody::None, &json!({"a": 1}), None);
        check(
            HttpBody::Parameters,
            &json!({"id": 1, "a": [2], "b": null}),
            Some(&json!({"a": [2], "b": null})),
        );
        check(HttpBody::Parameters, &json!({"id": 1}), Some(&json!({})));
        let template = json!({
            "typed": "{n}", "text": "n is {n}", "deep": {"list": ["{o}", "{absent}", "{{n}}", 1]}, "none": null,
            "gone": "{absent}", "half": "{n} {absent}",
        });
        check(
            HttpBody::Template(template),
            &json!({"n": 7, "o": {"k": "{n}"}}),
            Some(&json!({
                "typed": 7, "text": "n is 7", "deep": {"list": [{"k": "{n}"}, "{n}", 1]}, "none": null,
            })),
        );
        check(HttpBody::Template(json!(["{n}"])), &json!({"n": null}), Some(&json!([null])));
    }

    #[test]
    fn refuses_what_is_no_template() {
        let error = Body::parse(HttpBody::Template(json!({"a": ["{"]})), BTreeSet::new()).unwrap_err();
        assert_eq!(error.to_string(), "a string of `body` is no template");
    }
}
