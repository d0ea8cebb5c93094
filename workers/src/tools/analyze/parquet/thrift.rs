//! Just enough of Thrift's compact protocol to read a Parquet footer. Every read is checked; `None` is the end or
//! nonsense.

use super::super::limits::THRIFT_DEPTH_MAX;

const BOOL_TRUE: u8 = 1;
const BOOL_FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Reads from the front of a slice.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    left: &'a [u8],
}

/// What stands in front of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) id: i64,
    kind: u8,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// The next field of a structure, given the id of the one before; the inner `None` is the structure's end.
    pub(super) fn field(&mut self, previous_id: i64) -> Option<Option<Field>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        let id = match i64::from(head >> 4) {
            0 => self.integer()?,
            delta => previous_id.checked_add(delta)?,
        };
        Some(Some(Field { id, kind: head & 15 }))
    }

    /// The number of structures in the list that is a field's value.
    pub(super) fn list_of_structs(&mut self, field: Field) -> Option<u64> {
        let (len, kind) = (field.kind == LIST).then(|| self.list_head())??;
        (kind == STRUCT || len == 0).then_some(len)
    }

    /// The value of an integer field.
    pub(super) fn integer_of(&mut self, field: Field) -> Option<i64> {
        matches!(field.kind, I16 | I32 | I64).then(|| self.integer())?
    }

    /// The value of a text field.
    pub(super) fn binary_of(&mut self, field: Field) -> Option<&'a [u8]> {
        (field.kind == BINARY).then(|| self.binary())?
    }

    /// Passes over a field's value.
    pub(super) fn skip(&mut self, field: Field) -> Option<()> {
        match field.kind {
            BOOL_TRUE | BOOL_FALSE => Some(()),
            kind => self.skip_value(kind, 0),
        }
    }

    fn skip_value(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth == THRIFT_DEPTH_MAX {
            return None;
        }
        match kind {
            // Outside of a field, where its header tells the value, a boolean takes a byte.
            BOOL_TRUE | BOOL_FALSE | BYTE => self.take(1).map(drop),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.take(8).map(drop),
            BINARY => self.binary().map(drop),
            LIST | SET => {
                let (len, kind) = self.list_head()?;
                (0..len).try_for_each(|_| self.skip_value(kind, depth + 1))
            }
            MAP => self.skip_map(depth),
            STRUCT => self.skip_struct(depth),
            _ => None,
        }
    }

    fn skip_map(&mut self, depth: u32) -> Option<()> {
        let len = self.varint()?;
        if len == 0 {
            return Some(());
        }
        let kinds = self.byte()?;
        (0..len).try_for_each(|_| {
            self.skip_value(kinds >> 4, depth + 1)?;
            self.skip_value(kinds & 15, depth + 1)
        })
    }

    fn skip_struct(&mut self, depth: u32) -> Option<()> {
        let mut id = 0;
        while let Some(field) = self.field(id)? {
            if !matches!(field.kind, BOOL_TRUE | BOOL_FALSE) {
                self.skip_value(field.kind, depth + 1)?;
            }
            id = field.id;
        }
        Some(())
    }

    fn list_head(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let len = match head >> 4 {
            15 => self.varint()?,
            len => u64::from(len),
        };
        Some((len, head & 15))
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        self.take(len)
    }

    fn integer(&mut self) -> Option<i64> {
        let raw = self.varint()?;
        Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.left.split_at_checked(len)?;
        self.left = left;
        Some(taken)
    }
}
