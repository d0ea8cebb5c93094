//! The manifest's schedules on this machine: each run is a job or a batch of objects, submitted when it is due.
//!
//! A run's id follows from the schedule and the time it was due, so that it is one, however many processes share the data
//! directory.

use std::time::Duration;

use gantz_core::admit::Origin;
use gantz_core::admit_batch::{BatchSpec, S3Place};
use gantz_core::batch::Tolerance;
use gantz_core::host::{Clock, uniform};
use gantz_core::ids::{JobId, Tenant};
use gantz_core::manifest::{Manifest, ScheduleSpec, ScheduledBatch};
use gantz_core::ports::PortError;
use gantz_core::retry;
use gantz_core::spec::JobSpec;
use gantz_dispatcher::{Dispatcher, SubmitError};
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;

/// A sleep is no longer than this: the machine may sleep itself, and its clock be set.
const NAP_MS: u64 = 15_000;
/// A run that is later than this is not made up for: the machine was asleep.
const LATE_MAX_MS: u64 = 5 * 60_000;
const MINUTE_MS: u64 = 60_000;

/// Starts what of the manifest's schedules can run here. Gives the names of those that cannot, as their objects are in a
/// stack's own bucket.
pub(crate) fn start(dispatcher: &Dispatcher, manifest: &Manifest, tasks: &mut JoinSet<()>) -> Vec<String> {
    let mut left_out = Vec::new();
    for schedule in manifest.schedules() {
        let what = match &schedule.batch {
            None => What::Job,
            Some(ScheduledBatch { bucket: Some(bucket), prefix, tolerate, new_only }) => {
                let place = S3Place::Parts { bucket: bucket.clone(), prefix: prefix.clone() };
                What::Batch { place, tolerate: *tolerate, new_only: *new_only }
            }
            Some(ScheduledBatch { bucket: None, .. }) => {
                left_out.push(schedule.name.clone());
                continue;
            }
        };
        tasks.spawn(serve(dispatcher.clone(), schedule.clone(), what));
    }
    left_out
}

/// What a run is.
enum What {
    Job,
    Batch { place: S3Place, tolerate: Option<Tolerance>, new_only: bool },
}

/// Runs a schedule for as long as it is due again.
async fn serve(dispatcher: Dispatcher, schedule: ScheduleSpec, what: What) {
    let name = schedule.name.as_str();
    let jitter_ms = schedule.jitter_minutes.map_or(0, |minutes| u64::from(minutes) * MINUTE_MS);
    let mut after_ms = dispatcher.clock.now_ms();
    while let Some(due) = schedule.due_after(after_ms) {
        if let Some(time) = due.skipped {
            tracing::warn!(schedule = name, time, "the clocks skip a run");
        }
        let now_ms = dispatcher.clock.now_ms();
        if due.at_ms + jitter_ms + LATE_MAX_MS < now_ms {
            tracing::warn!(
                schedule = name,
                due_ms = due.at_ms,
                "runs were missed while this machine was asleep"
            );
            after_ms = now_ms;
            continue;
        }
        sleep_until(&dispatcher.clock, due.at_ms + uniform(dispatcher.entropy.next(), jitter_ms)).await;
        run(&dispatcher, &schedule, &what, due.at_ms).await;
        after_ms = due.at_ms;
    }
    tracing::info!(schedule = name, "it is never due again");
}

async fn sleep_until(clock: &Clock, at_ms: u64) {
    loop {
        let left_ms = at_ms.saturating_sub(clock.now_ms());
        if left_ms == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(left_ms.min(NAP_MS))).await;
    }
}

