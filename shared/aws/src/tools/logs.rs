//! `aws_lambda.get_logs`: what a function wrote lately, newest first.

use std::cmp::Reverse;
use std::ops::ControlFlow;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use gantz_core::host::Clock;
use gantz_core::outcome::{ErrorKind, Failure, Outcome, truncate};
use gantz_core::tool::{Call, Tool};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::{failure, invalid};
use super::pages::{self, Budget, Page, follow};
use crate::session::{LazySession, Session};

/// What a result holds: what an agent can read.
const ENTRIES_MAX: usize = 100;
/// A page is up to 1 MB or 10,000 entries; often it is empty. So much is read for one call.
const PAGES_MAX: u32 = 200;
/// Thirty days: longer windows are a unit mistaken for another.
const MINUTES_MAX: u64 = 30 * 24 * 60;
/// The start of an entry. A hundred of them stay far below what a result may be.
const MESSAGE_MAX_BYTES: usize = 16 * 1024;
const MINUTE_MS: u64 = 60_000;

/// The tool `aws_lambda.get_logs`.
///
/// It looks at the last minute first and goes back in windows of doubled length, so that what it returns is the newest even
/// where not all can be read. A result that may lack entries has `complete: false` and says in `why`.
///
/// The log group is the one that the function is configured with. Where that cannot be asked, as of a function that is gone,
/// it is Lambda's own for the name, `/aws/lambda/NAME`.
#[derive(Debug, Clone)]
pub struct GetLogs {
    session: LazySession,
    clock: Clock,
}

/// The parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct GetLogsParameters {
    /// The function's name or ARN.
    pub function_name: String,
    /// How far to look back.
    #[serde(default = "default_minutes")]
    pub minutes: u64,
}

fn default_minutes() -> u64 {
    15
}

impl GetLogs {
    /// Reads logs of the session's region and account, back from the `clock`'s time.
    pub fn new(session: impl Into<LazySession>, clock: Clock) -> Self {
        Self { session: session.into(), clock }
    }

    async fn get(&self, call: Call<GetLogsParameters>) -> Result<Value, Failure> {
        let GetLogsParameters { function_name, minutes } = call.parameters;
        if !(1..=MINUTES_MAX).contains(&minutes) {
            return Err(invalid(format!("`minutes` is {minutes}, expected 1 to {MINUTES_MAX}")));
        }
        let session = self.session.get().await;
        let group = log_group(&session, &function_name).await?;
        let mut newest = Newest::default();
        let mut budget = Budget::new(PAGES_MAX, call.timeout_ms);
        let mut lacking = None;
        for window in windows(self.clock.now_ms(), minutes) {
            let take = |event| {
                newest.push(event);
                ControlFlow::Continue(())
            };
            let end = follow(&mut budget, |token| page(&session, &group, window, token), take).await;
            lacking = pages::lacking(end, newest.events.is_empty())?;
            if lacking.is_some() || newest.events.len() >= ENTRIES_MAX {
                break;
            }
        }
        Ok(result(&function_name, &group, minutes, newest, lacking))
    }
}

impl Tool for GetLogs {
    const HANDLER: &'static str = "aws_lambda.get_logs";

    type Parameters = GetLogsParameters;

    async fn run(&self, call: Call<GetLogsParameters>) -> Outcome {
        self.get(call).await.map_or_else(Outcome::Failed, Outcome::Done)
    }
}

/// A stretch of time in milliseconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    from_ms: u64,
    to_ms: u64,
}

/// The minutes before `now_ms`, newest first, in stretches of one minute, two, four and so on.
fn windows(now_ms: u64, minutes: u64) -> impl Iterator<Item = Window> {
    let start_ms = now_ms.saturating_sub(minutes * MINUTE_MS);
    let mut next = Some((now_ms, MINUTE_MS));
    std::iter::from_fn(move || {
        let (to_ms, length_ms) = next?;
        let from_ms = to_ms.saturating_sub(length_ms).max(start_ms);
        next = (from_ms > start_ms).then(|| (from_ms - 1, length_ms * 2));
        Some(Window { from_ms, to_ms })
    })
}

/// Where the function logs to.
async fn log_group(session: &Session, function_name: &str) -> Result<String, Failure> {
    let asked = session.lambda().get_function_configuration().function_name(function_name).send().await;
    let configured = match asked {
        Ok(configuration) => configuration.logging_config.and_then(|logging| logging.log_group),
        Err(error) => {
            let failure = failure("GetFunctionConfiguration", &error);
            if !matches!(failure.kind, ErrorKind::NotFound | ErrorKind::AccessDenied) {
                return Err(failure);
            }
            tracing::debug!(function_name, error = failure.message, "looking where functions log by default");
            None
        }
    };
    Ok(configured.unwrap_or_else(|| format!("/aws/lambda/{}", bare_name(function_name))))
}

