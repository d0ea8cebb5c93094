//! `gantz status` and `gantz result`: one job or batch.

use std::process::ExitCode;

use gantz_core::batch::{BatchProgress, BatchView};
use gantz_core::ids::JobId;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_dispatcher::failures::{self, Records as _};

use super::progress::Bar;
use super::{Outcome, job_id, single_job, unknown};
use crate::args::Format;
use crate::error::{CliError, FAILED};
use crate::project::Project;
use crate::reader::Reader;
use crate::summary::{Summary, Whole, result_value};
use crate::view::{batch_card, job_card, kind, note, print, print_json};

pub(super) async fn run(project: &Project, id: &str, watch: bool, format: Format) -> Outcome {
    let (id, reader) = (job_id(id)?, Reader::open(project).await?);
    if let Some(job) = reader.job(&id).await? {
        let job = if watch && !job.is_finished() {
            note_if_idle(&reader, job.parent.as_ref().unwrap_or(&id)).await?;
            job_end(&reader, job).await?
        } else {
            job
        };
        match format {
            Format::Table => print(&job_card(&job).to_string()),
            Format::Json | Format::Jsonl => print_json(&job, format)?,
        }
        return Ok(exit_code(job.status));
    }
    let progress = reader.batch(&id).await?.ok_or_else(|| unknown(&id))?;
    let progress = if watch && !progress.batch.is_finished() {
        note_if_idle(&reader, &id).await?;
        batch_end(&reader, &id).await?
    } else {
        progress
    };
    show_batch(&reader, &progress, watch, format).await?;
    Ok(exit_code(progress.batch.status))
}

/// Says so if nobody is there to bring about what is waited for.
pub(super) async fn note_if_idle(reader: &Reader, id: &JobId) -> Result<(), CliError> {
    if !reader.is_worked_on(id).await? {
        note("nobody works on it: start `gantz worker`, or `gantz dev`");
    }
    Ok(())
}

pub(super) async fn result(project: &Project, id: &str, format: Format) -> Outcome {
    let (id, reader) = (job_id(id)?, Reader::open(project).await?);
    let job = single_job(&reader, &id).await?;
    match result_value(&reader, &job).await? {
        Some(value) => {
            print_json(&value, format)?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let why = job.error.as_ref().map(|error| format!(": {}: {}", kind(error), error.message));
            let message = format!("`{id}` is {}{}", job.status.as_str(), why.unwrap_or_default());
            Err(CliError::failed(message).hint(format!("`gantz why {id}` tells its story")))
        }
    }
}

/// Prints a batch: its tables once it has ended, else how far it is.
pub(super) async fn show_batch(
    reader: &Reader,
    progress: &BatchProgress,
    in_full: bool,
    format: Format,
) -> Result<(), CliError> {
    match format {
        Format::Table if in_full && progress.batch.is_finished() => {
            print(&Summary::of(reader, progress).await?.to_text(progress));
        }
        Format::Table => print(&batch_card(progress).to_string()),
        Format::Json | Format::Jsonl if in_full => {
            let summary = Summary::of(reader, progress).await?;
            print_json(&Whole { batch: BatchView::from(progress), summary: &summary }, format)?;
        }
        Format::Json | Format::Jsonl => print_json(&failures::report(reader, progress).await?, format)?,
    }
    Ok(())
}

/// The job once it has ended.
pub(super) async fn job_end(reader: &Reader, mut job: JobRecord) -> Result<JobRecord, CliError> {
    while !job.is_finished() {
        reader.pause().await;
        job = reader.job(&job.id).await?.ok_or_else(|| unknown(&job.id))?;
    }
    Ok(job)
}

/// The batch once it has ended, with a progress bar until then.
pub(super) async fn batch_end(reader: &Reader, id: &JobId) -> Result<BatchProgress, CliError> {
    let bar = Bar::new();
    loop {
        let progress = reader.batch(id).await?.ok_or_else(|| unknown(id))?;
        bar.show(&progress);
        if progress.batch.is_finished() {
            return Ok(progress);
        }
        reader.pause().await;
    }
}

/// Only what ended without success is a failure.
pub(super) fn exit_code(status: JobStatus) -> ExitCode {
    if status.is_terminal() && status != JobStatus::Succeeded {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    }
}
