//! `gantz retry`: what ended without success, again.

use gantz_core::ids::JobId;
use serde_json::{Value, json};

use super::call::{Wish, leave, work_and_follow};
use super::status::{batch_end, exit_code, show_batch};
use super::{Outcome, interrupted, job_id};
use crate::args::Format;
use crate::error::{CliError, INTERRUPTED};
use crate::project::Project;
use crate::session::Session;
use crate::signals::Signals;

pub(super) struct Options {
    pub(super) even_if_it_ran: bool,
    pub(super) wait: bool,
}

/// What does it again.
enum Again {
    Job(JobId),
    Batch(JobId),
}

pub(super) async fn run(project: &Project, id: &str, options: Options, format: Format) -> Outcome {
    let id = job_id(id)?;
    let path = match options.even_if_it_ran {
        true => format!("/jobs/{id}/retry?even_if_it_ran=true"),
        false => format!("/jobs/{id}/retry"),
    };
    let mut signals = Signals::listen()?;
    let mut session = Session::open(project, project.manifest()?).await?;
    let accepted = tokio::select! {
        accepted = submit(&session, &path) => accepted,
        () = signals.next() => Err(CliError::with_code(INTERRUPTED, "interrupted")),
    };
    let outcome = match accepted {
        Ok((Again::Job(again), _)) if options.wait => {
            work_and_follow(&mut session, &again, Wish::Id, &mut signals, format).await
        }
        Ok((Again::Batch(again), _)) if options.wait => {
            work_on_batch(&mut session, &again, &mut signals, format).await
        }
        Ok((Again::Job(again) | Again::Batch(again), answer)) => {
            leave(&session, &again, &answer, format).await
        }
        Err(error) => Err(error),
    };
    session.close(signals.next()).await;
    outcome
}

async fn submit(session: &Session, path: &str) -> Result<(Again, Value), CliError> {
    let answer = session.client.post(path, &json!({})).await?.body;
    let id = |name| answer.get(name).and_then(Value::as_str);
    let again = match (id("job_id"), id("batch_id")) {
        (None, Some(batch)) => Again::Batch(job_id(batch)?),
        (job, _) => Again::Job(job_id(job.unwrap_or_default())?),
    };
    Ok((again, answer))
}

async fn work_on_batch(session: &mut Session, id: &JobId, signals: &mut Signals, format: Format) -> Outcome {
    session.work_on(id).await?;
    let session = &*session;
    tokio::select! {
        ended = batch_end(&session.reader, id) => {
            let ended = ended?;
            show_batch(&session.reader, &ended, true, format).await?;
            Ok(exit_code(ended.batch.status))
        }
        () = signals.next() => {
            Err(interrupted(session, "batch", id, &format!("`gantz cancel {id}` ends it")).await)
        }
    }
}
