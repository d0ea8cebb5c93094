//! A machine that is gone in the middle of a job.

use std::sync::Arc;

use async_trait::async_trait;
use gantz_core::event::Event;
use gantz_core::job::JobStatus;
use gantz_core::limits::LEASE_MS;
use gantz_core::outcome::ErrorKind;
use gantz_core::ports::{EntryError, EventSink, PortResult};
use gantz_workers::Phase;
use serde_json::json;
use tokio::sync::Notify;

use crate::fleet::{Fleet, machine};
use crate::mode_tool::What;

#[test]
fn its_job_runs_again_as_soon_as_the_directory_is_opened() {
    let (site, id) = machine(async {
        let fleet = Fleet::new(&[("keyed", "retry: {max_attempts: 3}")]);
        let id = fleet.submit("keyed", json!({"mode": "hang", "times": 1})).await;
        let _running = fleet.start("first", 2);
        fleet.journal.until(&id, 1, What::Started).await;
        (fleet.site(), id)
    });
    machine(async {
        let fleet = Fleet::open(site);
        let reopened_ms = fleet.now_ms();
        let row = fleet.row(&id).await;
        assert_eq!((row.status, row.attempt), (JobStatus::Running, 1));
        assert!(row.lease_until_ms.unwrap() > reopened_ms, "by the clock, its lease still lives");

        let team = fleet.start("second", 2);
        let row = fleet.finished(&id).await;
        assert_eq!((row.status, row.attempt, row.attempts_used()), (JobStatus::Succeeded, 2, 2));
        let told: Vec<_> = row.attempts.iter().map(|entry| (entry.attempt, entry.error.kind)).collect();
        assert_eq!(told, [(1, ErrorKind::WorkerLost)], "the row tells of the attempt that died");
        assert!(row.finished_at_ms.unwrap() - reopened_ms < LEASE_MS / 10, "leases of the dead are dead");
        fleet.all_is_settled().await;
        team.stop(Phase::Drain).await;
    });
}

#[test]
fn a_job_that_kills_every_machine_fails_when_its_attempts_are_used_up() {
    let (mut site, id) = machine(async {
        let fleet = Fleet::new(&[("keyed", "retry: {max_attempts: 2}")]);
        let id = fleet.submit("keyed", json!({"mode": "hang"})).await;
        (fleet.site(), id)
    });
    for attempt in [1, 2] {
        site = machine(async {
            let fleet = Fleet::open(site.clone());
            let _running = fleet.start("victim", 2);
            fleet.journal.until(&id, attempt, What::Started).await;
            fleet.site()
        });
    }
    machine(async {
        let fleet = Fleet::open(site);
        let team = fleet.start("survivor", 2);
        let row = fleet.finished(&id).await;
        assert_eq!((row.status, row.attempt), (JobStatus::Failed, 2));
        let error = row.error.unwrap();
        assert_eq!(error.kind, ErrorKind::WorkerLost);
        assert!(error.message.ends_with("2 of 2 attempts used"), "{}", error.message);
        fleet.all_is_settled().await;
        assert_eq!(fleet.journal.starts().len(), 2);
        team.stop(Phase::Drain).await;
    });
}

#[test]
fn an_end_that_was_recorded_is_told_and_the_job_does_not_run_again() {
    for (crash, told_before) in [(Crash::BeforeTheEvent, 0), (Crash::BeforeTheAcknowledgement, 1)] {
        let (site, id) = machine(async {
            let mut fleet = Fleet::new(&[("keyed", "retry: {max_attempts: 3}")]);
            let (reached, sink) = (Arc::new(Notify::new()), fleet.ports.events.clone());
            fleet.ports.events = Arc::new(Stuck { crash, reached: reached.clone(), sink });
            let id = fleet.submit("keyed", json!({"mode": "succeed"})).await;
            let _running = fleet.start("first", 2);
            reached.notified().await;
            assert_eq!(fleet.row(&id).await.status, JobStatus::Succeeded);
            assert_eq!(fleet.events().await.len(), told_before);
            (fleet.site(), id)
        });
        machine(async {
            let fleet = Fleet::open(site);
            let team = fleet.start("second", 2);
            fleet.all_is_settled().await;
            assert_eq!(fleet.journal.of(&id), [(1, What::Started), (1, What::Answered)]);
            team.stop(Phase::Drain).await;
        });
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Crash {
    BeforeTheEvent,
    BeforeTheAcknowledgement,
}

/// A sink that never answers, and says when it was asked.
struct Stuck {
    crash: Crash,
    reached: Arc<Notify>,
    sink: Arc<dyn EventSink>,
}

#[async_trait]
impl EventSink for Stuck {
    async fn publish(&self, events: Vec<Event>) -> PortResult<Vec<Result<(), EntryError>>> {
        if self.crash == Crash::BeforeTheAcknowledgement {
            self.sink.publish(events).await.unwrap();
        }
        self.reached.notify_one();
        std::future::pending().await
    }
}
