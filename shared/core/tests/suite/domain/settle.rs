use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::limits;
use gantz_core::outcome::{ErrorKind, Failure, Outcome, Retry};
use gantz_core::policy::{Effects, RetryPolicy};
use gantz_core::settle::{AttemptEnd, Settlement, settle};
use proptest::prelude::*;
use serde_json::json;

use crate::domain::common::*;

const RETRY: RetryPolicy = RetryPolicy::DEFAULT;
/// Full jitter at its greatest: a retry comes just at the ceiling.
const LATEST: u64 = u64::MAX;

/// A row with one attempt of three used, or all three, and with or without a deadline that comes before any retry.
#[derive(Debug, Clone, Copy)]
struct Row {
    attempts_left: bool,
    deadline_near: bool,
}

const FRESH: Row = Row { attempts_left: true, deadline_near: false };
const SPENT: Row = Row { attempts_left: false, deadline_near: false };
const HURRY: Row = Row { attempts_left: true, deadline_near: true };
const ROWS: [Row; 3] = [FRESH, SPENT, HURRY];

impl Row {
    fn of(self, effects: Effects) -> JobRecord {
        JobRecord {
            effects,
            attempt: if self.attempts_left { 1 } else { 3 },
            deadline_ms: self.deadline_near.then_some(NOW_MS + 500),
            ..claimed(&queued(), "me", NOW_MS)
        }
    }
}

fn failed(kind: ErrorKind, retry: Retry) -> AttemptEnd {
    AttemptEnd::Answered(Outcome::Failed(Failure::new(kind, "no", retry)))
}

fn lost(retry: Retry) -> AttemptEnd {
    AttemptEnd::Answered(Outcome::Failed(Failure::new(ErrorKind::Unavailable, "no", retry).in_doubt()))
}

fn deferred(delay_ms: u64) -> AttemptEnd {
    AttemptEnd::Answered(Outcome::Deferred { delay_ms, why: "not yet".into() })
}

/// The settlement in a few words: `SUCCEEDED`, `FAILED tool_error`, `retry +1000 counted`.
fn words(settlement: &Settlement) -> String {
    match settlement {
        Settlement::Succeed(_) => "SUCCEEDED".into(),
        Settlement::End(ending) => {
            let kind = serde_json::to_value(ending.error().unwrap().kind).unwrap();
            format!("{} {}", ending.status().as_str(), kind.as_str().unwrap())
        }
        Settlement::Release(release) => {
            let counted = if release.counted { "counted" } else { "free" };
            format!("retry +{} {counted}", release.retry_at_ms - NOW_MS)
        }
    }
}

