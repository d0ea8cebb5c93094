//! What a call's job does, told to a client that asks for it while it waits.

use std::future::Future;

use gantz_core::job::JobRecord;
use gantz_core::ports::{JobStore, PortResult};
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};
use tokio::time::Instant;

use super::answer;
use crate::wait;

/// Who is told. Nobody is without [`Listener::client`].
#[derive(Default)]
pub(super) struct Listener {
    client: Option<(Peer<RoleServer>, ProgressToken)>,
    /// What was told last, and how often something was: progress only ever grows.
    told: String,
    times: u32,
}

impl Listener {
    /// The client of a request with that token, if it has one.
    pub(super) fn client(peer: Peer<RoleServer>, token: Option<ProgressToken>) -> Self {
        Self { client: token.map(|token| (peer, token)), ..Self::default() }
    }

    /// The job as it is once it has ended, or at `until`, whichever comes first. Each change on the way is told.
    pub(super) async fn wait(
        &mut self,
        jobs: &dyn JobStore,
        mut row: JobRecord,
        until: Instant,
    ) -> PortResult<JobRecord> {
        self.tell(&row).await;
        while let Some(newer) = wait::for_change(jobs, &row, until).await? {
            row = newer;
            self.tell(&row).await;
        }
        Ok(row)
    }

    fn tell(&mut self, row: &JobRecord) -> impl Future<Output = ()> + Send {
        let message = answer::progress(row);
        let is_news = message != self.told;
        let notice = self.client.clone().filter(|_| is_news).map(|(peer, token)| {
            let notice = ProgressNotificationParam::new(token, f64::from(self.times)).with_message(&message);
            self.told = message;
            self.times += 1;
            (peer, notice)
        });
        async move {
            let Some((peer, notice)) = notice else { return };
            // The answer says the same; a client that has gone is noticed by whoever sends that.
            if let Err(error) = peer.notify_progress(notice).await {
                tracing::debug!(%error, "progress could not be told");
            }
        }
    }
}
