//! Scans: a job for each object that is new since the last run.
//!
//! A run lists everything under its prefix and makes a job of each object that was modified after the watermark, or up
//! to a day before it. The jobs' ids follow from the objects, so that no object is repeated, whatever overlaps. The
//! first run takes everything that is there. An object that is written again with the same content is no new one for
//! as long as the row of its job is kept.

use std::sync::Arc;

use gantz_core::admit::{Admission, Rejection};
pub use gantz_core::admit_scan::Scan;
use gantz_core::admit_scan::{ScanAdmission, admit_scan, may_be_new};
use gantz_core::event;
use gantz_core::ids::QueueName;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{AcceptVerdict, Ending, GiveUpVerdict};
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_core::ports::{NewMessage, Object, ObjectList, ObjectPage, PortError, Watermark, Watermarks};

use crate::plan::{PlanMessage, StepEnd, Turn};
use crate::send::message;
use crate::submit::{Dispatcher, NO_OBJECTS, SubmitError};

/// Objects whose jobs are recorded and sent before the cursor is saved: as many as a shard of a batch has children.
const PIECE: usize = BATCH_SHARD_CHILDREN as usize;
/// How far the clocks of the machines that start and run scans may lie apart.
const CLOCK_SKEW_MS: u64 = 60_000;

impl Dispatcher {
    /// Has a scan run: once this returns, its message is on the planner's queue. `scheduled_at_ms`, milliseconds since
    /// the epoch, names the run: a run that is started twice happens once. A time that has not come yet counts as now.
    ///
    /// # Errors
    /// When the scan is wrong, this fleet has no S3, or the backend fails. Starting it again is always right.
    pub async fn start_scan(&self, scan: Scan, scheduled_at_ms: u64) -> Result<(), SubmitError> {
        admit_scan(scan.clone(), &self.manifest)?;
        if self.objects.is_none() || self.watermarks.is_none() {
            return Err(Rejection::Field { pointer: "/s3", message: NO_OBJECTS.into() }.into());
        }
        // A watermark must not get ahead of the rows that a run records: see `may_be_unsent`.
        let scheduled_at_ms = scheduled_at_ms.min(self.clock.now_ms());
        let plan = PlanMessage::Scan { scan, scheduled_at_ms };
        plan.check_size(&self.ports)?;
        Ok(self.send(&QueueName::Plan, vec![NewMessage { body: plan.to_body()?, delay_ms: 0 }]).await?)
    }
}

/// Runs a scan for as long as the turn lasts. A run that cannot succeed is dropped with a line in the log: the
/// watermark stays, so the next one finds what it would have found.
pub(crate) async fn step(turn: &Turn<'_>, scan: Scan, scheduled_at_ms: u64) -> Result<StepEnd, SubmitError> {
    let name = scan.name.clone();
    match run(turn, scan, scheduled_at_ms).await {
        Err(error @ (SubmitError::Rejected(_) | SubmitError::Port(PortError::Permanent(_)))) => {
            tracing::error!(scan = name, scheduled_at_ms, %error, "dropped a run of a scan");
            Ok(StepEnd::Done)
        }
        end => end,
    }
}

async fn run(turn: &Turn<'_>, scan: Scan, scheduled_at_ms: u64) -> Result<StepEnd, SubmitError> {
    let dispatcher = turn.dispatcher;
    let (Some(objects), Some(watermarks)) = (&dispatcher.objects, &dispatcher.watermarks) else {
        return Err(Rejection::Field { pointer: "/s3", message: NO_OBJECTS.into() }.into());
    };
    let scan = admit_scan(scan, &dispatcher.manifest)?;
    let pass = Pass { turn, scan, objects, watermarks };
    loop {
        let seen = watermarks.get(&pass.scan.name).await?;
        let Some(mark) = seen.clone().unwrap_or_default().run(scheduled_at_ms) else {
            return Ok(StepEnd::Done);
        };
        // Back for more after every end of a run, which may have been an earlier one than this message's, and
        // whenever somebody else has moved the watermark.
        if pass.go(seen, mark).await? == StepEnd::More {
            return Ok(StepEnd::More);
        }
    }
}

/// One run of a scan, from its cursor on.
struct Pass<'a> {
    turn: &'a Turn<'a>,
    scan: ScanAdmission<'a>,
    objects: &'a Arc<dyn ObjectList>,
    watermarks: &'a Arc<dyn Watermarks>,
}

