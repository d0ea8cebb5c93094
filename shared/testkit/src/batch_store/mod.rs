//! What every [`BatchStore`] must do.

mod counting;
mod planning;
mod races;

use std::sync::Arc;

use gantz_core::batch::{BatchProgress, BatchRecord, PlannedShard, PlanningEnd};
use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_core::ports::BatchStore;

use crate::Env;
use crate::builders::{NOW_MS, batch, shards_of};
use crate::suite::{Case, Suite};

type Input = Case<Arc<dyn BatchStore>>;

/// Runs every case.
///
/// # Panics
/// When a case fails, naming it.
pub async fn run(store: Arc<dyn BatchStore>, env: Env) {
    let mut suite = Suite::new("batch_store", store, env);
    planning::cases(&mut suite).await;
    counting::cases(&mut suite).await;
    races::cases(&mut suite).await;
    suite.finish();
}

impl Input {
    async fn progress(&self, id: &JobId) -> BatchProgress {
        self.port.progress(id).await.unwrap().unwrap_or_else(|| panic!("no batch {id}"))
    }

    async fn opened(&self, record: BatchRecord) -> JobId {
        let id = record.id.clone();
        assert_eq!(self.port.open(record).await.unwrap(), None);
        id
    }

    /// A batch whose `children` are all planned, and whose planning goes on.
    async fn planned(&self, hint: &str, children: u32) -> JobId {
        let id = self.opened(batch(&self.id(hint))).await;
        for shard in shards_of(children) {
            self.plan(&id, &shard).await;
        }
        id
    }

    async fn plan(&self, id: &JobId, shard: &PlannedShard) {
        assert!(self.port.open_shard(id, shard.clone()).await.unwrap().is_some());
        self.port.advance(id, shard.clone(), Some(format!("after {}", shard.number))).await.unwrap();
    }

    async fn end_planning(&self, id: &JobId) -> BatchRecord {
        self.port.end_planning(id, PlanningEnd::default(), NOW_MS + 1).await.unwrap().unwrap()
    }

    async fn mark(&self, id: &JobId, index: u32, status: JobStatus) -> Option<BatchRecord> {
        self.port.mark(id, index, status, NOW_MS + 2).await.unwrap()
    }
}
