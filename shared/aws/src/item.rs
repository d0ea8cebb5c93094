//! Rows as DynamoDB items.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Number, Value};

/// A row: its attributes by name.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The table's key.
pub(crate) const PK: &str = "pk";

/// What the keys of batches begin with. No job's id holds a `#`, so the table's keys are apart.
pub(crate) const BATCH_PREFIX: &str = "batch#";
/// There is no row, or its time is up: it may be there for days before DynamoDB deletes it.
pub(crate) const FREE: &str =
    "attribute_not_exists(#pk) OR (attribute_exists(#finished_at) AND #expires_at <= :now)";

/// A text.
pub(crate) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A whole number.
pub(crate) fn number(number: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

/// What [`number`] was made from; `None` for other attributes.
pub(crate) fn whole<N: FromStr>(attribute: &AttributeValue) -> Option<N> {
    attribute.as_n().ok()?.parse().ok()
}

/// A JSON value as an attribute; `null` is an attribute that is not there.
pub(crate) fn attribute(value: Value) -> Option<AttributeValue> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(bool) => AttributeValue::Bool(bool),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(values) => AttributeValue::L(values.into_iter().filter_map(attribute).collect()),
        Value::Object(fields) => AttributeValue::M(attributes(fields)),
    })
}

/// An object's fields as attributes, without those that are `null`.
pub(crate) fn attributes(fields: Map<String, Value>) -> Item {
    fields.into_iter().filter_map(|(name, value)| Some((name, attribute(value)?))).collect()
}

/// What [`attribute`] was made from; `None` for types that it never makes.
pub(crate) fn value(attribute: AttributeValue) -> Option<Value> {
    Some(match attribute {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(bool) => Value::Bool(bool),
        AttributeValue::N(number) => Value::Number(number.parse::<Number>().ok()?),
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::L(attributes) => {
            Value::Array(attributes.into_iter().map(value).collect::<Option<_>>()?)
        }
        AttributeValue::M(item) => Value::Object(fields(item)?),
        _ => return None,
    })
}

/// What [`attributes`] were made from.
pub(crate) fn fields(item: Item) -> Option<Map<String, Value>> {
    item.into_iter().map(|(name, attribute)| Some((name, value(attribute)?))).collect()
}

/// The names that expressions use, each as `#name`: so no word that DynamoDB reserves can get in the way.
pub(crate) fn names<'a>(expressions: impl IntoIterator<Item = &'a str>) -> HashMap<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    expressions
        .into_iter()
        .flat_map(|expression| expression.split('#').skip(1))
        .map(|rest| rest.find(|c| !is_name(c)).map_or(rest, |end| &rest[..end]))
        .map(|name| (format!("#{name}"), name.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_survive_as_attributes() {
        let fields_in = json!({
            "text": "größe", "numbers": [0, -1, 18_446_744_073_709_551_615_u64, 0.1],
            "deep": {"er": [{}, [], true]},
        });
        let Value::Object(fields_in) = fields_in else { unreachable!("an object") };
        assert_eq!(fields(attributes(fields_in.clone())), Some(fields_in));
    }

    #[test]
    fn null_is_no_attribute() {
        let Value::Object(with_null) = json!({"a": null, "b": {"c": null}}) else {
            unreachable!("an object")
        };
        assert_eq!(Value::Object(fields(attributes(with_null)).unwrap()), json!({"b": {}}));
    }

    #[test]
    fn names_are_those_used() {
        let used = names(["#a = :a AND attribute_exists(#b_c)", "SET #a = if_not_exists(#a, :x)"]);
        let expected = [("#a", "a"), ("#b_c", "b_c")].map(|(key, name)| (key.to_owned(), name.to_owned()));
        assert_eq!(used, HashMap::from(expected));
    }
}
