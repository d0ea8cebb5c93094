//! Names of jobs, tenants, lanes and queues, valid by construction, and how a job's id is derived.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::limits;

/// A name breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no {what}: {rule}")]
pub struct NameError {
    /// What was to be named.
    pub what: &'static str,
    /// The name given, cut to its first 80 characters.
    pub value: String,
    /// What would be right.
    pub rule: &'static str,
}

/// Declares a checked string type: the doc, the name, what it is called in errors, its rule and its test.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the rule given at the type.
            ///
            /// # Errors
            /// When `value` breaks the rule.
            pub fn try_new(value: impl Into<String>) -> Result<Self, NameError> {
                let value = value.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&value) {
                    Ok(Self(value))
                } else {
                    let value = value.chars().take(80).collect();
                    Err(NameError { what: $what, value, rule: $rule })
                }
            }

            /// The name itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(value: String) -> Result<Self, NameError> {
                Self::try_new(value)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

fn is_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

name!(
    /// A job's (or batch's) id: 8 to 64 of `A-Z a-z 0-9 . _ -`.
    JobId,
    "job id",
    "expected 8 to 64 of A-Z a-z 0-9 . _ -",
    |id| (limits::JOB_ID_MIN_CHARS..=limits::JOB_ID_MAX_CHARS).contains(&id.len()) && id.chars().all(is_id_char)
);

name!(
    /// Whose job it is: 1 to 128 of `A-Z a-z 0-9 . _ -`. Jobs of one tenant share fairness and idempotency keys.
    Tenant,
    "tenant",
    "expected 1 to 128 of A-Z a-z 0-9 . _ -",
    |name| (1..=limits::TENANT_MAX_CHARS).contains(&name.len()) && name.chars().all(is_id_char)
);

name!(
    /// A lane: the queue that a job waits in. 1 to 40 of `a-z 0-9 -`, as it becomes part of a queue's name.
    Lane,
    "lane",
    "expected 1 to 40 of a-z 0-9 -",
    |name| {
        (1..=40).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    }
);

impl Lane {
    /// The lane of tools that name none: `fast`.
    pub fn default_lane() -> Self {
        Self("fast".to_owned())
    }

    /// The lanes that every manifest has: `fast` for tools that somebody waits for, `bulk` for what takes long or comes in
    /// floods.
    pub fn standing() -> [Self; 2] {
        [Self::default_lane(), Self("bulk".to_owned())]
    }
}

impl Tenant {
    /// The tenant of jobs that name none.
    pub fn default_tenant() -> Self {
        Self("default".to_owned())
    }

    /// The group of its messages on a queue, so that no tenant waits for the backlog of another. What nobody in particular
    /// asked for is of no group.
    pub fn group(&self) -> Option<String> {
        (*self != Self::default_tenant()).then(|| self.to_string())
    }
}

/// A queue: a lane's jobs, a lane's dead letters, the planner's pages, or submissions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueName {
    /// Jobs waiting in a lane.
    Lane(Lane),
    /// What a lane's workers could not handle.
    Dead(Lane),
    /// What not even the handler of a lane's dead letters can read: kept for people.
    Parked(Lane),
    /// Pages of batches still to be planned.
    Plan,
    /// Submissions that nobody waits for.
    Ingest,
    /// Those of them that became no jobs: kept for people.
    Refused,
    /// One of a lane's, first in, first out: `.fifo` ends its name, and what stands behind it is of the same kind.
    Fifo(Box<QueueName>),
}

/// Ends the name of a queue that is first in, first out.
pub const FIFO_SUFFIX: &str = ".fifo";

impl QueueName {
    /// The queue that takes what a handler of this one sets aside: a lane's dead letters, and what is parked of those.
    /// `None` for a queue that keeps what it has.
    pub fn aside(&self) -> Option<Self> {
        match self {
            Self::Lane(lane) => Some(Self::Dead(lane.clone())),
            Self::Dead(lane) => Some(Self::Parked(lane.clone())),
            Self::Ingest => Some(Self::Refused),
            Self::Parked(_) | Self::Plan | Self::Refused => None,
            Self::Fifo(queue) => Some(Self::Fifo(Box::new(queue.aside()?))),
        }
    }

    /// The queue that these dead letters come from; `None` for other queues.
    pub fn home(&self) -> Option<Self> {
        match self {
            Self::Dead(lane) => Some(Self::Lane(lane.clone())),
            Self::Fifo(queue) => Some(Self::Fifo(Box::new(queue.home()?))),
            Self::Refused => Some(Self::Ingest),
            Self::Lane(_) | Self::Parked(_) | Self::Plan | Self::Ingest => None,
        }
    }

    /// Whether it is first in, first out.
    pub fn is_fifo(&self) -> bool {
        matches!(self, Self::Fifo(_))
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lane(lane) => write!(f, "lane-{lane}"),
            Self::Dead(lane) => write!(f, "dead-{lane}"),
            Self::Parked(lane) => write!(f, "parked-{lane}"),
            Self::Plan => f.write_str("plan"),
            Self::Ingest => f.write_str("ingest"),
            Self::Refused => f.write_str("ingest-dead"),
            Self::Fifo(queue) => write!(f, "{queue}{FIFO_SUFFIX}"),
        }
    }
}

impl JobId {
    /// The id of the job that `key` stands for: the same for the same tenant, source and key, 26 characters of
    /// lower-case base32 (RFC 4648, no padding) of a SHA-256.
    pub fn from_key(tenant: &Tenant, source: &str, key: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [tenant.as_str(), source, key] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        Self(base32(&hasher.finalize()).chars().take(26).collect())
    }

    /// A fresh id, ordered by time (UUID version 7, RFC 9562).
    pub fn from_time(now_ms: u64, random: [u64; 2]) -> Self {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&random[0].to_be_bytes());
        bytes[8..].copy_from_slice(&random[1].to_be_bytes()[..2]);
        Self(uuid::Builder::from_unix_timestamp_millis(now_ms, &bytes).into_uuid().to_string())
    }

    /// The id of a batch's child: the batch's id, a dot, and the index, seven digits wide so that ids sort as indexes do.
    pub fn child(parent: &JobId, index: u32) -> Self {
        Self(format!("{parent}.{index:07}"))
    }
}

/// What two submissions of one job agree on: the SHA-256 of tenant, tool and parameters as submitted, as an array in
/// canonical JSON (keys sorted, no white space), in hexadecimal.
///
/// `serde_json`'s maps are sorted, so equal values have equal texts.
pub fn params_hash(tenant: &Tenant, tool: &str, parameters: &serde_json::Value) -> String {
    let tool = serde_json::Value::from(tool);
    sha256_hex(format!("[\"{tenant}\",{tool},{parameters}]").as_bytes())
}

/// The SHA-256 of `bytes` in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0u32, 0);
    for &byte in bytes {
        buffer = buffer << 8 | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(buffer >> bits & 31) as usize]));
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(buffer << (5 - bits) & 31) as usize]));
    }
    text
}
