use gantz_core::history::HistoryEntry;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{
    AcceptVerdict, CancelVerdict, ClaimVerdict, DeadLetterVerdict, Ending, FinishVerdict, GiveUpVerdict,
    HeartbeatVerdict, Held, ReleaseVerdict, accept, cancel, claim, dead_letter, finish, give_up, heartbeat,
    release,
};
use gantz_core::limits;
use gantz_core::outcome::ErrorKind;
use gantz_core::policy::Effects;
use gantz_testkit::fault_table::{Level, fault};
use proptest::prelude::*;

use crate::domain::common::*;

fn committed(verdict: FinishVerdict) -> JobRecord {
    match verdict {
        FinishVerdict::Committed(row) => *row,
        other => panic!("{other:?}"),
    }
}

fn released(verdict: ReleaseVerdict) -> JobRecord {
    match verdict {
        ReleaseVerdict::Released(row) => *row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn accepting_tells_a_repetition_from_a_conflict() {
    let shown = fault(2, Level::Unit);
    let row = queued();
    assert_eq!(accept(None, &row), AcceptVerdict::Created);
    assert_eq!(accept(Some(&row), &row), AcceptVerdict::Exists(Box::new(row.clone())));
    let other = JobRecord { params_hash: "f".repeat(64), ..row.clone() };
    assert_eq!(accept(Some(&row), &other), AcceptVerdict::Conflict(Box::new(row.clone())));

    // The answer to a write got lost, and it was made again; or somebody else was first.
    let written = JobRecord { token: Some("mine".into()), ..row.clone() };
    assert_eq!(accept(Some(&written), &written), AcceptVerdict::Created);
    let theirs = JobRecord { token: Some("theirs".into()), ..row };
    assert_eq!(accept(Some(&theirs), &written), AcceptVerdict::Exists(Box::new(theirs.clone())));
    shown.in_runs(1, "a row with other parameters is a conflict");
}

#[test]
fn only_a_job_that_was_never_claimed_is_sent_again() {
    let running = claimed(&queued(), "me", NOW_MS);
    let done = committed(finish(Some(&running), &held(&running), &endings()[0], NOW_MS));
    let CancelVerdict::Ended(ended_unclaimed) = cancel(Some(&queued()), NOW_MS) else {
        panic!("not cancelled")
    };
    let ended_unclaimed = *ended_unclaimed;
    let exists = |row| AcceptVerdict::Exists(Box::new(row));
    let table = [
        (AcceptVerdict::Created, true),
        (exists(queued()), true),
        (exists(running), false),
        (exists(done), false),
        // Ended before any claim: nobody may have been told.
        (exists(ended_unclaimed), true),
        (AcceptVerdict::Conflict(Box::new(queued())), false),
    ];
    for (verdict, expected) in table {
        assert_eq!(verdict.needs_sending(), expected, "{verdict:?}");
    }
}

#[test]
fn a_claim_without_a_row_takes_the_job_as_first_seen() {
    let ClaimVerdict::Granted(row) = claim(None, &wish(&queued(), "me", NOW_MS)) else {
        panic!("not granted")
    };
    assert_eq!((row.status, row.attempt, row.owner.as_deref()), (JobStatus::Running, 1, Some("me")));
    assert_eq!(row.accepted(), new_job());
}

/// Why a claim gives up, in the order in which the reasons are looked at.
#[test]
fn reasons_to_give_up() {
    let running = claimed(&queued(), "dead", NOW_MS);
    let crashed_out = JobRecord { attempt: 3, ..running.clone() };
    let waiting =
        released(release(Some(&crashed_out), &held(&crashed_out), &release_at(NOW_MS, true), NOW_MS));
    let asked = JobRecord { cancel_requested_at_ms: Some(NOW_MS), ..running.clone() };
    let late = JobRecord { deadline_ms: Some(NOW_MS + LEASE_MS), ..running.clone() };
    let table = [
        (&running, Effects::AtMostOnce, JobStatus::InDoubt, ErrorKind::WorkerLost),
        (&asked, Effects::AtMostOnce, JobStatus::InDoubt, ErrorKind::WorkerLost),
        (&asked, Effects::Keyed, JobStatus::Cancelled, ErrorKind::Cancelled),
        (&late, Effects::Keyed, JobStatus::Expired, ErrorKind::DeadlinePassed),
        (&crashed_out, Effects::Keyed, JobStatus::Failed, ErrorKind::WorkerLost),
        (&waiting, Effects::ReadOnly, JobStatus::Failed, ErrorKind::Unavailable),
    ];
    for (row, effects, status, kind) in table {
        let row = &JobRecord { effects, ..row.clone() };
        let verdict = claim(Some(row), &wish(row, "me", NOW_MS + LEASE_MS));
        let ClaimVerdict::GiveUp { attempt_seen, ending } = verdict else { panic!("{verdict:?}") };
        assert_eq!(attempt_seen, row.attempt);
        assert_eq!((ending.status(), ending.error().unwrap().kind), (status, kind));
    }
}

#[test]
fn a_claim_of_another_job_is_foreign_whatever_became_of_the_job() {
    let row = queued();
    let mut other = wish(&row, "me", NOW_MS);
    other.first_seen.params_hash = "f".repeat(64);
    let running = claimed(&row, "you", NOW_MS);
    let done = committed(finish(Some(&running), &held(&running), &endings()[0], NOW_MS));
    for row in [row, running, done] {
        assert_eq!(claim(Some(&row), &other), ClaimVerdict::Foreign, "{row:?}");
    }
}

/// Receives are not attempts: whatever a claim would still be granted is put back.
#[test]
fn a_dead_letter_is_put_back_while_its_job_may_run() {
    let running = claimed(&queued(), "me", NOW_MS);
    let done = committed(finish(Some(&running), &held(&running), &endings()[0], NOW_MS));
    let other = JobRecord { params_hash: "f".repeat(64), ..queued() };
    let table = [
        (None, NOW_MS, DeadLetterVerdict::PutBack),
        (Some(&running), NOW_MS, DeadLetterVerdict::HeldUntil { lease_until_ms: NOW_MS + LEASE_MS }),
        (Some(&running), NOW_MS + LEASE_MS, DeadLetterVerdict::PutBack),
        (Some(&done), NOW_MS, DeadLetterVerdict::Finished(Box::new(done.clone()))),
        (Some(&other), NOW_MS, DeadLetterVerdict::Foreign),
    ];
    for (row, now_ms, expected) in table {
        let put_back = limits::PUT_BACK_MAX - 1;
        assert_eq!(dead_letter(row, &queued(), put_back, now_ms), expected, "{row:?}");
    }
    let once = JobRecord { effects: Effects::AtMostOnce, ..running };
    for (row, put_back, status, kind) in [
        (None, limits::PUT_BACK_MAX, JobStatus::Failed, ErrorKind::Undeliverable),
        (Some(&once), 0, JobStatus::InDoubt, ErrorKind::WorkerLost),
    ] {
        let verdict = dead_letter(row, &queued(), put_back, NOW_MS + LEASE_MS);
        let DeadLetterVerdict::GiveUp { ending, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!((ending.status(), ending.error().unwrap().kind), (status, kind));
    }
}

#[test]
fn past_attempts_are_the_newest() {
    let mut row = JobRecord { max_attempts: 100, ..queued() };
    for n in 1..=limits::PAST_ATTEMPTS_MAX as u32 + 3 {
        row = claimed(&row, &format!("owner {n}"), NOW_MS);
        row = released(release(Some(&row), &held(&row), &release_at(NOW_MS + 1, true), NOW_MS));
    }
    let attempts: Vec<_> = row.attempts.iter().map(|entry| entry.attempt).collect();
    assert_eq!(attempts, (4..=limits::PAST_ATTEMPTS_MAX as u32 + 3).collect::<Vec<_>>());
}

#[test]
fn history_keeps_the_first_attempts_and_the_end() {
    let mut row = JobRecord { max_attempts: 100, ..queued() };
    let mut expected = vec![format!("QUEUED 0 {NOW_MS}")];
    for n in 1..=limits::HISTORY_MAX_ATTEMPTS + 2 {
        row = claimed(&row, &format!("owner {n}"), NOW_MS);
        let began_ms = row.updated_at_ms;
        row = released(release(Some(&row), &held(&row), &release_at(NOW_MS + 1, true), NOW_MS));
        if n <= limits::HISTORY_MAX_ATTEMPTS {
            expected
                .extend([format!("RUNNING {n} {began_ms}"), format!("WAITING {n} {}", row.updated_at_ms)]);
        }
    }
    row = claimed(&row, "the last", NOW_MS);
    row = committed(finish(Some(&row), &held(&row), &endings()[0], NOW_MS));
    expected.push(format!("{} {} {}", row.status.as_str(), row.attempt, row.updated_at_ms));
    let told: Vec<_> = row.history.iter().map(ToString::to_string).collect();
    assert_eq!(told, expected);
}

#[test]
fn entries_of_a_history_are_read_as_they_are_written() {
    let entry = HistoryEntry { status: JobStatus::InDoubt, attempt: 3, at_ms: NOW_MS };
    assert_eq!(entry.to_string().parse::<HistoryEntry>().unwrap(), entry);
    for text in ["", "RUNNING", "RUNNING 1", "ASLEEP 1 2", "RUNNING -1 2", "RUNNING 1 2 3", "RUNNING  1 2"] {
        assert!(text.parse::<HistoryEntry>().is_err(), "{text}");
    }
}

/// Clocks are set back, and those of a fleet differ.
#[test]
fn no_job_ends_before_it_began() {
    let row = claimed(&queued(), "me", NOW_MS + 500);
    for now_ms in [0, NOW_MS, NOW_MS + 500, NOW_MS + 501] {
        let ended = committed(finish(Some(&row), &held(&row), &endings()[0], now_ms));
        assert_eq!(ended.finished_at_ms, Some(now_ms.max(NOW_MS + 500)));
        assert!(ended.finished_at_ms >= ended.started_at_ms && ended.updated_at_ms > row.updated_at_ms);
        assert_eq!(
            ended.expires_at_s,
            ended.finished_at_ms.map(|at_ms| (at_ms + limits::RETENTION_MS) / 1_000)
        );
    }
}

/// A crashed attempt cannot tell of itself, so the next one does.
#[test]
fn past_attempts_tell_of_crashes() {
    let first = claimed(&queued(), "dead", NOW_MS);
    let again = claimed(&first, "me", NOW_MS + LEASE_MS);
    let [crash] = again.attempts.as_slice() else { panic!("{:?}", again.attempts) };
    assert_eq!((crash.attempt, crash.counted, crash.error.kind), (1, true, ErrorKind::WorkerLost));
    assert_eq!((crash.started_at_ms, crash.at_ms), (Some(NOW_MS), NOW_MS + LEASE_MS));
    assert_eq!(crash.retry_at_ms, NOW_MS + LEASE_MS);
    assert_eq!(again.error, None, "the row's own error is that of an attempt that said something");

    // An attempt that ended in an orderly way tells of itself, once.
    let waiting = released(release(Some(&again), &held(&again), &release_at(NOW_MS, true), NOW_MS));
    let third = claimed(&waiting, "me", NOW_MS + 2 * LEASE_MS);
    let attempts: Vec<_> = third.attempts.iter().map(|entry| entry.attempt).collect();
    assert_eq!(attempts, [1, 2]);
}

proptest! {
    /// I1: whatever is asked of a row that has ended, no answer holds another row.
    #[test]
    fn a_finished_row_never_changes(
        row in any_finished_row(),
        ending in any_ending(),
        now_ms in any_time(),
        owner in prop::sample::select(vec!["me", "you"]),
        attempt in 0..5_u32,
    ) {
        let same = Box::new(row.clone());
        let held = Held { id: row.id.clone(), attempt, owner: owner.into() };
        prop_assert_eq!(accept(Some(&row), &queued()), AcceptVerdict::Exists(same.clone()));
        prop_assert_eq!(claim(Some(&row), &wish(&row, owner, now_ms)), ClaimVerdict::Finished(same.clone()));
        prop_assert_eq!(heartbeat(Some(&row), &held, now_ms + 9, now_ms), HeartbeatVerdict::Lost);
        let expected = if row.finished_by.as_deref() == Some(owner) {
            FinishVerdict::Already(same.clone())
        } else {
            FinishVerdict::Otherwise(same.clone())
        };
        prop_assert_eq!(finish(Some(&row), &held, &ending, now_ms), expected);
        let back = release(Some(&row), &held, &release_at(now_ms, true), now_ms);
        prop_assert_eq!(back, ReleaseVerdict::Finished(same.clone()));
        prop_assert_eq!(cancel(Some(&row), now_ms), CancelVerdict::Finished(same.clone()));
        prop_assert_eq!(give_up(Some(&row), &queued(), attempt, &ending, now_ms), GiveUpVerdict::Finished(same));
    }

    /// I2: once a newer claim was granted, an older attempt can write nothing.
    #[test]
    fn an_old_attempt_is_fenced_out(
        row in any_held_row(),
        ending in any_ending(),
        now_ms in any_time(),
        older in 1..5_u32,
    ) {
        let old = Held { id: row.id.clone(), attempt: row.attempt.saturating_sub(older), owner: "me".into() };
        prop_assert_eq!(finish(Some(&row), &old, &ending, now_ms), FinishVerdict::FencedOut);
        let back = release(Some(&row), &old, &release_at(now_ms, true), now_ms);
        prop_assert_eq!(back, ReleaseVerdict::FencedOut);
        prop_assert_eq!(heartbeat(Some(&row), &old, now_ms + 9, now_ms), HeartbeatVerdict::Lost);
    }

    /// The answer to a claim got lost: asking again under the same lease is granted, and is no new attempt.
    #[test]
    fn a_repeated_claim_is_the_same_attempt(row in any_live_row(), now_ms in any_time()) {
        let first = claim(Some(&row), &wish(&row, "somebody new", now_ms));
        if let ClaimVerdict::Granted(granted) = first {
            prop_assert_eq!(granted.attempt, row.attempt + 1);
            let again = wish(&granted, "somebody new", now_ms + LEASE_MS - 1);
            prop_assert_eq!(claim(Some(&granted), &again), ClaimVerdict::Granted(granted));
        }
    }

    #[test]
    fn a_claim_is_granted_only_when_it_may_be(row in any_live_row(), now_ms in any_time()) {
        let granted = matches!(claim(Some(&row), &wish(&row, "somebody new", now_ms)), ClaimVerdict::Granted(_));
        let may = !row.lease_lives(now_ms)
            && row.cancel_requested_at_ms.is_none()
            && row.deadline_ms.is_none_or(|deadline_ms| now_ms < deadline_ms)
            && row.attempts_used() < row.max_attempts
            && (row.effects != Effects::AtMostOnce || row.clean_attempt == row.attempt);
        prop_assert_eq!(granted, may, "{:?}", row);
    }

    /// The two ways to look at a message agree on the job.
    #[test]
    fn a_dead_letter_and_a_claim_agree(row in any_live_row(), now_ms in any_time()) {
        let put_back = dead_letter(Some(&row), &queued(), 0, now_ms) == DeadLetterVerdict::PutBack;
        let verdict = claim(Some(&row), &wish(&row, "somebody new", now_ms));
        prop_assert_eq!(put_back, matches!(verdict, ClaimVerdict::Granted(_)), "{:?}", verdict);
    }

    #[test]
    fn a_repeated_finish_recognises_itself(row in any_held_row(), ending in any_ending(), other in any_ending()) {
        let held = held(&row);
        let done = committed(finish(Some(&row), &held, &ending, NOW_MS));
        prop_assert_eq!(done.status, ending.status());
        prop_assert!(done.status.is_terminal() && done.is_finished() && done.owner.is_none());
        let again = finish(Some(&done), &held, &other, NOW_MS + 1);
        prop_assert_eq!(again, FinishVerdict::Already(Box::new(done)));
    }

    #[test]
    fn a_repeated_release_counts_once(row in any_held_row(), counted in any::<bool>()) {
        let (held, wish) = (held(&row), release_at(NOW_MS + 9, counted));
        match release(Some(&row), &held, &wish, NOW_MS) {
            ReleaseVerdict::Released(waiting) => {
                prop_assert_eq!(waiting.deferrals, row.deferrals + u32::from(!counted));
                prop_assert!(!waiting.last_attempt_crashed());
                let again = release(Some(&waiting), &held, &wish, NOW_MS + 1);
                prop_assert_eq!(again, ReleaseVerdict::Released(waiting));
            }
            verdict => {
                prop_assert_eq!(verdict, ReleaseVerdict::CancelAsked);
                prop_assert!(row.cancel_requested_at_ms.is_some());
            }
        }
    }

    /// Cancelling ends a job that nobody runs, and makes sure that one that runs is not run again.
    #[test]
    fn cancelling_leads_to_one_end(row in any_live_row(), now_ms in any_time()) {
        match cancel(Some(&row), now_ms) {
            CancelVerdict::Ended(ended) => {
                prop_assert!(!row.lease_lives(now_ms));
                let expected = if row.is_in_doubt() { JobStatus::InDoubt } else { JobStatus::Cancelled };
                prop_assert_eq!(ended.status, expected);
            }
            CancelVerdict::Requested(asked) => {
                prop_assert!(row.lease_lives(now_ms));
                prop_assert!(asked.cancel_requested_at_ms.is_some());
                let back = release(Some(&asked), &held(&asked), &release_at(now_ms, true), now_ms);
                if asked.clean_attempt != asked.attempt {
                    prop_assert_eq!(back, ReleaseVerdict::CancelAsked);
                }
                let later_ms = asked.lease_until_ms.unwrap();
                let verdict = claim(Some(&asked), &wish(&asked, "somebody new", later_ms));
                let ClaimVerdict::GiveUp { ending, .. } = verdict else { panic!("{verdict:?}") };
                let expected = if row.is_in_doubt() { JobStatus::InDoubt } else { JobStatus::Cancelled };
                prop_assert_eq!(ending.status(), expected);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// What a claim advises to give up can be given up, as long as nothing moved.
    #[test]
    fn giving_up_needs_the_attempt_that_was_seen(row in any_live_row(), ending in any_ending(), now_ms in any_time()) {
        let verdict = give_up(Some(&row), &queued(), row.attempt, &ending, now_ms);
        if row.lease_lives(now_ms) {
            prop_assert_eq!(verdict, GiveUpVerdict::MovedOn);
        } else {
            let GiveUpVerdict::Committed(ended) = verdict else { panic!("{verdict:?}") };
            let expected = if row.is_in_doubt() { JobStatus::InDoubt } else { ending.status() };
            prop_assert_eq!(ended.status, expected);
            let moved = give_up(Some(&row), &queued(), row.attempt + 1, &ending, now_ms);
            prop_assert_eq!(moved, GiveUpVerdict::MovedOn);
        }
    }

    /// Whoever waits for a change sees every one, also when clocks stand still or go backwards.
    #[test]
    fn every_change_is_later_than_the_last(row in any_live_row(), ending in any_ending(), now_ms in any_time()) {
        let mut changed = Vec::new();
        if let ClaimVerdict::Granted(new) = claim(Some(&row), &wish(&row, "somebody new", now_ms)) {
            changed.push(new);
        }
        if let CancelVerdict::Ended(new) | CancelVerdict::Requested(new) = cancel(Some(&row), now_ms) {
            changed.push(new);
        }
        if let GiveUpVerdict::Committed(new) = give_up(Some(&row), &queued(), row.attempt, &ending, now_ms) {
            changed.push(new);
        }
        prop_assert!(changed.iter().all(|new| new.updated_at_ms > row.updated_at_ms));
    }
}

/// Its lease has ended, and nobody knows whether its tool was started.
#[test]
fn what_was_cut_off_is_cancelled_unless_its_effect_is_in_doubt() {
    for (effects, expected) in [
        (Effects::ReadOnly, JobStatus::Cancelled),
        (Effects::Keyed, JobStatus::Cancelled),
        (Effects::AtMostOnce, JobStatus::InDoubt),
    ] {
        let running = JobRecord { effects, ..claimed(&queued(), "me", NOW_MS) };
        let verdict = cancel(Some(&running), NOW_MS + LEASE_MS);
        let CancelVerdict::Ended(ended) = verdict else { panic!("{verdict:?}") };
        assert_eq!(ended.status, expected, "{effects:?}");
    }
}

#[test]
fn giving_up_without_a_row_ends_the_job_as_first_seen() {
    let ending = Ending::expired("too late");
    let GiveUpVerdict::Committed(row) = give_up(None, &queued(), 0, &ending, NOW_MS) else {
        panic!("not committed")
    };
    assert_eq!((row.status, row.attempt, row.finished_at_ms), (JobStatus::Expired, 0, Some(NOW_MS)));
}

#[test]
fn a_row_that_does_not_exist_can_be_written_by_nobody() {
    let held = Held { id: job_id("job-00001"), attempt: 1, owner: "me".into() };
    assert_eq!(heartbeat(None, &held, NOW_MS + 9, NOW_MS), HeartbeatVerdict::Lost);
    assert_eq!(finish(None, &held, &endings()[0], NOW_MS), FinishVerdict::FencedOut);
    assert_eq!(release(None, &held, &release_at(NOW_MS, true), NOW_MS), ReleaseVerdict::FencedOut);
    assert_eq!(cancel(None, NOW_MS), CancelVerdict::Unknown);
}
