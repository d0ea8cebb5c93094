//! `Limits` over the table: a row for a rate limit, and one for a breaker.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use gantz_core::limiter::{self, RateLimit, Taken};
use gantz_core::ports::{BreakerState, Limits, PortError, PortResult};

use crate::error::port_error;
use crate::item::{Item, PK, names, number, text, whole};
use crate::session::Session;
use crate::settings::Settings;

const TAT_US: &str = "tat_us";
const OPEN_UNTIL: &str = "open_until";
const PROBE_UNTIL: &str = "probe_until";

const OPEN: &str = "SET #open_until = :until, #expires_at = :expires REMOVE #probe_until";

/// Each try lost is another caller's tokens, so only a limit that very many share can use up this many.
const TRIES: u32 = 32;
/// A row says nothing once the times in it have passed. It is kept a day longer, for whoever wonders.
const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
/// Limits whose state is remembered. Beyond, all are forgotten: the next take of each costs one more write.
const REMEMBERED_MAX: usize = 10_000;

/// Rate limits and breakers in the table.
pub struct FleetLimits {
    session: Arc<Session>,
    settings: Arc<Settings>,
    /// The theoretical arrival time of each limit as this process last saw it. The true one is never earlier.
    last_seen: Mutex<HashMap<String, u64>>,
}

impl fmt::Debug for FleetLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetLimits").field("table", &self.settings.table).finish_non_exhaustive()
    }
}

/// What came of a conditional update.
enum Updated {
    Done,
    /// The condition did not hold for this row, or there is none.
    Refused(Option<Item>),
}

impl FleetLimits {
    /// The limits in the table that `settings` name.
    pub fn new(session: Arc<Session>, settings: Arc<Settings>) -> Self {
        Self { session, settings, last_seen: Mutex::default() }
    }

    fn last_seen(&self, key: &str) -> Option<u64> {
        self.last_seen.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Forgets the limit if there is none.
    fn remember(&self, key: &str, tat_us: Option<u64>) {
        let mut last_seen = self.last_seen.lock().unwrap_or_else(PoisonError::into_inner);
        if last_seen.len() >= REMEMBERED_MAX {
            last_seen.clear();
        }
        match tat_us {
            Some(tat_us) => last_seen.insert(key.to_owned(), tat_us),
            None => last_seen.remove(key),
        };
    }

    /// Moves a limit on, if it is still where it was seen.
    async fn move_on(&self, key: &str, seen: Option<u64>, tat_us: u64) -> PortResult<Updated> {
        let condition = if seen.is_some() { "#tat_us = :seen" } else { "attribute_not_exists(#tat_us)" };
        let mut values = vec![(":tat", number(tat_us)), (":expires", expiry(tat_us / 1_000))];
        values.extend(seen.map(|seen| (":seen", number(seen))));
        let set = "SET #tat_us = :tat, #expires_at = :expires";
        self.update(limit_key(key), set, Some(condition), values).await
    }

    /// Changes a row, if it is as the condition says.
    async fn update(
        &self,
        key: String,
        expression: &str,
        condition: Option<&str>,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> PortResult<Updated> {
        let values: Item = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let update = self
            .session
            .dynamodb()
            .update_item()
            .table_name(&self.settings.table)
            .key(PK, text(key))
            .update_expression(expression)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(Some(names([expression, condition.unwrap_or_default()])))
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = update.send().await else { return Ok(Updated::Done) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Updated::Refused(failed.item.clone()))
            }
            _ => Err(port_error("UpdateItem", &error)),
        }
    }
}

#[async_trait]
impl Limits for FleetLimits {
    async fn take(&self, key: &str, limit: &RateLimit, tokens: u32, now_ms: u64) -> PortResult<Taken> {
        let mut seen = self.last_seen(key);
        for _ in 0..TRIES {
            let taken = limiter::take(seen.unwrap_or_default(), limit, tokens, now_ms);
            let Taken::Granted { tat_us, .. } = taken else {
                // No need to ask: what others took since can only make the wait longer.
                return Ok(taken);
            };
            match self.move_on(key, seen, tat_us).await? {
                Updated::Done => {
                    self.remember(key, Some(tat_us));
                    return Ok(taken);
                }
                Updated::Refused(row) => {
                    seen = row.as_ref().and_then(|row| whole(row.get(TAT_US)?));
                    self.remember(key, seen);
                }
            }
        }
        Err(PortError::Throttled(format!(
            "the rate limit `{key}` changed {TRIES} times before it could be used"
        )))
    }

    async fn breaker(&self, key: &str) -> PortResult<BreakerState> {
        let output = self
            .session
            .dynamodb()
            .get_item()
            .table_name(&self.settings.table)
            .key(PK, text(breaker_key(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error("GetItem", &error))?;
        Ok(match output.item.as_ref().and_then(|row| whole(row.get(OPEN_UNTIL)?)) {
            None => BreakerState::Closed,
            Some(until_ms) => BreakerState::OpenUntil { until_ms },
        })
    }

    async fn trip(&self, key: &str, until_ms: u64) -> PortResult<()> {
        // One turn does it, unless the breaker is changed right between the two updates.
        for _ in 0..TRIES {
            let values = vec![(":until", number(until_ms)), (":expires", expiry(until_ms))];
            let is_longer = Some("attribute_not_exists(#open_until) OR #open_until < :until");
            let Updated::Refused(row) = self.update(breaker_key(key), OPEN, is_longer, values).await? else {
                return Ok(());
            };
            // Open for as long already. What is left to do is to end a probe that is out.
            if !row.is_some_and(|row| row.contains_key(PROBE_UNTIL)) {
                return Ok(());
            }
            let until = vec![(":until", number(until_ms))];
            let is_as_long = Some("#open_until >= :until");
            let ended = self.update(breaker_key(key), "REMOVE #probe_until", is_as_long, until);
            if matches!(ended.await?, Updated::Done) {
                return Ok(());
            }
        }
        Err(PortError::Throttled(format!(
            "the breaker `{key}` changed {TRIES} times before it could be tripped"
        )))
    }

    async fn open(&self, key: &str, until_ms: u64) -> PortResult<()> {
        let values = vec![(":until", number(until_ms)), (":expires", expiry(until_ms))];
        self.update(breaker_key(key), OPEN, None, values).await.map(|_| ())
    }

    async fn probe(&self, key: &str, until_ms: u64, now_ms: u64) -> PortResult<bool> {
        let values =
            vec![(":until", number(until_ms)), (":now", number(now_ms)), (":expires", expiry(until_ms))];
        let probe = "SET #probe_until = :until, #expires_at = :expires";
        let is_due = "#open_until <= :now AND (attribute_not_exists(#probe_until) OR #probe_until <= :now)";
        // If it was our own write, its answer lost, nobody probes until `until_ms`: late, and never two at once.
        Ok(matches!(self.update(breaker_key(key), probe, Some(is_due), values).await?, Updated::Done))
    }

    async fn reset(&self, key: &str) -> PortResult<()> {
        let (close, is_open) = ("REMOVE #open_until, #probe_until", "attribute_exists(#open_until)");
        self.update(breaker_key(key), close, Some(is_open), vec![]).await.map(|_| ())
    }
}

fn limit_key(key: &str) -> String {
    format!("limit#{key}")
}

fn breaker_key(key: &str) -> String {
    format!("breaker#{key}")
}

/// The time in seconds at which a row expires that says nothing from `until_ms` on.
fn expiry(until_ms: u64) -> AttributeValue {
    number(until_ms.saturating_add(KEPT_MS) / 1_000)
}