async fn page(
    session: &Session,
    group: &str,
    window: Window,
    token: Option<String>,
) -> Result<Page<FilteredLogEvent>, Failure> {
    let request = session
        .logs()
        .filter_log_events()
        .log_group_name(group)
        .start_time(i64::try_from(window.from_ms).unwrap_or(i64::MAX))
        .end_time(i64::try_from(window.to_ms).unwrap_or(i64::MAX))
        .set_next_token(token);
    let answer = request.send().await.map_err(|error| failure("FilterLogEvents", &error))?;
    Ok(Page { items: answer.events.unwrap_or_default(), next: answer.next_token })
}

/// The newest of all entries that were pushed.
#[derive(Default)]
struct Newest {
    events: Vec<FilteredLogEvent>,
    dropped: bool,
}

impl Newest {
    fn push(&mut self, event: FilteredLogEvent) {
        self.events.push(event);
        if self.events.len() >= 2 * ENTRIES_MAX {
            self.cut();
        }
    }

    /// Entries of one moment come in the order of their ids, which ascend.
    fn cut(&mut self) {
        self.events.sort_by(|one, other| {
            let key = |event: &FilteredLogEvent| (event.timestamp, event.event_id.clone());
            Reverse(key(one)).cmp(&Reverse(key(other)))
        });
        self.dropped |= self.events.len() > ENTRIES_MAX;
        self.events.truncate(ENTRIES_MAX);
    }
}

fn result(function: &str, group: &str, minutes: u64, mut newest: Newest, lacking: Option<String>) -> Value {
    newest.cut();
    let full = || format!("these are the newest {ENTRIES_MAX}, there may be older ones");
    let why = lacking.or_else(|| (newest.dropped || newest.events.len() == ENTRIES_MAX).then(full));
    let entries: Vec<Value> = newest.events.into_iter().map(entry).collect();
    let mut result = json!({
        "function": function,
        "log_group": group,
        "entries": entries,
        "time_range": format!("Last {minutes} minutes"),
        "complete": why.is_none(),
    });
    if let Some(why) = why {
        result["why"] = why.into();
    }
    result
}

fn entry(event: FilteredLogEvent) -> Value {
    let timestamp = event.timestamp.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let mut message = event.message.unwrap_or_default().trim().to_owned();
    truncate(&mut message, MESSAGE_MAX_BYTES);
    json!({
        "timestamp": timestamp.map(|timestamp| format!("{timestamp:.3}")),
        "message": message,
        "stream": event.log_stream_name,
    })
}

/// The name in `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` or an ARN.
fn bare_name(function: &str) -> &str {
    let after = function.split_once(":function:").map_or(function, |(_, after)| after);
    let after = after.strip_prefix("function:").unwrap_or(after);
    after.split(':').next().unwrap_or(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(timestamp: i64, id: &str) -> FilteredLogEvent {
        FilteredLogEvent::builder().timestamp(timestamp).event_id(id).message(format!(" {id}\n")).build()
    }

    fn messages(result: &Value) -> Vec<&str> {
        let entries = result["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["message"].as_str().unwrap()).collect()
    }

    #[test]
    fn finds_the_name() {
        for function in [
            "fn-1",
            "fn-1:prod",
            "123456789012:function:fn-1",
            "arn:aws:lambda:us-east-1:123456789012:function:fn-1",
            "arn:aws:lambda:us-east-1:123456789012:function:fn-1:$LATEST",
        ] {
            assert_eq!(bare_name(function), "fn-1", "{function}");
        }
    }

    #[test]
    fn windows_cover_the_time_once_and_newest_first() {
        let now_ms = 1_000_000_000;
        for minutes in [1, 2, 15, 16, 1_440, MINUTES_MAX] {
            let windows: Vec<_> = windows(now_ms, minutes).collect();
            assert_eq!(windows.first().map(|window| window.to_ms), Some(now_ms));
            assert_eq!(
                windows.last().map(|window| window.from_ms),
                Some(now_ms.saturating_sub(minutes * MINUTE_MS))
            );
            for pair in windows.windows(2) {
                assert_eq!(pair[1].to_ms + 1, pair[0].from_ms);
            }
            assert!(windows.len() <= 17, "{minutes} minutes take {} windows", windows.len());
        }
    }

    #[test]
    fn keeps_the_newest_whatever_the_order() {
        let mut newest = Newest::default();
        for n in (0..500).map(|n| n * 7 % 500) {
            newest.push(event(n, &format!("{n:03}")));
        }
        let result = result("f", "/aws/lambda/f", 15, newest, None);
        let messages = messages(&result);
        let expected: Vec<_> = (400..500).rev().map(|n| n.to_string()).collect();
        assert_eq!(messages, expected);
        assert_eq!(result["entries"][0]["timestamp"], "1970-01-01T00:00:00.499Z");
        assert_eq!(result["complete"], false);
        assert_eq!(result["why"], "these are the newest 100, there may be older ones");
    }

    #[test]
    fn orders_entries_of_one_moment_by_their_ids() {
        let mut newest = Newest::default();
        for id in ["1", "3", "2"] {
            newest.push(event(5, id));
        }
        let result = result("f", "/aws/lambda/f", 15, newest, None);
        let messages = messages(&result);
        assert_eq!(messages, ["3", "2", "1"]);
        assert_eq!((&result["complete"], result.get("why")), (&json!(true), None));
    }
}
