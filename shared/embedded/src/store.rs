//! `JobStore` over the table of jobs: reads the row, asks the domain, writes its answer, in one transaction.

use std::collections::HashMap;
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
use gantz_core::limits::PAGE_SCAN_MAX;
use gantz_core::ports::{JobFilter, JobPage, JobStore, PortError, PortResult};
use rusqlite::{Connection, params};
use tokio::time::{Instant, timeout_at};

use crate::open::Embedded;
use crate::process::Epoch;
use crate::rows::{self, Located, columns};
use crate::writer::{Flush, is_damage};

#[async_trait]
impl JobStore for Embedded {
    async fn accept(&self, jobs: Vec<JobRecord>) -> PortResult<Vec<AcceptVerdict>> {
        let epoch = self.shared.membership.epoch;
        // Its caller is answered once the message is sent, and a row whose message need not be sent again has been
        // claimed: either way a flushed commit comes after this one.
        self.writer.call_unflushed(move |connection| accept(connection, &jobs, epoch)).await
    }

    async fn get(&self, id: &JobId) -> PortResult<Option<JobRecord>> {
        self.view.job(id).await
    }

    async fn claim(&self, claim: Claim) -> PortResult<ClaimVerdict> {
        let id = claim.first_seen.id.clone();
        self.transition(id, move |row| lifecycle::claim(row, &claim)).await
    }

    async fn heartbeat(&self, held: &Held, lease_until_ms: u64, now_ms: u64) -> PortResult<HeartbeatVerdict> {
        let (id, held) = (held.id.clone(), held.clone());
        self.transition(id, move |row| lifecycle::heartbeat(row, &held, lease_until_ms, now_ms)).await
    }

    async fn finish(&self, held: &Held, ending: Ending, now_ms: u64) -> PortResult<FinishVerdict> {
        let (id, held) = (held.id.clone(), held.clone());
        self.transition(id, move |row| lifecycle::finish(row, &held, &ending, now_ms)).await
    }

    async fn release(&self, held: &Held, release: Release, now_ms: u64) -> PortResult<ReleaseVerdict> {
        let (id, held) = (held.id.clone(), held.clone());
        self.transition(id, move |row| lifecycle::release(row, &held, &release, now_ms)).await
    }

    async fn cancel(&self, id: &JobId, now_ms: u64) -> PortResult<CancelVerdict> {
        self.transition(id.clone(), move |row| lifecycle::cancel(row, now_ms)).await
    }

    async fn give_up(
        &self,
        first_seen: JobRecord,
        attempt_seen: u32,
        ending: Ending,
        now_ms: u64,
    ) -> PortResult<GiveUpVerdict> {
        let id = first_seen.id.clone();
        self.transition(id, move |row| lifecycle::give_up(row, &first_seen, attempt_seen, &ending, now_ms))
            .await
    }

    async fn keep(&self, id: &JobId, parameters: Parameters, now_ms: u64) -> PortResult<KeepVerdict> {
        self.transition(id.clone(), move |row| lifecycle::keep(row, &parameters, now_ms)).await
    }

    async fn list(&self, filter: &JobFilter, limit: usize, cursor: Option<&str>) -> PortResult<JobPage> {
        self.view.jobs(filter, limit, cursor).await
    }

    async fn changed(
        &self,
        id: &JobId,
        seen_updated_at_ms: u64,
        wait_ms: u64,
    ) -> PortResult<Option<JobRecord>> {
        let deadline = Instant::now() + Duration::from_millis(wait_ms);
        let mut watch = self.shared.changes.watch(id);
        loop {
            let row = self.get(id).await?;
            if row.as_ref().is_none_or(|row| row.updated_at_ms != seen_updated_at_ms) {
                return Ok(row);
            }
            loop {
                match timeout_at(deadline, watch.changed()).await {
                    Err(_) => return Ok(row),
                    Ok(None) => break,
                    // A reader may be ahead of those who are told one by one of what a commit holds.
                    Ok(Some(row)) if row.updated_at_ms > seen_updated_at_ms => {
                        return Ok(Some(Arc::unwrap_or_clone(row)));
                    }
                    Ok(Some(_)) => {}
                }
            }
        }
    }
}

impl Embedded {
    /// Applies a decision of the domain to a row, atomically, and tells those who wait for the row.
    async fn transition<V: Verdict + Send + 'static>(
        &self,
        id: JobId,
        decide: impl FnOnce(Option<&JobRecord>) -> V + Send + 'static,
    ) -> PortResult<V> {
        let (epoch, changes, changed) =
            (self.shared.membership.epoch, self.shared.changes.clone(), id.clone());
        self.writer
            .call_then(
                Flush::Now,
                move |connection| {
                    let found = rows::find(connection, &id, epoch)?;
                    let verdict = decide(found.as_ref().map(|found| &found.record));
                    if let Some(new) = verdict.row_to_write() {
                        write(connection, found.as_ref(), new, epoch)?;
                    }
                    Ok(verdict)
                },
                move |verdict| changes.touch(&changed, verdict.row_to_write()),
            )
            .await
    }
}

fn write(
    connection: &Connection,
    found: Option<&Located>,
    new: &JobRecord,
    epoch: Epoch,
) -> rusqlite::Result<()> {
    match found {
        Some(found) => rows::update(connection, found.seq, new, epoch),
        None => rows::insert(connection, new, epoch),
    }
}

/// Reads all rows before it writes one, so that a damaged row is found in time.
fn accept(connection: &Connection, jobs: &[JobRecord], epoch: Epoch) -> rusqlite::Result<Vec<AcceptVerdict>> {
    let found: Vec<_> =
        jobs.iter().map(|job| rows::find(connection, &job.id, epoch)).collect::<Result<_, _>>()?;
    let mut created: HashMap<&JobId, &JobRecord> = HashMap::new();
    let mut verdicts = Vec::with_capacity(jobs.len());
    for (job, found) in jobs.iter().zip(&found) {
        let existing = found.as_ref().map(|found| &found.record).or(created.get(&job.id).copied());
        let verdict = lifecycle::accept(existing, job);
        // A write of the caller's own whose answer got lost is there already.
        if verdict == AcceptVerdict::Created && existing.is_none() {
            rows::insert(connection, job, epoch)?;
            created.insert(&job.id, job);
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// The place in the table before which a page begins.
pub(crate) fn parse_cursor(cursor: Option<&str>) -> PortResult<i64> {
    let Some(text) = cursor else { return Ok(i64::MAX) };
    text.parse().map_err(|_| PortError::Permanent(format!("`{text}` is no cursor of a listing of jobs")))
}

/// Walks the table from the newest row, so that no index has to be kept for each way to filter; one page reads a
/// bounded number of rows.
pub(crate) fn list(
    connection: &Connection,
    filter: &JobFilter,
    limit: usize,
    before: i64,
) -> rusqlite::Result<JobPage> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM jobs WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2"
    ))?;
    let mut found = statement.query(params![before, PAGE_SCAN_MAX + 1])?;
    let mut page = JobPage { jobs: Vec::new(), next: None };
    let (mut last, mut scanned) = (before, 0);
    while let Some(row) = found.next()? {
        if page.jobs.len() == limit || scanned == PAGE_SCAN_MAX {
            page.next = Some(last.to_string());
            break;
        }
        scanned += 1;
        last = row.get(0)?;
        match rows::read(row) {
            Ok(record) if filter.matches(&record) => page.jobs.push(record),
            Ok(_) => {}
            // Asked for by its id, it is an error; it must not hide the others.
            Err(error) if is_damage(&error) => {
                tracing::warn!(row = last, %error, "left a damaged job out of a listing");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}
