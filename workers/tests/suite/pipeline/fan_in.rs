//! A batch counts its children exactly, however often their messages arrive.

use std::path::PathBuf;
use std::sync::Arc;

use gantz_core::admit_batch::BatchSpec;
use gantz_core::batch::{BatchProgress, Counts};
use gantz_core::ids::{JobId, QueueName};
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::ports::Depth;
use gantz_dispatcher::plan;
use gantz_workers::{Phase, Switch};
use serde_json::{Value, json};

use crate::fleet::{Fleet, ORIGIN, duplicate};

const ITEM: (&str, &str) = ("item", "timeout: 1h, retry: {max_attempts: 2, first: 100ms}");

#[tokio::test(start_paused = true)]
async fn every_child_counts_once_although_every_message_arrives_three_times() {
    // More than two shards; one in ten fails, and one in ten needs two attempts.
    let items: Vec<_> = (0..430)
        .map(|index| match index % 10 {
            0 => json!({"mode": "fail_permanent"}),
            1 => json!({"mode": "fail_transient", "times": 1}),
            _ => json!({"mode": "succeed"}),
        })
        .collect();
    let fleet = Fleet::new(&[ITEM]);
    let batch = planned(&fleet, items.clone(), "10%").await;
    let mut copies = Vec::new();
    for (index, item) in (0..).zip(&items) {
        copies.push(duplicate(&fleet.row(&JobId::child(&batch, index)).await, item.clone()));
    }

    fleet.send_raw(copies.clone()).await;
    let team = fleet.start("worker", 32);
    fleet.all_is_settled().await;
    let expected = Counts { succeeded: 387, failed: 43, ..Counts::default() };
    let progress = progress(&fleet, &batch).await;
    assert_eq!((progress.batch.status, progress.batch.planned), (JobStatus::Succeeded, 430));
    assert_eq!((progress.batch.counts, progress.totals), (expected, expected));
    assert_eq!(fleet.journal.starts().len(), 430 + 43, "no attempt was run twice");

    fleet.send_raw(copies).await;
    fleet.all_is_settled().await;
    assert_eq!(self::progress(&fleet, &batch).await, progress);
    let told = fleet.events().await;
    assert_eq!(
        told.into_iter().collect::<Vec<_>>(),
        [(batch.to_string(), vec!["Gantz Batch Succeeded".to_owned()])]
    );
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_counts_however_it_ends() {
    let fleet = Fleet::new(&[ITEM]);
    let items = ["succeed", "fail_permanent", "panic", "hang", "succeed"].map(|mode| json!({ "mode": mode }));
    let batch = planned(&fleet, items.to_vec(), "1").await;
    let _before_it_ran = fleet.dispatcher.cancel(&JobId::child(&batch, 0)).await.unwrap();
    let team = fleet.start("worker", 8);
    fleet.until(&JobId::child(&batch, 4), JobRecord::is_finished).await;
    assert_eq!(progress(&fleet, &batch).await.batch.status, JobStatus::Running, "one still hangs");
    let _while_it_ran = fleet.dispatcher.cancel(&JobId::child(&batch, 3)).await.unwrap();

    fleet.all_is_settled().await;
    let batch = progress(&fleet, &batch).await.batch;
    let expected = Counts { succeeded: 1, failed: 2, cancelled: 2, ..Counts::default() };
    assert_eq!(
        (batch.status, batch.counts),
        (JobStatus::Failed, expected),
        "more failed than were tolerated"
    );
    team.stop(Phase::Drain).await;
}

/// A batch whose children are all recorded and queued.
async fn planned(fleet: &Fleet, items: Vec<Value>, tolerate: &str) -> JobId {
    let spec = json!({"tool": "item", "items": items, "tolerate": tolerate});
    let spec: BatchSpec = serde_json::from_value(spec).unwrap();
    let batch = fleet.dispatcher.submit_batch(spec, &ORIGIN).await.unwrap().record.id;
    let switch = Switch::default();
    let stop = switch.stop();
    let planner = tokio::spawn(plan::serve(fleet.dispatcher.clone(), Arc::new(PathBuf::new()), async move {
        stop.reached(Phase::Drain).await;
    }));
    fleet.until_depth(&QueueName::Plan, |depth| depth == Depth::default()).await;
    assert!(progress(fleet, &batch).await.batch.planning_done);
    switch.set(Phase::Drain);
    planner.await.unwrap();
    batch
}

async fn progress(fleet: &Fleet, batch: &JobId) -> BatchProgress {
    fleet.ports.batches.progress(batch).await.unwrap().unwrap()
}
