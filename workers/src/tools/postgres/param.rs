//! Parameters of a statement: JSON values, sent as text that the server reads by the type it needs.

use std::error::Error;

use serde_json::Value;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

/// One value.
#[derive(Debug)]
pub(super) struct Param(pub(super) Value);

impl ToSql for Param {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        Ok(match text(&self.0, ty) {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// As the server reads it; `None` is null.
fn text(value: &Value, ty: &Type) -> Option<String> {
    match (value, ty.kind()) {
        (Value::Null, _) => None,
        (value, Kind::Domain(inner)) => text(value, inner),
        (value, _) if *ty == Type::JSON || *ty == Type::JSONB => Some(value.to_string()),
        (Value::String(text), _) => Some(text.clone()),
        (Value::Array(items), Kind::Array(member)) => Some(array(items, member)),
        (value, _) => Some(value.to_string()),
    }
}

/// `{"a","b",NULL}`: quoted, so that no element's text can be taken for a bracket, a comma or a null.
fn array(items: &[Value], member: &Type) -> String {
    let element = |item: &Value| match item {
        // An array of arrays is one array of two dimensions.
        Value::Array(items) if *member != Type::JSON && *member != Type::JSONB => array(items, member),
        item => text(item, member).map_or_else(|| "NULL".to_owned(), |text| quoted(&text)),
    };
    format!("{{{}}}", items.iter().map(element).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_what_the_server_reads() {
        let check = |value: Value, ty: Type, expect: Option<&str>| {
            assert_eq!(text(&value, &ty).as_deref(), expect, "{value} as {ty}");
        };
        check(json!(null), Type::JSONB, None);
        check(json!("a"), Type::TEXT, Some("a"));
        check(json!("a"), Type::JSONB, Some("\"a\""));
        check(json!({ "a": 1 }), Type::JSON, Some("{\"a\":1}"));
        check(json!([1, 2]), Type::JSON, Some("[1,2]"));
        check(json!({ "a": 1 }), Type::TEXT, Some("{\"a\":1}"));
        check(json!(9_007_199_254_740_993_u64), Type::INT8, Some("9007199254740993"));
        check(json!(0.1), Type::NUMERIC, Some("0.1"));
        check(json!(true), Type::BOOL, Some("true"));
        check(json!([1, null, "3"]), Type::INT4_ARRAY, Some("{\"1\",NULL,\"3\"}"));
        check(json!(["a\"b\\c", "NULL", "{,}"]), Type::TEXT_ARRAY, Some(r#"{"a\"b\\c","NULL","{,}"}"#));
        check(json!([[1, 2], [3, 4]]), Type::INT4_ARRAY, Some(r#"{{"1","2"},{"3","4"}}"#));
        check(json!([[1], "x"]), Type::JSONB_ARRAY, Some(r#"{"[1]","\"x\""}"#));
    }
}
