//! Lists of items that are stored in pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use gantz_core::ids::QueueName;
use gantz_core::job::JobStatus;
use gantz_core::limits::{BATCH_PART_MAX_BYTES, PARAMETERS_MAX_BYTES};
use gantz_core::ports::{BlobError, BlobStore, NewMessage, PortError};
use serde_json::json;

use crate::plan::world::World;

const MINUTE_MS: u64 = 60_000;
/// So long that a piece holds a few of them.
const TEXT_BYTES: usize = BATCH_PART_MAX_BYTES / 8;

fn text(index: u32) -> String {
    format!("{index} {}", "x".repeat(TEXT_BYTES))
}

#[tokio::test]
async fn a_page_goes_on_where_a_piece_ends() {
    let items = 20;
    let too_long = 11;
    for interruptions in [0, 9] {
        let mut world = World::new();
        let item = |index: u32| {
            let text = text(index);
            if index == too_long { json!({"text": text.repeat(8)}) } else { json!({ "text": text }) }
        };
        world.submit(json!({"tool": "echo", "items": (0..items).map(item).collect::<Vec<_>>()})).await;
        for polls in 1..=interruptions {
            world.plan_interrupted(polls).await;
        }
        world.reopen();
        world.plan_all().await;
        let ran = world.work(|_| false).await;
        let expected: Vec<u32> = (0..items).filter(|index| *index != too_long).collect();
        assert_eq!(ran.keys().copied().collect::<Vec<_>>(), expected);
        for (index, parameters) in &ran {
            assert_eq!(parameters["text"], text(*index), "child {index}");
        }
        let rows = world.assert_children(items).await;
        let refused = rows[too_long as usize].error.clone().unwrap();
        assert_eq!(
            refused.message,
            format!("line {} has more than {PARAMETERS_MAX_BYTES} bytes", too_long + 1)
        );
        world.assert_counted().await;
    }
}

/// Blobs that cannot be read for a while.
struct Down {
    blobs: Arc<dyn BlobStore>,
    calls_left: AtomicU32,
}

#[async_trait]
impl BlobStore for Down {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError> {
        self.blobs.put(bytes).await
    }

    async fn get(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
        let left =
            self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(PortError::Throttled("slow down".into()).into()),
            Err(_) => self.blobs.get(reference, max_bytes).await,
        }
    }
}

#[tokio::test]
async fn a_store_that_is_down_for_a_while_costs_no_child() {
    let mut world = World::new();
    world.submit(json!({"tool": "echo", "items": [{"text": "a"}, {"text": "b"}]})).await;
    world.wrap_blobs(|blobs| Arc::new(Down { blobs, calls_left: AtomicU32::new(1) }));
    let error = world.try_step(&world.take_plan().await, MINUTE_MS).await.unwrap_err();
    assert_eq!(error.to_string(), "the backend failed: throttled: slow down");
    world.outlast_leases();
    world.plan_all().await;
    world.work(|_| false).await;
    let batch = world.progress().await.batch;
    assert_eq!((batch.status, batch.planned, batch.planning_error), (JobStatus::Succeeded, 2, None));
}

#[tokio::test]
async fn what_is_no_plan_is_kept() {
    let world = World::new();
    let message = NewMessage::of(r#"{"plan": "conquest"}"#);
    assert_eq!(world.ports().queue.send(&QueueName::Plan, vec![message]).await.unwrap(), [Ok(())]);
    let error = world.try_step(&world.take_plan().await, MINUTE_MS).await.unwrap_err();
    assert!(error.to_string().contains("the message is no plan"), "{error}");
}
