//! One value of a row as JSON.

use std::error::Error;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio_postgres::types::{FromSql, Kind, Type};

use super::{numeric, time};

/// A value, read by its column's type.
///
/// Whole numbers up to 64 bits and floating-point numbers are JSON numbers; `numeric` is a string, because a JSON number
/// would not keep its digits, and so are dates, times and identifiers. `bytea` is base64. Arrays have one dimension.
pub(super) struct Cell(pub(super) Value);

/// Whether [`Cell`] can read a column of this type.
pub(super) fn is_supported(ty: &Type) -> bool {
    match ty.kind() {
        Kind::Enum(_) => true,
        Kind::Domain(inner) | Kind::Array(inner) => is_supported(inner),
        Kind::Simple => is_plain(ty),
        _ => *ty == Type::VOID,
    }
}

fn is_plain(ty: &Type) -> bool {
    is_text(ty)
        || [
            Type::BOOL,
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::OID,
            Type::FLOAT4,
            Type::FLOAT8,
            Type::NUMERIC,
            Type::JSON,
            Type::JSONB,
            Type::UUID,
            Type::BYTEA,
            Type::TIMESTAMP,
            Type::TIMESTAMPTZ,
            Type::DATE,
            Type::TIME,
            Type::INTERVAL,
        ]
        .contains(ty)
}

/// Types whose binary form is their text.
fn is_text(ty: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::XML, Type::UNKNOWN].contains(ty)
        || ty.name() == "citext"
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match ty.kind() {
            Kind::Domain(inner) => Self::from_sql(inner, raw),
            Kind::Enum(_) => Ok(Self(std::str::from_utf8(raw)?.into())),
            Kind::Array(_) => {
                let items: Vec<Self> = Vec::from_sql(ty, raw)?;
                Ok(Self(items.into_iter().map(|item| item.0).collect()))
            }
            _ => plain(ty, raw).map(Self),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(ty: &Type) -> bool {
        is_supported(ty)
    }
}

fn plain(ty: &Type, raw: &[u8]) -> Result<Value, Box<dyn Error + Sync + Send>> {
    if is_text(ty) {
        return Ok(std::str::from_utf8(raw)?.into());
    }
    let text = match *ty {
        Type::VOID => return Ok(Value::Null),
        Type::BOOL => return Ok(bool::from_sql(ty, raw)?.into()),
        Type::INT2 => return Ok(i16::from_sql(ty, raw)?.into()),
        Type::INT4 => return Ok(i32::from_sql(ty, raw)?.into()),
        Type::INT8 => return Ok(i64::from_sql(ty, raw)?.into()),
        Type::OID => return Ok(u32::from_sql(ty, raw)?.into()),
        Type::FLOAT4 => return Ok(single(f32::from_sql(ty, raw)?)),
        Type::FLOAT8 => return Ok(double(f64::from_sql(ty, raw)?)),
        Type::JSON => return Ok(serde_json::from_slice(raw)?),
        // Its first byte is a version.
        Type::JSONB => return Ok(serde_json::from_slice(raw.get(1..).unwrap_or_default())?),
        Type::NUMERIC => numeric::to_text(raw),
        Type::UUID => uuid(raw),
        Type::BYTEA => Some(STANDARD.encode(raw)),
        Type::TIMESTAMP => time::timestamp(i64::from_be_bytes(raw.try_into()?)),
        Type::TIMESTAMPTZ => time::timestamp_tz(i64::from_be_bytes(raw.try_into()?)),
        Type::DATE => time::date(i32::from_be_bytes(raw.try_into()?)),
        Type::TIME => time::time(i64::from_be_bytes(raw.try_into()?)),
        Type::INTERVAL => interval(raw),
        _ => None,
    };
    text.map(Value::String).ok_or_else(|| format!("a `{ty}` cannot be shown, cast it to `text`").into())
}

/// As its own shortest digits: as a double it would show digits that it never had.
fn single(value: f32) -> Value {
    value.to_string().parse().map_or_else(|_| double(value.into()), double)
}

/// JSON has no word for what is no number.
fn double(value: f64) -> Value {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        value.into()
    }
}

fn uuid(raw: &[u8]) -> Option<String> {
    let hex = u128::from_be_bytes(raw.try_into().ok()?);
    let hex = format!("{hex:032x}");
    Some(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

fn interval(raw: &[u8]) -> Option<String> {
    let (micros, rest) = raw.split_first_chunk()?;
    let (days, rest) = rest.split_first_chunk()?;
    let (months, _) = rest.split_first_chunk()?;
    Some(time::interval(i64::from_be_bytes(*micros), i32::from_be_bytes(*days), i32::from_be_bytes(*months)))
}
