//! Calls that are carried out, and whose answers are lost on the way.

use std::sync::Arc;

use gantz_aws::{Jobs, Queue, Session};
use gantz_core::host::Clock;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::lifecycle::{AcceptVerdict, ClaimVerdict, FinishVerdict};
use gantz_core::ports::{JobQueue, JobStore, NewMessage, Receive};
use gantz_testkit::builders::{NOW_MS, claim, held, job_id, record, succeeded};
use gantz_testkit::fault_table::{Level, fault};
use gantz_testkit::wire::Relay;

use crate::support::Fleet;

/// So often each answer is lost.
const TIMES: u64 = 10;

struct Subject {
    _fleet: Fleet,
    relay: Relay,
    jobs: Jobs,
    queue: Queue,
}

impl Subject {
    async fn start() -> Self {
        let fleet = Fleet::start().await;
        let relay = Relay::before(fleet.endpoint());
        let session = Arc::new(Session::emulated(relay.endpoint.clone()).await);
        Self {
            jobs: Jobs::new(Arc::clone(&session), fleet.settings(), Clock::new(|| NOW_MS)),
            queue: Queue::new(session, fleet.settings()),
            relay,
            _fleet: fleet,
        }
    }
}

/// The lane whose queue every fleet has.
fn lane() -> QueueName {
    QueueName::Lane(Lane::try_new("default").unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_call_again_has_the_same_end() {
    let subject = Subject::start().await;
    an_acceptance(&subject).await;
    a_claim_and_a_finish(&subject).await;
    a_message(&subject).await;
    connections_that_were_closed_meanwhile(&subject).await;
}

/// The caller is told that the job is recorded, by this call and not by another.
async fn an_acceptance(subject: &Subject) {
    let shown = fault(1, Level::Wire);
    for n in 0..TIMES {
        let row = record(&job_id(&format!("accepted-{n:02}")));
        subject.relay.break_after(0);
        let verdicts = subject.jobs.accept(vec![row.clone()]).await.unwrap();
        assert!(subject.relay.has_broken());
        assert!(verdicts[0].needs_sending(), "{verdicts:?}");
        assert!(matches!(subject.jobs.accept(vec![row]).await.unwrap()[..], [AcceptVerdict::Exists(_)]));
    }
    shown.in_runs(TIMES, "the write behind it; each repeated call found the one row");
}

async fn a_claim_and_a_finish(subject: &Subject) {
    let (claims, finishes) = (fault(13, Level::Wire), fault(14, Level::Wire));
    for n in 0..TIMES {
        let row = record(&job_id(&format!("claimed-{n:02}")));
        subject.jobs.accept(vec![row.clone()]).await.unwrap();
        subject.relay.break_after(0);
        let verdict = subject.jobs.claim(claim(&row, "a", NOW_MS)).await.unwrap();
        let ClaimVerdict::Granted(row) = verdict else { panic!("{verdict:?}") };
        assert_eq!((row.attempt, subject.relay.has_broken()), (1, true));
        subject.relay.break_after(0);
        let verdict = subject.jobs.finish(&held(&row), succeeded(), NOW_MS + 1).await.unwrap();
        let FinishVerdict::Committed(row) = verdict else { panic!("{verdict:?}") };
        assert!(subject.relay.has_broken());
        assert_eq!((row.attempt, subject.jobs.get(&row.id).await.unwrap()), (1, Some(*row)));
    }
    claims.in_runs(TIMES, "granted at attempt 1");
    finishes.in_runs(TIMES, "committed, and the row is as answered");
}

/// It is there twice then; the job's row tells the second one that the first was taken.
async fn a_message(subject: &Subject) {
    let shown = fault(4, Level::Wire);
    let row = record(&job_id("sent-twice"));
    subject.jobs.accept(vec![row.clone()]).await.unwrap();
    let queue = lane();
    subject.relay.break_after(0);
    assert_eq!(subject.queue.send(&queue, vec![NewMessage::of("twice")]).await.unwrap(), [Ok(())]);
    let ask = Receive { max: 10, visibility_ms: 60_000, wait_ms: 1_000 };
    let mut messages = Vec::new();
    while messages.len() < 2 {
        messages.extend(subject.queue.receive(&queue, ask).await.unwrap());
    }
    assert_eq!(messages.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["twice", "twice"]);
    let first = subject.jobs.claim(claim(&row, "a", NOW_MS)).await.unwrap();
    let second = subject.jobs.claim(claim(&row, "b", NOW_MS)).await.unwrap();
    assert!(matches!(first, ClaimVerdict::Granted(_)) && !matches!(second, ClaimVerdict::Granted(_)));
    shown.in_runs(1, "two messages, one claim granted");
}

async fn connections_that_were_closed_meanwhile(subject: &Subject) {
    let shown = fault(33, Level::Wire);
    let row = record(&job_id("accepted-00"));
    for _ in 0..TIMES {
        subject.relay.close_all();
        assert!(subject.jobs.get(&row.id).await.unwrap().is_some());
        assert!(subject.queue.depth(&lane()).await.is_ok());
    }
    shown.in_runs(TIMES, "each next call is answered");
}
