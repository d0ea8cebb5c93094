//! What a limit counts together, and for whom.

use serde_json::Value;

use crate::ids::{Tenant, sha256_hex};

/// Values up to this length are part of a key as they are; of longer ones, their hash is.
const VALUE_MAX_BYTES: usize = 64;
/// Characters of a hash that tell values apart.
const HASH_CHARS: usize = 32;

/// Which calls of a tool share a rate limit, a concurrency limit or a breaker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LimitKey {
    /// All of them.
    #[default]
    Tool,
    /// Those of one tenant.
    Tenant,
    /// Those with the same value of this parameter.
    Parameter(String),
}

impl LimitKey {
    /// What stands before a parameter's name in manifests.
    pub const PARAMETER_PREFIX: &'static str = "param:";

    /// The name of the count that a call of `tool` belongs to.
    pub fn of(&self, tool: &str, tenant: &Tenant, parameters: &Value) -> String {
        match self {
            Self::Tool => tool.to_owned(),
            Self::Tenant => format!("{tool}/tenant/{tenant}"),
            Self::Parameter(name) => format!("{tool}/{name}/{}", shortened(&parameters[name])),
        }
    }

    /// As manifests spell it.
    pub fn as_manifest(&self) -> String {
        match self {
            Self::Tool => "tool".to_owned(),
            Self::Tenant => "tenant".to_owned(),
            Self::Parameter(name) => format!("{}{name}", Self::PARAMETER_PREFIX),
        }
    }
}

fn shortened(value: &Value) -> String {
    // A string without its quotes, so that keys can be read; no other value looks like one with a letter in front.
    let text = value.as_str().map_or_else(|| value.to_string(), |text| format!("={text}"));
    if text.len() <= VALUE_MAX_BYTES {
        return text;
    }
    sha256_hex(text.as_bytes()).chars().take(HASH_CHARS).collect()
}
