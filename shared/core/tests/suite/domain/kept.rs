//! Jobs that ended without success keep what they were to be done with, and may be done again.

use gantz_core::admit_retry::{RetryRefusal, admit_retry, may_retry};
use gantz_core::envelope::Parameters;
use gantz_core::job::{JobRecord, JobResult, JobStatus};
use gantz_core::lifecycle::{Ending, FinishVerdict, GiveUpVerdict, KeepVerdict, finish, give_up, keep};
use gantz_core::limits::DEADLINE_DEFAULT_MS;
use gantz_core::manifest::Manifest;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_core::policy::Effects;
use serde_json::{Value, json};

use crate::domain::common::*;

fn parameters() -> Parameters {
    Parameters::Inline(json!({"text": "hello"}))
}

fn failed() -> Ending {
    Ending::failed(JobError::new(ErrorKind::ToolError, "no luck")).keeping(Some(parameters()))
}

fn ended(row: &JobRecord, ending: &Ending) -> JobRecord {
    let running = claimed(row, "me", NOW_MS);
    match finish(Some(&running), &held(&running), ending, NOW_MS + 1) {
        FinishVerdict::Committed(row) => *row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_end_brings_the_parameters() {
    assert_eq!(ended(&queued(), &failed()).parameters, Some(parameters()));
    let expired = Ending::expired("too late").keeping(Some(parameters()));
    let GiveUpVerdict::Committed(row) = give_up(None, &queued(), 0, &expired, NOW_MS) else { panic!() };
    assert_eq!((row.status, &row.parameters), (JobStatus::Expired, &Some(parameters())));
    // What ends in doubt, whatever was asked, keeps them too.
    let lost = JobRecord { effects: Effects::AtMostOnce, ..queued() };
    let lost = JobRecord { lease_until_ms: Some(NOW_MS), ..claimed(&lost, "me", NOW_MS) };
    let GiveUpVerdict::Committed(row) = give_up(Some(&lost), &lost, 1, &expired, NOW_MS + 1) else {
        panic!()
    };
    assert_eq!((row.status, &row.parameters), (JobStatus::InDoubt, &Some(parameters())));
}

#[test]
fn they_are_kept_later_where_nobody_knew_them() {
    let bare = ended(&queued(), &Ending::cancelled("enough"));
    let KeepVerdict::Kept(row) = keep(Some(&bare), &parameters(), NOW_MS + 5) else { panic!() };
    let expect = JobRecord { parameters: Some(parameters()), updated_at_ms: NOW_MS + 5, ..bare };
    assert_eq!(*row, expect);

    let succeeded = ended(&queued(), &Ending::succeeded(JobResult::Inline(Value::Null)));
    let running = claimed(&queued(), "me", NOW_MS);
    for needless in [None, Some(&expect), Some(&succeeded), Some(&running)] {
        assert_eq!(keep(needless, &parameters(), NOW_MS + 9), KeepVerdict::Needless, "{needless:?}");
    }
}

#[test]
fn who_may_be_done_again() {
    let once = JobRecord { effects: Effects::AtMostOnce, ..queued() };
    let in_doubt = Ending::in_doubt(ErrorKind::Timeout, "?").keeping(Some(parameters()));
    let GiveUpVerdict::Committed(never_ran) = give_up(None, &once, 0, &failed(), NOW_MS) else { panic!() };
    let table = [
        (queued(), [Err(RetryRefusal::NotEnded(JobStatus::Queued)); 2]),
        (
            ended(&queued(), &Ending::succeeded(JobResult::Inline(Value::Null))),
            [Err(RetryRefusal::Succeeded); 2],
        ),
        (ended(&queued(), &failed()), [Ok(()), Ok(())]),
        (ended(&queued(), &failed().keeping(None)), [Err(RetryRefusal::NoParameters); 2]),
        (*never_ran, [Ok(()), Ok(())]),
        (ended(&once, &failed()), [Err(RetryRefusal::MayHaveRun), Ok(())]),
        (ended(&once, &in_doubt), [Err(RetryRefusal::MayHaveRun), Ok(())]),
    ];
    for (row, expect) in table {
        let told = [false, true].map(|even_if_it_ran| may_retry(&row, even_if_it_ran).map(|_| ()));
        assert_eq!(told, expect, "{row:#?}");
    }
}

#[test]
fn a_retry_is_a_job_of_its_own_with_the_first_ones_effect() {
    let manifest = "name: m\nversion: 1.0.0\ntools:\n  echo:\n    description: d\n    handler: command\n    \
                    command: [echo]\n    parameters: {text: {type: string, required: true}}\n";
    let manifest = Manifest::parse("gantz.yaml", manifest).unwrap();
    let later_ms = NOW_MS + 1_000_000;
    let again = |row: &JobRecord, parameters| admit_retry(row, parameters, &manifest, later_ms, [7, 8]);

    let first = JobRecord { label: Some("Monday's".into()), ..ended(&queued(), &failed()) };
    let second = again(&first, json!({"text": "hello"})).unwrap().record;
    assert_ne!(second.id, first.id);
    assert_eq!((&second.retry_of, &second.effect_key), (&Some(first.id.clone()), &Some(first.id.clone())));
    assert_eq!((&second.label, second.status, second.attempt), (&first.label, JobStatus::Queued, 0));
    assert_eq!(second.deadline_ms, Some(later_ms + DEADLINE_DEFAULT_MS));
    assert_eq!(again(&first, json!({"text": "hello"})).unwrap().record.id, second.id, "once is enough");

    let third = again(&second, json!({"text": "hello"})).unwrap().record;
    assert_eq!((&third.retry_of, &third.effect_key), (&Some(second.id), &Some(first.id.clone())));

    // A lane that is gone is replaced by the tool's; parameters that the tool no longer takes are refused.
    let elsewhere = JobRecord { lane: gantz_core::ids::Lane::try_new("gone").unwrap(), ..first.clone() };
    assert_eq!(again(&elsewhere, json!({"text": "hello"})).unwrap().record.lane.as_str(), "fast");
    assert!(again(&first, json!({"txt": "hello"})).is_err());
}
