//! Rows of jobs: the domain's decisions, each as one conditional write.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gantz_core::envelope::Parameters;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{
    self, AcceptVerdict, CancelVerdict, Claim, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict,
    HeartbeatVerdict, Held, KeepVerdict, Release, ReleaseVerdict, Verdict,
};
use gantz_core::policy::Effects;
use gantz_core::ports::{JobFilter, JobPage, JobStore, PortError, PortResult};
use tokio::time::Instant;

use crate::process::Process;
use crate::world::{Mutation, State};

#[async_trait]
impl JobStore for Process {
    async fn accept(&self, jobs: Vec<JobRecord>) -> PortResult<Vec<AcceptVerdict>> {
        let about = jobs.first().map(|job| job.id.to_string()).unwrap_or_default();
        let by = self.name().to_owned();
        let accept = move |state: &mut State| jobs.iter().map(|job| accept_one(state, job, &by)).collect();
        self.call("accept", &about, accept).await
    }

    async fn get(&self, id: &JobId) -> PortResult<Option<JobRecord>> {
        let wanted = id.clone();
        self.call("get", id.as_str(), move |state| view(state, &wanted)).await
    }

    async fn claim(&self, claim: Claim) -> PortResult<ClaimVerdict> {
        let (id, by) = (claim.first_seen.id.clone(), self.name().to_owned());
        let about = id.to_string();
        let write = move |state: &mut State| {
            let mutation = state.settings.mutation;
            transition(state, &id, &by, |row| mutated_claim(row, &claim, mutation))
        };
        self.call("claim", &about, write).await
    }

    async fn heartbeat(&self, held: &Held, lease_until_ms: u64, now_ms: u64) -> PortResult<HeartbeatVerdict> {
        let (by, about, held) = (self.name().to_owned(), held.id.to_string(), held.clone());
        let write = move |state: &mut State| {
            transition(state, &held.id, &by, |row| lifecycle::heartbeat(row, &held, lease_until_ms, now_ms))
        };
        self.call("heartbeat", &about, write).await
    }

    async fn finish(&self, held: &Held, ending: Ending, now_ms: u64) -> PortResult<FinishVerdict> {
        let (by, about, held) = (self.name().to_owned(), held.id.to_string(), held.clone());
        let write = move |state: &mut State| {
            let mutation = state.settings.mutation;
            transition(state, &held.id, &by, |row| mutated_finish(row, &held, &ending, now_ms, mutation))
        };
        self.call("finish", &about, write).await
    }

    async fn release(&self, held: &Held, release: Release, now_ms: u64) -> PortResult<ReleaseVerdict> {
        let (by, about, held) = (self.name().to_owned(), held.id.to_string(), held.clone());
        let write = move |state: &mut State| {
            transition(state, &held.id, &by, |row| lifecycle::release(row, &held, &release, now_ms))
        };
        self.call("release", &about, write).await
    }

    async fn cancel(&self, id: &JobId, now_ms: u64) -> PortResult<CancelVerdict> {
        let (by, wanted) = (self.name().to_owned(), id.clone());
        let write =
            move |state: &mut State| transition(state, &wanted, &by, |row| lifecycle::cancel(row, now_ms));
        self.call("cancel", id.as_str(), write).await
    }

    async fn give_up(
        &self,
        first_seen: JobRecord,
        attempt_seen: u32,
        ending: Ending,
        now_ms: u64,
    ) -> PortResult<GiveUpVerdict> {
        let (by, about) = (self.name().to_owned(), first_seen.id.to_string());
        let write = move |state: &mut State| {
            let decide =
                |row: Option<&JobRecord>| lifecycle::give_up(row, &first_seen, attempt_seen, &ending, now_ms);
            transition(state, &first_seen.id, &by, decide)
        };
        self.call("give_up", &about, write).await
    }

    async fn keep(&self, id: &JobId, parameters: Parameters, now_ms: u64) -> PortResult<KeepVerdict> {
        let (by, wanted) = (self.name().to_owned(), id.clone());
        let write = move |state: &mut State| {
            transition(state, &wanted, &by, |row| lifecycle::keep(row, &parameters, now_ms))
        };
        self.call("keep", id.as_str(), write).await
    }

    async fn list(&self, filter: &JobFilter, limit: usize, cursor: Option<&str>) -> PortResult<JobPage> {
        let before = match cursor {
            Some(text) => {
                Some(JobId::try_new(text).map_err(|error| PortError::Permanent(error.to_string()))?)
            }
            None => None,
        };
        let filter = filter.clone();
        self.call("list", "", move |state| list(state, &filter, limit, before.as_ref())).await
    }

    async fn changed(
        &self,
        id: &JobId,
        seen_updated_at_ms: u64,
        wait_ms: u64,
    ) -> PortResult<Option<JobRecord>> {
        let deadline = Instant::now() + Duration::from_millis(wait_ms);
        let (wanted, told) = (id.clone(), id.clone());
        let watcher = self.call("changed", id.as_str(), move |state| {
            Arc::clone(state.watchers.entry(told.clone()).or_default())
        });
        let watcher = watcher.await?;
        loop {
            let touched = watcher.notified();
            tokio::pin!(touched);
            touched.as_mut().enable();
            self.go_on().await;
            let row = self.world().with(|state| view(state, &wanted));
            if row.as_ref().is_none_or(|row| row.updated_at_ms != seen_updated_at_ms) {
                return Ok(row);
            }
            if tokio::time::timeout_at(deadline, touched).await.is_err() {
                self.go_on().await;
                return Ok(row);
            }
        }
    }
}

