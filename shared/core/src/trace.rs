//! The distributed trace that a job belongs to: carried to its tool, so that what the tool does shows up in the trace of whoever
//! asked for it. Gantz adds no spans of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a trace, as W3C's header `traceparent` has it: `00-TRACE-PARENT-FLAGS`, in lower-case hexadecimal.
///
/// <https://www.w3.org/TR/trace-context/>
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent(String);

/// A text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no `traceparent`, expected such as `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`")]
pub struct NoTraceParent;

/// Characters of the version that is written.
const CHARS: usize = 55;

impl TraceParent {
    /// Reads a header's value. Of a later version what this one knows is read, and written as this one.
    ///
    /// # Errors
    /// When it is none, or one of its ids is zero.
    pub fn parse(text: &str) -> Result<Self, NoTraceParent> {
        let (known, more) = text.split_at_checked(CHARS).ok_or(NoTraceParent)?;
        let mut parts = known.split('-');
        let mut part = |chars: usize| parts.next().filter(|part| part.len() == chars && is_hex(part));
        let (version, trace, parent, flags) = (part(2), part(32), part(16), part(2));
        let (Some(version), Some(trace), Some(parent), Some(flags)) = (version, trace, parent, flags) else {
            return Err(NoTraceParent);
        };
        let is_complete =
            if version == "00" { more.is_empty() } else { more.is_empty() || more.starts_with('-') };
        if version == "ff" || !is_complete || is_zero(trace) || is_zero(parent) {
            return Err(NoTraceParent);
        }
        Ok(Self(format!("00-{trace}-{parent}-{flags}")))
    }

    /// Reads what AWS X-Ray writes, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`, if that trace
    /// is recorded: one that is not leads nowhere.
    ///
    /// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
    pub fn from_xray(header: &str) -> Option<Self> {
        let field = |name: &str| {
            header.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let (begun, random) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
        let (parent, "1") = (field("Parent")?, field("Sampled")?) else { return None };
        Self::parse(&format!("00-{begun}{random}-{parent}-01")).ok()
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace: 32 hexadecimal digits, by which logs and traces find each other.
    pub fn trace_id(&self) -> &str {
        self.0.get(3..35).unwrap_or_default()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TraceParent {
    type Error = NoTraceParent;

    fn try_from(text: String) -> Result<Self, NoTraceParent> {
        Self::parse(&text)
    }
}

impl From<TraceParent> for String {
    fn from(trace: TraceParent) -> Self {
        trace.0
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_zero(id: &str) -> bool {
    id.bytes().all(|b| b == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn w3cs_examples() {
        let good = format!("00-{TRACE}-{PARENT}-01");
        let zeros = "0".repeat(32);
        #[rustfmt::skip]
        let table = [
            (good.clone(), Some(good.clone())),
            (format!("00-{TRACE}-{PARENT}-00"), Some(format!("00-{TRACE}-{PARENT}-00"))),
            (format!("cc-{TRACE}-{PARENT}-01"), Some(good.clone())),
            (format!("cc-{TRACE}-{PARENT}-01-what-the-future-holds"), Some(good.clone())),
            (format!("cc-{TRACE}-{PARENT}-01.what"), None),
            (format!("{good}-more"), None),
            (format!("ff-{TRACE}-{PARENT}-01"), None),
            (format!("00-{zeros}-{PARENT}-01"), None),
            (format!("00-{TRACE}-{}-01", &zeros[..16]), None),
            (format!("00-{}-{PARENT}-01", TRACE.to_uppercase()), None),
            (format!("00-{TRACE}-{PARENT}-0"), None),
            (format!("00-{TRACE}{PARENT}--01"), None),
            ("ä".repeat(28), None),
            (String::new(), None),
        ];
        for (text, expected) in table {
            assert_eq!(TraceParent::parse(&text).ok().map(String::from), expected, "{text}");
        }
        assert_eq!(TraceParent::parse(&good).unwrap().trace_id(), TRACE);
    }

    #[test]
    fn x_rays_header() {
        let read = |header: &str| TraceParent::from_xray(header).map(String::from);
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let expected = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01".to_owned();
        assert_eq!(read(&format!("{root};Parent=53995c3f42cd8ad8;Sampled=1")), Some(expected.clone()));
        let lineage = format!("Sampled=1; {root}; Lineage=1:a87bd80c:1; Parent=53995c3f42cd8ad8");
        assert_eq!(read(&lineage), Some(expected));
        for none in ["", root, "Root=1-5759e988;Parent=53995c3f42cd8ad8;Sampled=1", "Self=1;Root"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read(&format!("{root};Parent=53995c3f42cd8ad8;Sampled=0")), None, "nobody records it");
        assert_eq!(read(&format!("{root};Sampled=1")), None);
    }
}