/// Submits a run, again and again while the store will not take it.
async fn run(dispatcher: &Dispatcher, schedule: &ScheduleSpec, what: &What, due_ms: u64) {
    let due = i64::try_from(due_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let occurrence = json!([schedule.name, due.unwrap_or_default().to_string()]).to_string();
    let origin = Origin { source: "schedule", occurrence: Some(occurrence) };
    for tries in 1.. {
        match submit(dispatcher, schedule, what, &origin, due_ms).await {
            Ok((id, created)) => {
                tracing::info!(schedule = schedule.name, %id, created, "it is due");
                return;
            }
            Err(error) if error.is_final() => {
                tracing::error!(schedule = schedule.name, %error, "a run was refused");
                return;
            }
            Err(error) => {
                tracing::warn!(schedule = schedule.name, %error, "a run could not be submitted, and will be again");
                tokio::time::sleep(Duration::from_millis(retry::after_port_failure_ms(tries))).await;
            }
        }
    }
}

/// The run's job or batch, and whether it is new.
async fn submit(
    dispatcher: &Dispatcher,
    schedule: &ScheduleSpec,
    what: &What,
    origin: &Origin,
    due_ms: u64,
) -> Result<(JobId, bool), SubmitError> {
    let lane = schedule.lane.as_ref().map(ToString::to_string);
    let What::Batch { place, tolerate, new_only } = what else {
        let spec = JobSpec { lane, ..JobSpec::new(schedule.tool.clone(), schedule.parameters.clone()) };
        let answers = dispatcher.submit_unattended(vec![(spec, origin.clone())]).await;
        let unanswered = || Err(PortError::Transient("the run is unanswered".to_owned()).into());
        let submitted = answers.into_iter().next().unwrap_or_else(unanswered)?;
        return Ok((submitted.record.id, submitted.created));
    };
    let spec = BatchSpec {
        parameters: schedule.parameters.as_object().cloned().unwrap_or_default(),
        lane,
        tolerate: *tolerate,
        batch_id: origin.id(&Tenant::default_tenant()).map(String::from),
        ..BatchSpec::of_objects(schedule.tool.clone(), place.clone())
    };
    let submitted = match new_only {
        true => dispatcher.submit_new_objects(spec, origin, &schedule.name, due_ms).await?,
        false => dispatcher.submit_batch(spec, origin).await?,
    };
    Ok((submitted.record.id, submitted.created))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use gantz_core::host::Entropy;
    use gantz_core::ports::{JobFilter, NewObjects, ObjectList, ObjectPage, PortResult, Ports};
    use gantz_embedded::{Directory, Embedded, Settings};
    use tokio::time::Instant;

    use super::*;

    /// 2026-11-29T12:00:30Z.
    const BIRTH_MS: u64 = 1_795_953_630_000;
    /// As the manifest has it.
    const EVERY_MS: u64 = 10 * MINUTE_MS;
    const MANIFEST: &str = "
name: timed
version: 1.0.0
tools:
  say:
    description: Says something
    parameters: {what: {type: string, required: true}}
    handler: test.say
  look:
    description: Looks at an object
    parameters: {bucket: {type: string, required: true}, key: {type: string, required: true}}
    handler: test.look
schedules:
  often: {every: rate(10 minutes), job: {tool: say, parameters: {what: often}, lane: bulk}}
  once: {every: 'at(2026-11-29T13:00:00)', timezone: Europe/Berlin, job: {tool: say, parameters: {what: once}}}
  uploads: {every: rate(1 minute), batch: {tool: look, s3: {prefix: in/}}}
  objects: {every: rate(10 minutes), batch: {tool: look, s3: {bucket: archive, prefix: in/}, lane: bulk, new_only: true}}
";

    /// A bucket that nobody lists here, as batches are not planned.
    struct Unlisted;

    #[async_trait]
    impl ObjectList for Unlisted {
        async fn list(&self, bucket: &str, _: &str, _: Option<&str>) -> PortResult<ObjectPage> {
            Err(PortError::Permanent(format!("`{bucket}` was listed")))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn runs_are_jobs_and_batches_at_their_times_and_one_each_however_many_processes_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let birth = Instant::now();
        let clock = Clock::new(move || BIRTH_MS + u64::try_from(birth.elapsed().as_millis()).unwrap());
        let manifest = Arc::new(Manifest::parse("gantz.yaml", MANIFEST).unwrap());
        let open = || {
            let directory = Directory::create(folder.path()).unwrap();
            Embedded::open(directory, clock.clone(), Settings::default()).unwrap()
        };
        let fleet = || {
            let embedded = open();
            let ports = Ports::of(embedded.clone());
            let dispatcher = Dispatcher::new(ports, Arc::clone(&manifest), clock.clone(), Entropy::new(|| 0));
            let (objects, new_objects): (Arc<dyn ObjectList>, Arc<dyn NewObjects>) =
                (Arc::new(Unlisted), Arc::new(embedded));
            Dispatcher { objects: Some(objects), new_objects: Some(new_objects), ..dispatcher }
        };
        let (one, other) = (fleet(), fleet());
        let mut tasks = JoinSet::new();
        for dispatcher in [&one, &other] {
            assert_eq!(start(dispatcher, &manifest, &mut tasks), ["uploads"]);
        }
        let jobs = async || one.ports.jobs.list(&JobFilter::default(), 100, None).await.unwrap().jobs;
        let batches = async || one.ports.batches.list_batches(None, 100).await.unwrap();
        // At 13:00 in Berlin it is noon in Greenwich, which was half a minute ago.
        let deadline = Instant::now() + Duration::from_secs(24 * 3_600);
        while jobs().await.len() < 3 || batches().await.len() < 3 {
            assert!(Instant::now() < deadline, "the runs do not come: {:?}", jobs().await);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let mut runs = jobs().await;
        runs.sort_by_key(|job| job.created_at_ms);
        let ten_past_ms = BIRTH_MS + 570_000;
        // Paused time goes on while the database's thread is at work, so a run may be late, and a late one left out.
        let mut times = Vec::new();
        for job in &runs {
            let after_ms = job.created_at_ms - ten_past_ms;
            assert!(after_ms % EVERY_MS <= LATE_MAX_MS, "{job:?}");
            assert_eq!((job.tool.as_str(), job.lane.as_str()), ("say", "bulk"));
            times.push(after_ms / EVERY_MS);
        }
        assert!(times.is_sorted_by(|earlier, later| earlier < later), "one job each time: {times:?}");
        let mut runs = batches().await;
        runs.sort_by_key(|batch| batch.created_at_ms);
        assert!(
            runs.iter().all(|batch| (batch.tool.as_str(), batch.lane.as_str()) == ("look", "bulk")),
            "{runs:?}"
        );
        let times: Vec<_> = runs.iter().map(|batch| (batch.created_at_ms - ten_past_ms) / EVERY_MS).collect();
        assert!(times.is_sorted_by(|earlier, later| earlier < later), "one batch each time: {times:?}");
        tasks.shutdown().await;
    }
}
