//! `gantz why`: a job's story on one timeline.

use std::process::ExitCode;

use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::outcome::ErrorKind;
use gantz_core::ports::Postponed;
use gantz_embedded::{Note, QueuedMessage};
use serde::Serialize;

use super::{Outcome, job_id, single_job};
use crate::args::Format;
use crate::project::Project;
use crate::reader::Reader;
use crate::view::{count, duration, kind, moment, print, print_json, table};

/// Something that happened.
#[derive(Debug, Serialize)]
struct Moment {
    at_ms: u64,
    what: &'static str,
    detail: String,
}

pub(super) async fn run(project: &Project, id: &str, format: Format) -> Outcome {
    let (id, reader) = (job_id(id)?, Reader::open(project).await?);
    let job = single_job(&reader, &id).await?;
    let notes = reader.notes(&id).await?;
    let messages = reader.messages(&id).await?;
    let timeline = timeline(&job, &notes, due_at_ms(&job, &messages));
    let deliveries = deliveries(&job, &notes, &messages);
    match format {
        Format::Table => {
            let mut rows = table(["WHEN", "AFTER", "WHAT", ""]);
            for moment_ in &timeline {
                rows.add_row([
                    moment(moment_.at_ms),
                    duration(moment_.at_ms.saturating_sub(job.created_at_ms)),
                    moment_.what.to_owned(),
                    moment_.detail.clone(),
                ]);
            }
            let (status, times) = (job.status.as_str(), count(deliveries, "time"));
            print(&format!("{} {} {status}\n\n{rows}\n\ndelivered at least {times}", job.id, job.tool));
        }
        Format::Json | Format::Jsonl => {
            print_json(
                &serde_json::json!({ "job": job, "timeline": timeline, "messages": messages, "deliveries_at_least": deliveries }),
                format,
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn accepted(job: &JobRecord) -> String {
    let mut detail = format!("lane {}, up to {}", job.lane, count(job.max_attempts, "attempt"));
    if let Some(at_ms) = job.deadline_ms {
        detail.push_str(&format!(", deadline {}", moment(at_ms)));
    }
    detail
}

/// How often the job's message was received, as far as its row and the queue's notes tell: whoever claims the job has
/// received it, and so has whoever put it back without a claim. Receivers that died before either left no trace.
/// A message that is still on its queue tells it itself.
fn deliveries(job: &JobRecord, notes: &[Note], messages: &[QueuedMessage]) -> u64 {
    let handed_back = Postponed::HandedBack;
    let put_back = notes.iter().filter(|note| note.why != handed_back.as_str()).count();
    let counted: u64 = messages.iter().map(|message| u64::from(message.deliveries)).sum();
    counted.max(u64::from(job.attempt) + put_back as u64)
}

/// When the job is received again at the earliest, if that is not now: after its delay, a pause or what held it up.
fn due_at_ms(job: &JobRecord, messages: &[QueuedMessage]) -> Option<u64> {
    let due_at_ms = messages.iter().filter_map(|message| message.due_at_ms).max().max(job.retry_at_ms);
    due_at_ms.filter(|_| !job.is_finished())
}

/// What the row and the queue's notes know, in order of time.
fn timeline(job: &JobRecord, notes: &[Note], due_at_ms: Option<u64>) -> Vec<Moment> {
    let mut moments = vec![Moment { at_ms: job.created_at_ms, what: "accepted", detail: accepted(job) }];
    let mut add =
        |at_ms: u64, what: &'static str, detail: String| moments.push(Moment { at_ms, what, detail });
    for entry in &job.attempts {
        if let Some(started_at_ms) = entry.started_at_ms {
            add(started_at_ms, "attempt began", format!("attempt {}", entry.attempt));
        }
        let what = match (entry.error.kind, entry.counted) {
            (ErrorKind::WorkerLost, _) => "attempt crashed",
            (_, true) => "attempt failed",
            (_, false) => "handed back",
        };
        let mut detail = match entry.error.kind {
            ErrorKind::WorkerLost => entry.error.message.clone(),
            _ => format!("{}: {}", kind(&entry.error), entry.error.message),
        };
        if entry.retry_at_ms > entry.at_ms {
            detail.push_str(&format!("; next one at {}", moment(entry.retry_at_ms)));
        }
        add(entry.at_ms, what, detail);
    }
    for note in notes {
        let until = duration(note.until_ms.saturating_sub(note.at_ms));
        let detail = note.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        add(note.at_ms, "deferred", format!("{} for {until}{detail}; no attempt used", note.why));
    }
    // The row keeps the start of its last attempt; one that ended without ending the job is among the past ones.
    let is_past = job.attempts.last().is_some_and(|entry| entry.attempt == job.attempt);
    if let (Some(started_at_ms), false) = (job.started_at_ms, is_past) {
        add(started_at_ms, "attempt began", format!("attempt {}", job.attempt));
    }
    if let Some(at_ms) = job.cancel_requested_at_ms {
        add(at_ms, "cancel asked", String::new());
    }
    if let (Some(at_ms), true) = (job.lease_until_ms, job.status == JobStatus::Running) {
        let owner = job.owner.as_deref().unwrap_or("somebody");
        add(at_ms, "lease ends", format!("unless {owner}, who runs it, renews it; then it is run again"));
    }
    if let Some(at_ms) = due_at_ms {
        add(at_ms, "due", format!("attempt {}, unless something holds it up", job.attempt + 1));
    }
    if let Some(at_ms) = job.finished_at_ms {
        let why = job.error.as_ref().map(|error| format!(": {}: {}", kind(error), error.message));
        add(at_ms, "ended", format!("{}{}", job.status.as_str(), why.unwrap_or_default()));
    }
    moments.sort_by_key(|moment| moment.at_ms);
    moments
}

#[cfg(test)]
mod tests {
    use gantz_core::history::PastAttempt;
    use gantz_core::ids::{JobId, Lane, Tenant};
    use gantz_core::job::NewJob;
    use gantz_core::outcome::JobError;
    use gantz_core::policy::Effects;

    use super::*;

    fn job() -> JobRecord {
        JobRecord::queued(NewJob {
            id: JobId::try_new("some-job").unwrap(),
            tool: "say".into(),
            tenant: Tenant::default_tenant(),
            lane: Lane::default_lane(),
            params_hash: String::new(),
            max_attempts: 3,
            effects: Effects::Keyed,
            effect_key: None,
            retry_of: None,
            deadline_ms: None,
            parent: None,
            index: None,
            child_events: false,
            label: None,
            created_at_ms: 1_000,
        })
    }

    fn entry(kind: ErrorKind, attempt: u32, counted: bool, times_ms: [u64; 3]) -> PastAttempt {
        let [started_at_ms, at_ms, retry_at_ms] = times_ms;
        let error = JobError::new(kind, "why");
        PastAttempt { at_ms, started_at_ms: Some(started_at_ms), attempt, counted, error, retry_at_ms }
    }

    #[test]
    fn each_end_of_an_attempt_has_its_words() {
        let mut job = job();
        job.attempts = vec![
            entry(ErrorKind::WorkerLost, 1, true, [1_100, 1_200, 1_200]),
            entry(ErrorKind::ExitStatus, 2, true, [1_300, 1_400, 2_000]),
            entry(ErrorKind::Cancelled, 3, false, [2_000, 2_100, 2_100]),
        ];
        (job.status, job.attempt, job.retry_at_ms) = (JobStatus::Waiting, 3, Some(5_000));
        let note = |why: &str| Note { at_ms: 1_050, why: why.into(), until_ms: 1_060, detail: None };
        let notes = [note("rate_limited"), note("handed_back")];
        let message = |deliveries, due_at_ms| QueuedMessage {
            queue: "lane-fast".into(),
            sent_at_ms: 1_000,
            deliveries,
            due_at_ms,
        };
        let messages = [message(2, Some(4_000))];
        let told: Vec<String> = timeline(&job, &notes, due_at_ms(&job, &messages))
            .iter()
            .map(|moment| format!("{} {}: {}", moment.at_ms, moment.what, moment.detail))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        1000 accepted: lane fast, up to 3 attempts
        1050 deferred: rate_limited for 10 ms; no attempt used
        1050 deferred: handed_back for 10 ms; no attempt used
        1100 attempt began: attempt 1
        1200 attempt crashed: why
        1300 attempt began: attempt 2
        1400 attempt failed: exit_status: why; next one at 1970-01-01T00:00:02.000Z
        2000 attempt began: attempt 3
        2100 handed back: cancelled: why
        5000 due: attempt 4, unless something holds it up
        ");
        assert_eq!(deliveries(&job, &notes, &messages), 4);
        assert_eq!(deliveries(&job, &notes, &[message(6, None)]), 6);
        assert_eq!(due_at_ms(&job, &[message(2, Some(6_000))]), Some(6_000));
        job.finished_at_ms = Some(7_000);
        assert_eq!(due_at_ms(&job, &messages), None);
    }

    #[test]
    fn a_running_job_tells_whose_it_is() {
        let mut job = job();
        (job.status, job.attempt, job.started_at_ms) = (JobStatus::Running, 1, Some(1_100));
        (job.owner, job.lease_until_ms) = (Some("worker-1".into()), Some(9_000));
        let timeline = timeline(&job, &[], None);
        let last = timeline.last().unwrap();
        assert_eq!((last.at_ms, last.what), (9_000, "lease ends"));
        assert!(last.detail.contains("worker-1"), "{last:?}");
    }
}
