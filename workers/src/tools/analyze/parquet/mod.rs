//! Parquet, by the footer at its end (`parquet.thrift` of the format's repository).

mod thrift;

use self::thrift::{Field, Reader};
use super::bytes::{Ranged, ReadError};
use super::keep::keep;
use super::limits::{COLUMNS_MAX, FOOTER_MAX_BYTES, NAME_MAX_BYTES};
use super::report::{Parquet, ParquetColumn};

/// The footer's length and the mark after it.
const TAIL_BYTES: usize = 8;

/// What the footer says.
pub(super) fn read_footer(bytes: &mut impl Ranged) -> Result<Parquet, ReadError> {
    let end = bytes.size_bytes().saturating_sub(TAIL_BYTES as u64);
    let tail = bytes.read_vec(end, TAIL_BYTES)?;
    let ([a, b, c, d, mark @ ..], true) = (&tail[..], end > 0) else {
        return Ok(unreadable());
    };
    let footer_bytes = u32::from_le_bytes([*a, *b, *c, *d]);
    let Some(start) = end.checked_sub(u64::from(footer_bytes)).filter(|_| mark == b"PAR1") else {
        return Ok(unreadable());
    };
    let length = usize::try_from(footer_bytes).unwrap_or(usize::MAX).min(FOOTER_MAX_BYTES);
    let footer = bytes.read_vec(start, length)?;
    Ok(parse(&footer).unwrap_or_else(unreadable))
}

fn unreadable() -> Parquet {
    Parquet { error: Some("no readable footer at the end, the file may be cut short"), ..Parquet::default() }
}

/// `FileMetaData`, up to the row groups: they come after all that is reported.
fn parse(footer: &[u8]) -> Option<Parquet> {
    let mut reader = Reader::new(footer);
    let mut parquet = Parquet::default();
    let mut id = 0;
    while let Some(field) = reader.field(id)? {
        match field.id {
            2 => read_schema(&mut reader, field, &mut parquet)?,
            3 => parquet.rows = u64::try_from(reader.integer_of(field)?).ok()?,
            4 => {
                parquet.row_groups = reader.list_of_structs(field)?;
                return Some(parquet);
            }
            _ => reader.skip(field)?,
        }
        id = field.id;
    }
    Some(parquet)
}

/// The schema is a tree, written as a list in which every group says how many of the following are its children.
fn read_schema(reader: &mut Reader<'_>, field: Field, parquet: &mut Parquet) -> Option<()> {
    let count = reader.list_of_structs(field)?;
    let mut path = Vec::new();
    let mut open: Vec<Group> = Vec::new();
    for index in 0..count {
        let element = Element::read(reader)?;
        while open.pop_if(|group| group.children_left == 0).is_some() {}
        let (prefix, optional) = open.last_mut().map_or((0, false), |group| {
            group.children_left -= 1;
            (group.path_bytes, group.optional)
        });
        path.truncate(prefix);
        // The root's name is of no interest to anybody.
        if index > 0 {
            if prefix > 0 {
                path.push(b'.');
            }
            path.extend_from_slice(element.name);
        }
        let optional = optional || element.optional;
        if element.children > 0 {
            open.push(Group { path_bytes: path.len(), children_left: element.children, optional });
        } else if index > 0 {
            parquet.column_count += 1;
            if parquet.columns.len() < COLUMNS_MAX {
                let name = keep(&path, NAME_MAX_BYTES);
                let Element { kind, logical, .. } = element;
                parquet.columns.push(ParquetColumn { name, kind, logical, optional });
            }
        }
    }
    Some(())
}

struct Group {
    path_bytes: usize,
    children_left: u64,
    optional: bool,
}

/// `SchemaElement`.
struct Element<'a> {
    name: &'a [u8],
    kind: &'static str,
    logical: Option<&'static str>,
    optional: bool,
    children: u64,
}

impl<'a> Element<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let mut element = Self { name: b"", kind: "group", logical: None, optional: false, children: 0 };
        let mut id = 0;
        while let Some(field) = reader.field(id)? {
            match field.id {
                1 => element.kind = physical_type(reader.integer_of(field)?),
                // Repeated values may be absent just as optional ones may.
                3 => element.optional = reader.integer_of(field)? != 0,
                4 => element.name = reader.binary_of(field)?,
                5 => element.children = u64::try_from(reader.integer_of(field)?).ok()?,
                6 => element.logical = converted_type(reader.integer_of(field)?),
                _ => reader.skip(field)?,
            }
            id = field.id;
        }
        Some(element)
    }
}

fn physical_type(number: i64) -> &'static str {
    match number {
        0 => "boolean",
        1 => "int32",
        2 => "int64",
        3 => "int96",
        4 => "float",
        5 => "double",
        6 => "byte_array",
        7 => "fixed_len_byte_array",
        _ => "unknown",
    }
}

/// Writers still set this older mark next to the newer logical type, wherever it can express it.
fn converted_type(number: i64) -> Option<&'static str> {
    const NAMES: [&str; 22] = [
        "utf8",
        "map",
        "map_key_value",
        "list",
        "enum",
        "decimal",
        "date",
        "time_millis",
        "time_micros",
        "timestamp_millis",
        "timestamp_micros",
        "uint_8",
        "uint_16",
        "uint_32",
        "uint_64",
        "int_8",
        "int_16",
        "int_32",
        "int_64",
        "json",
        "bson",
        "interval",
    ];
    NAMES.get(usize::try_from(number).ok()?).copied()
}