/// Every way an attempt can end: what becomes of the job with attempts left, with none left, and with a deadline in
/// half a second; for tools that may run again, and for those that may not.
#[test]
fn the_decision_table() {
    /// As for tools that may run again.
    const SAME: &str = "the same";
    let transient = || failed(ErrorKind::Unavailable, Retry::Backoff);
    let told = |ms| failed(ErrorKind::Throttled, Retry::After(ms));
    #[rustfmt::skip]
    let table: Vec<(AttemptEnd, [&str; 3], &str)> = vec![
        // end                                    attempts left           none left               deadline near               at most once
        (AttemptEnd::Answered(Outcome::Done(json!(1))), ["SUCCEEDED",     "SUCCEEDED",            "SUCCEEDED"],               "SUCCEEDED"),
        (AttemptEnd::Answered(Outcome::Cancelled), ["CANCELLED cancelled", "CANCELLED cancelled", "CANCELLED cancelled"],     "CANCELLED cancelled"),
        (AttemptEnd::CancelSeen,                  ["CANCELLED cancelled", "CANCELLED cancelled",  "CANCELLED cancelled"],     "CANCELLED cancelled"),
        (failed(ErrorKind::NotFound, Retry::Never), ["FAILED not_found",  "FAILED not_found",     "FAILED not_found"],        "FAILED not_found"),
        (transient(),                             ["retry +1000 counted", "FAILED unavailable",   "EXPIRED deadline_passed"], "FAILED unavailable"),
        (told(400),                               ["retry +500 counted",  "FAILED throttled",     "EXPIRED deadline_passed"], "FAILED throttled"),
        (told(2_000),                             ["retry +2500 counted", "FAILED throttled",     "EXPIRED deadline_passed"], "FAILED throttled"),
        (failed(ErrorKind::Timeout, Retry::Backoff), ["retry +1000 counted", "FAILED timeout",    "EXPIRED deadline_passed"], "IN_DOUBT timeout"),
        (failed(ErrorKind::WorkerLost, Retry::Backoff), ["retry +1000 counted", "FAILED worker_lost",    "EXPIRED deadline_passed"], "IN_DOUBT worker_lost"),
        (lost(Retry::Backoff),                     ["retry +1000 counted", "FAILED unavailable",   "EXPIRED deadline_passed"], "IN_DOUBT unavailable"),
        (lost(Retry::Never),                       ["FAILED unavailable",  "FAILED unavailable",   "FAILED unavailable"],      "IN_DOUBT unavailable"),
        (AttemptEnd::TimedOut(9),                 ["retry +1000 counted", "FAILED timeout",       "EXPIRED deadline_passed"], "IN_DOUBT timeout"),
        (AttemptEnd::Panicked("oh".into()),       ["retry +1000 counted", "FAILED panic",         "EXPIRED deadline_passed"], "IN_DOUBT panic"),
        (AttemptEnd::DeadlinePassed,              ["EXPIRED deadline_passed", "EXPIRED deadline_passed", "EXPIRED deadline_passed"], "IN_DOUBT deadline_passed"),
        (deferred(400),                           ["retry +400 free",     "retry +400 free",      "retry +400 free"],         "FAILED tool_error"),
        (deferred(500),                           ["retry +500 free",     "retry +500 free",      "EXPIRED deadline_passed"], "FAILED tool_error"),
        (AttemptEnd::NotStarted("no blob".into()), ["retry +1000 free",   "retry +1000 free",     "EXPIRED deadline_passed"], SAME),
        (AttemptEnd::ShutDown,                    ["retry +0 free",       "retry +0 free",        "retry +0 free"],           "IN_DOUBT worker_lost"),
    ];
    for (end, again, once) in table {
        for (row, expected) in ROWS.into_iter().zip(again) {
            for effects in [Effects::ReadOnly, Effects::Keyed] {
                let settlement = settle(end.clone(), &row.of(effects), &RETRY, NOW_MS, LATEST);
                assert_eq!(words(&settlement), expected, "{end:?}, {row:?}, {effects:?}");
            }
            let settlement = settle(end.clone(), &row.of(Effects::AtMostOnce), &RETRY, NOW_MS, LATEST);
            let expected = if once == SAME { expected } else { once };
            assert_eq!(words(&settlement), expected, "{end:?}, {row:?}, at most once");
        }
    }
}

#[test]
fn an_error_says_what_happened() {
    let message = |end, effects| match settle(end, &SPENT.of(effects), &RETRY, NOW_MS, 0) {
        Settlement::End(ending) => ending.error().unwrap().message.clone(),
        other => panic!("{other:?}"),
    };
    let table = [
        (AttemptEnd::TimedOut(30_000), "stopped after its timeout of 30000 ms"),
        (AttemptEnd::Panicked("index out of bounds".into()), "panicked: index out of bounds"),
    ];
    for (end, expected) in table {
        assert_eq!(message(end.clone(), Effects::Keyed), expected);
        let doubt = format!("{expected}; its effect may or may not have happened");
        assert_eq!(message(end, Effects::AtMostOnce), doubt);
    }
}

#[test]
fn nobody_defers_for_ever() {
    let row = |deferrals| JobRecord { attempt: deferrals + 1, deferrals, ..FRESH.of(Effects::Keyed) };
    let last = settle(deferred(5), &row(limits::DEFERRALS_MAX - 1), &RETRY, NOW_MS, 0);
    assert_eq!(words(&last), "retry +5 free");
    let beyond = settle(deferred(5), &row(limits::DEFERRALS_MAX), &RETRY, NOW_MS, 0);
    assert_eq!(words(&beyond), "FAILED tool_error");
}