impl Pass<'_> {
    /// Goes on until the run under way is finished, the watermark is no longer the one that was seen, or time is short.
    async fn go(&self, mut seen: Option<Watermark>, mut mark: Watermark) -> Result<StepEnd, SubmitError> {
        loop {
            if self.turn.is_over() {
                return Ok(StepEnd::More);
            }
            let place = &self.scan.place;
            let ObjectPage { objects, next } =
                self.objects.list(&place.bucket, &place.prefix, mark.cursor.as_deref()).await?;
            for piece in objects.chunks(PIECE) {
                if self.turn.is_over() {
                    return Ok(StepEnd::More);
                }
                if !self.dispatch(&mark, piece).await? {
                    continue;
                }
                let Some(last) = piece.last() else { continue };
                mark = mark.at(last.key.clone());
                if !self.save(&mut seen, &mark).await? {
                    return Ok(StepEnd::Done);
                }
            }
            mark = next.clone().map_or_else(|| mark.finished(), |key| mark.at(key));
            if !self.save(&mut seen, &mark).await? || next.is_none() {
                return Ok(StepEnd::Done);
            }
        }
    }

    /// Moves the watermark, unless somebody else did.
    async fn save(&self, seen: &mut Option<Watermark>, mark: &Watermark) -> Result<bool, SubmitError> {
        if seen.as_ref() != Some(mark) {
            let saved = self.watermarks.save(&self.scan.name, seen.as_ref(), mark).await?;
            *seen = Some(mark.clone());
            if !saved {
                return Ok(false);
            }
        }
        self.turn.renew().await?;
        Ok(true)
    }

    /// Records and sends the jobs of those objects that may be new. Says whether there were any.
    async fn dispatch(&self, mark: &Watermark, objects: &[Object]) -> Result<bool, SubmitError> {
        let dispatcher = self.turn.dispatcher;
        let now_ms = dispatcher.clock.now_ms();
        let mut records = Vec::new();
        let mut messages = Vec::new();
        let fresh = objects.iter().filter(|object| may_be_new(object, mark));
        for (admission, refused) in fresh.map(|object| self.scan.job(object, now_ms)) {
            if let Some(rejection) = refused {
                self.refuse(admission, &rejection, mark).await?;
                continue;
            }
            let Admission { record, parameters, .. } = admission;
            let parameters = dispatcher.check_in(parameters).await?;
            messages.push(message(&record, parameters, 0)?);
            records.push(record);
        }
        if records.is_empty() {
            return Ok(false);
        }
        let verdicts = dispatcher.accept(records).await?;
        let created = verdicts.iter().filter(|verdict| matches!(verdict, AcceptVerdict::Created));
        dispatcher.accepted.add(created.count());
        let wanted = verdicts.iter().zip(messages).filter(|(verdict, _)| may_be_unsent(verdict, mark));
        let wanted = wanted.map(|(_, message)| message).collect();
        dispatcher.send(&QueueName::Lane(self.scan.lane.clone()), wanted).await?;
        Ok(true)
    }

    /// An object whose parameters are wrong has a job that failed, so that nothing of the bucket is lost.
    async fn refuse(
        &self,
        job: Admission,
        rejection: &Rejection,
        mark: &Watermark,
    ) -> Result<(), SubmitError> {
        let dispatcher = self.turn.dispatcher;
        let ending = Ending::failed(JobError::new(ErrorKind::Invalid, rejection.to_string()));
        match dispatcher.ports.jobs.give_up(job.record, 0, ending, dispatcher.clock.now_ms()).await? {
            GiveUpVerdict::Committed(row) => dispatcher.publish(event::completion(&row)).await,
            // This run may have been cut off before the event; what an earlier one met was told then.
            GiveUpVerdict::Finished(row) if of_this_run(&row, mark) => {
                dispatcher.publish(event::completion(&row)).await
            }
            GiveUpVerdict::Finished(_) | GiveUpVerdict::MovedOn => Ok(()),
        }
    }
}

/// Whether a job's message must be sent (again). A run moves the watermark only behind jobs that were sent, so what an
/// earlier one recorded just waits, for ever so long. Only rows of the run under way may lack their message.
fn may_be_unsent(verdict: &AcceptVerdict, mark: &Watermark) -> bool {
    match verdict {
        AcceptVerdict::Created => true,
        AcceptVerdict::Exists(row) => verdict.needs_sending() && of_this_run(row, mark),
        // The object had its job, before the scan's parameters were changed.
        AcceptVerdict::Conflict(_) => false,
    }
}

fn of_this_run(row: &JobRecord, mark: &Watermark) -> bool {
    row.created_at_ms.saturating_add(CLOCK_SKEW_MS) >= mark.running_until_ms.unwrap_or_default()
}