fn accept_one(state: &mut State, job: &JobRecord, by: &str) -> AcceptVerdict {
    let now_s = state.now_ms / 1_000;
    let found = state.row(&job.id).cloned();
    // A row whose time is up may be there for days, and is as good as gone.
    let found = match found {
        Some(row) if row.expires_at_s.is_some_and(|expires_at_s| expires_at_s <= now_s) => {
            state.forget(&job.id);
            None
        }
        found => found,
    };
    let verdict = match (state.settings.mutation, &found) {
        (Some(Mutation::FinishedReadBeforeHash), Some(row)) if row.is_finished() => {
            AcceptVerdict::Exists(Box::new(row.clone()))
        }
        _ => lifecycle::accept(found.as_ref(), job),
    };
    if verdict == AcceptVerdict::Created {
        write(state, None, job.clone(), by);
    }
    verdict
}

/// The row as those who poll see it.
fn view(state: &mut State, id: &JobId) -> Option<JobRecord> {
    let now_s = state.now_ms / 1_000;
    state.row(id).filter(|row| row.expires_at_s.is_none_or(|expires_at_s| now_s < expires_at_s)).cloned()
}

/// Newest first. Ties, which one call of `accept` makes, in the order of their ids.
fn list(state: &mut State, filter: &JobFilter, limit: usize, before: Option<&JobId>) -> JobPage {
    let mut order: Vec<&JobRecord> = state.rows.values().collect();
    order.sort_by_key(|row| std::cmp::Reverse(state.observer.place(&row.id)));
    let start = before.and_then(|id| order.iter().position(|row| row.id == *id)).map_or(0, |place| place + 1);
    let mut found = order.into_iter().skip(start).filter(|row| filter.matches(row));
    let jobs: Vec<JobRecord> = found.by_ref().take(limit).cloned().collect();
    let next = found.next().and(jobs.last()).map(|row| row.id.to_string());
    JobPage { jobs, next }
}

/// Applies a decision of the domain to a row.
fn transition<V: Verdict>(
    state: &mut State,
    id: &JobId,
    by: &str,
    decide: impl FnOnce(Option<&JobRecord>) -> V,
) -> V {
    let before = state.row(id).cloned();
    let verdict = decide(before.as_ref());
    if let Some(new) = verdict.row_to_write()
        && before.as_ref() != Some(new)
    {
        write(state, before.as_ref(), new.clone(), by);
    }
    verdict
}

fn write(state: &mut State, before: Option<&JobRecord>, after: JobRecord, by: &str) {
    state.observer.row_written(before, &after, by, state.now_ms);
    state.note(by, || {
        let lease = after.lease_until_ms.map_or(String::new(), |until_ms| {
            format!(", lease ends in {} ms", until_ms.saturating_sub(after.updated_at_ms))
        });
        let cancel = if after.cancel_requested_at_ms.is_some() { ", cancel asked" } else { "" };
        let owner = after.owner.as_ref().map_or(String::new(), |owner| format!(" of {owner}"));
        format!(
            "   row {}: {} attempt {}{owner}{lease}{cancel}",
            after.id,
            after.status.as_str(),
            after.attempt
        )
    });
    let id = after.id.clone();
    if let Some(watcher) = state.watchers.get(&id) {
        watcher.notify_waiters();
    }
    state.rows.insert(id, after);
}

fn mutated_claim(row: Option<&JobRecord>, claim: &Claim, mutation: Option<Mutation>) -> ClaimVerdict {
    match mutation {
        Some(Mutation::NoCleanAttemptCheck) => {
            let unaware = row.map(|row| JobRecord { effects: Effects::Keyed, ..row.clone() });
            lifecycle::claim(unaware.as_ref(), claim)
        }
        Some(Mutation::UncountedAttempts) => {
            let generous = row.map(|row| JobRecord { max_attempts: u32::MAX, ..row.clone() });
            match lifecycle::claim(generous.as_ref(), claim) {
                ClaimVerdict::Granted(row) => ClaimVerdict::Granted(Box::new(JobRecord {
                    max_attempts: claim.first_seen.max_attempts,
                    ..*row
                })),
                other => other,
            }
        }
        Some(Mutation::AckOnHeldLease) => match (lifecycle::claim(row, claim), row) {
            (ClaimVerdict::HeldUntil { .. }, Some(row)) => ClaimVerdict::Finished(Box::new(row.clone())),
            (verdict, _) => verdict,
        },
        _ => lifecycle::claim(row, claim),
    }
}

fn mutated_finish(
    row: Option<&JobRecord>,
    held: &Held,
    ending: &Ending,
    now_ms: u64,
    mutation: Option<Mutation>,
) -> FinishVerdict {
    match (mutation, row) {
        (Some(Mutation::UnfencedFinish), Some(row)) => {
            let held = Held { attempt: row.attempt, ..held.clone() };
            lifecycle::finish(Some(row), &held, ending, now_ms)
        }
        (Some(Mutation::RewrittenEnd), Some(row)) if row.is_finished() => {
            let open = JobRecord { finished_at_ms: None, attempt: held.attempt, ..row.clone() };
            lifecycle::finish(Some(&open), held, ending, now_ms)
        }
        _ => lifecycle::finish(row, held, ending, now_ms),
    }
}