/// What an attempt needs may be gone for long, or for good: the waits grow, and end.
#[test]
fn nobody_fails_to_start_for_ever() {
    let settled = |end, deferrals, effects| {
        let row = JobRecord { attempt: deferrals + 1, deferrals, ..FRESH.of(effects) };
        words(&settle(end, &row, &RETRY, NOW_MS, LATEST))
    };
    for effects in [Effects::Keyed, Effects::AtMostOnce] {
        let not_started = |deferrals| settled(AttemptEnd::NotStarted("no blob".into()), deferrals, effects);
        let waits: Vec<_> = (0..8).map(not_started).collect();
        let expected = [1, 2, 4, 8, 16, 32, 60, 60].map(|s| format!("retry +{s}000 free"));
        assert_eq!(waits, expected);
        assert_eq!(not_started(limits::DEFERRALS_MAX - 1), "retry +60000 free");
        assert_eq!(not_started(limits::DEFERRALS_MAX), "FAILED tool_error");
    }
    let shut_down = |deferrals| settled(AttemptEnd::ShutDown, deferrals, Effects::Keyed);
    assert_eq!(shut_down(limits::DEFERRALS_MAX - 1), "retry +0 free");
    assert_eq!(shut_down(limits::DEFERRALS_MAX), "retry +1000 counted");
}

/// The wait grows with the attempts that count, not with those that were handed back.
#[test]
fn deferrals_do_not_raise_the_backoff() {
    let row = JobRecord { attempt: 41, deferrals: 40, ..FRESH.of(Effects::Keyed) };
    let end = failed(ErrorKind::Unavailable, Retry::Backoff);
    assert_eq!(words(&settle(end, &row, &RETRY, NOW_MS, LATEST)), "retry +1000 counted");
}

fn any_end() -> impl Strategy<Value = AttemptEnd> {
    prop_oneof![
        Just(AttemptEnd::Answered(Outcome::Done(json!(1)))),
        Just(AttemptEnd::Answered(Outcome::Cancelled)),
        any::<u64>().prop_map(deferred),
        any::<u64>().prop_map(|ms| failed(ErrorKind::Throttled, Retry::After(ms))),
        Just(failed(ErrorKind::Unavailable, Retry::Backoff)),
        Just(failed(ErrorKind::Unavailable, Retry::Never)),
        any::<u64>().prop_map(AttemptEnd::TimedOut),
        ".*".prop_map(AttemptEnd::Panicked),
        Just(AttemptEnd::CancelSeen),
        Just(AttemptEnd::DeadlinePassed),
        Just(AttemptEnd::ShutDown),
        Just(AttemptEnd::NotStarted("no blob".into())),
    ]
}

proptest! {
    #[test]
    fn a_release_is_always_within_bounds(
        end in any_end(),
        row in any_live_row(),
        random in any::<u64>(),
    ) {
        let handed_back = matches!(end, AttemptEnd::ShutDown);
        let unstarted = matches!(end, AttemptEnd::NotStarted(_));
        match settle(end, &row, &RETRY, NOW_MS, random) {
            Settlement::Release(release) => {
                prop_assert!((NOW_MS..=NOW_MS + limits::POSTPONE_MAX_MS).contains(&release.retry_at_ms));
                let before_deadline = row.deadline_ms.is_none_or(|deadline_ms| release.retry_at_ms < deadline_ms);
                prop_assert!(before_deadline || handed_back);
                prop_assert!(!release.counted || row.attempts_used() < row.max_attempts);
                prop_assert!(row.effects != Effects::AtMostOnce || unstarted, "started, and would start again");
            }
            Settlement::End(ending) => {
                prop_assert!(ending.status().is_terminal() && ending.status() != JobStatus::Succeeded);
                prop_assert!(ending.error().unwrap().message.len() <= limits::ERROR_MESSAGE_MAX_BYTES);
            }
            Settlement::Succeed(_) => {}
        }
    }
}
