//! What every [`JobStore`] must do.
//!
//! The rules themselves are [`gantz_core::lifecycle`]'s, and tested there. Here a store shows that it applies them: to
//! the row as it is, atomically, and with the same answers (`model` compares them step by step).

mod accept;
mod attempts;
mod kept;
mod list;
mod model;
mod races;
mod watch;

use std::sync::Arc;

use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{AcceptVerdict, CancelVerdict, Claim, ClaimVerdict};
use gantz_core::ports::JobStore;

use crate::Env;
use crate::suite::{Case, Suite};

type Input = Case<Arc<dyn JobStore>>;

/// Runs every case.
///
/// # Panics
/// When a case fails, naming it.
pub async fn run(store: Arc<dyn JobStore>, env: Env) {
    let mut suite = Suite::new("job_store", store, env);
    accept::cases(&mut suite).await;
    attempts::cases(&mut suite).await;
    kept::cases(&mut suite).await;
    races::cases(&mut suite).await;
    list::cases(&mut suite).await;
    watch::cases(&mut suite).await;
    model::cases(&mut suite).await;
    suite.finish();
}

impl Input {
    async fn row(&self, id: &JobId) -> JobRecord {
        self.port.get(id).await.unwrap().unwrap_or_else(|| panic!("no row for {id}"))
    }

    async fn accepted(&self, row: JobRecord) -> JobRecord {
        assert_eq!(self.port.accept(vec![row.clone()]).await.unwrap(), [AcceptVerdict::Created]);
        row
    }

    async fn claimed(&self, claim: Claim) -> JobRecord {
        match self.port.claim(claim).await.unwrap() {
            ClaimVerdict::Granted(row) => *row,
            other => panic!("expected a grant, got {other:?}"),
        }
    }

    async fn cancelled(&self, row: &JobRecord) {
        let verdict = self.port.cancel(&row.id, row.updated_at_ms).await.unwrap();
        assert!(matches!(verdict, CancelVerdict::Ended(_)), "{verdict:?}");
    }
}
