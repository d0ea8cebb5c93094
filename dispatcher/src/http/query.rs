//! The query of a request: known parameters, each at most once.

use axum::extract::Query as Pairs;
use axum::http::Uri;
use gantz_core::ids::Tenant;
use gantz_core::limits::PAGE_MAX;

use super::misfit::closest;
use super::problem::Problem;

/// Items of a page if the caller does not say.
const PAGE_DEFAULT: usize = 100;

pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query that may have the parameters `known`, and no others.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let Ok(Pairs(pairs)) = Pairs::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Err(Problem::query("", "cannot be read: expected name=value&name=value"));
        };
        for (position, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Problem::query(name, &unknown(name, known)));
            }
            if pairs[..position].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::query(name, "is there twice"));
            }
        }
        Ok(Self(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `limit`: items of a page.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.get("limit") else { return Ok(PAGE_DEFAULT) };
        match text.parse() {
            Ok(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
            _ => Err(Problem::query("limit", &format!("is no number from 1 to {PAGE_MAX}"))),
        }
    }

    /// `tenant`: whose records are wanted alone.
    pub(super) fn tenant(&self) -> Result<Option<Tenant>, Problem> {
        let tenant = self.get("tenant").map(Tenant::try_new).transpose();
        tenant.map_err(|error| Problem::query("tenant", &format!("is no tenant: {}", error.rule)))
    }

    /// `true` or `false`; false if it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::query(name, "is neither `true` nor `false`")),
        }
    }

    /// `wait`: milliseconds to wait, at most `max_ms`.
    pub(super) fn wait_ms(&self, max_ms: u64) -> Result<u64, Problem> {
        let Some(text) = self.get("wait") else { return Ok(0) };
        match seconds(text) {
            Some(seconds) => Ok(seconds.saturating_mul(1_000).min(max_ms)),
            None => Err(Problem::query("wait", "is no whole number of seconds")),
        }
    }
}

/// Whole seconds; a number of any length.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn unknown(name: &str, known: &[&str]) -> String {
    match closest(name, known) {
        Some(near) => format!("is not known, did you mean `{near}`?"),
        None => format!("is not known, expected {}", known.join(", ")),
    }
}
