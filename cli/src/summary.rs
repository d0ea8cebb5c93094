//! What a batch came to: its children by type and status, their bytes, and what failed and why.

use std::collections::BTreeMap;
use std::path::Path;

use gantz_core::batch::{BatchProgress, BatchView, FailedChild};
use gantz_core::job::{JobRecord, JobResult, JobStatus};
use gantz_core::limits::{FAILURES_SHOWN_MAX, RESULT_MAX_BYTES};
use gantz_dispatcher::failures::Records as _;
use serde::Serialize;
use serde_json::Value;

use crate::error::CliError;
use crate::inputs::Inputs;
use crate::reader::{Reader, pages};
use crate::view::{Rows, bytes, count, duration, kind, shortened, table, tail};

/// Failures that a table lists one by one.
const FAILURES_SHOWN: usize = 10;
/// Types listed; a source tree has some dozens.
const TYPES_MAX: usize = 200;
/// The type of a child whose result has none.
const NO_TYPE: &str = "-";
/// What is longer is no extension, but the end of a sentence or of a name with dots.
const EXTENSION_MAX_BYTES: usize = 10;

/// A batch and what it came to, as one document.
#[derive(Serialize)]
pub(crate) struct Whole<'s> {
    #[serde(flatten)]
    pub(crate) batch: BatchView,
    #[serde(flatten)]
    pub(crate) summary: &'s Summary,
}

/// What a batch came to.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// By media type, where results have one.
    types: BTreeMap<String, Share>,
    /// Bytes analysed, where results say so.
    bytes: u64,
    /// Reasons and how often each was met.
    #[serde(skip)]
    reasons: BTreeMap<String, u64>,
    /// The first failures, one by one.
    failures: Vec<FailedChild>,
    /// How many there are.
    failures_total: u64,
}

#[derive(Debug, Default, Serialize)]
struct Share {
    jobs: u64,
    /// `SUCCEEDED` is always there.
    by_status: BTreeMap<&'static str, u64>,
    bytes: u64,
}

impl Share {
    fn count(&self, status: JobStatus) -> u64 {
        self.by_status.get(status.as_str()).copied().unwrap_or(0)
    }
}

impl Summary {
    /// Reads all children, a page at a time.
    pub(crate) async fn of(reader: &Reader, progress: &BatchProgress) -> Result<Self, CliError> {
        let mut summary = Self::default();
        let mut inputs = Inputs::new(reader, &progress.batch.id);
        for page in pages(progress.batch.planned) {
            for child in reader.children(&progress.batch.id, page).await? {
                summary.add(reader, &mut inputs, &child).await?;
            }
        }
        Ok(summary)
    }

    async fn add(
        &mut self,
        reader: &Reader,
        inputs: &mut Inputs<'_>,
        child: &JobRecord,
    ) -> Result<(), CliError> {
        let result = result_value(reader, child).await?;
        let text = |key: &str| result.as_ref().and_then(|value| value.get(key)).and_then(Value::as_str);
        let size = result.as_ref().and_then(|value| value.get("size")).and_then(Value::as_u64).unwrap_or(0);
        // Whatever did not succeed has no media type, but its file's name says what it was meant to be.
        let mut name = match text("media_type") {
            Some(media_type) => media_type.to_owned(),
            None => child.label.as_deref().and_then(extension).unwrap_or_else(|| NO_TYPE.to_owned()),
        };
        if self.types.len() >= TYPES_MAX && !self.types.contains_key(&name) {
            "others".clone_into(&mut name);
        }
        let share = self.types.entry(name).or_default();
        share.jobs += 1;
        share.bytes += size;
        self.bytes += size;
        share.by_status.entry(JobStatus::Succeeded.as_str()).or_default();
        *share.by_status.entry(child.status.as_str()).or_default() += 1;
        if child.is_finished() && child.status != JobStatus::Succeeded {
            let reason = child.error.as_ref().map_or_else(|| child.status.as_str().to_owned(), kind);
            *self.reasons.entry(reason).or_default() += 1;
            self.failures_total += 1;
            if self.failures.len() < FAILURES_SHOWN_MAX {
                self.failures.push(FailedChild::new(child, inputs.of(child).await?));
            }
        }
        Ok(())
    }

    /// The tables that end a batch.
    pub(crate) fn to_text(&self, progress: &BatchProgress) -> String {
        let mut text = self.types_text();
        text.push_str(&self.total(progress));
        if !self.failures.is_empty() {
            text.push_str(&self.failures_text());
        }
        if let Some(error) = &progress.batch.planning_error {
            text.push_str(&format!("\nplanning ended early: {error}\n"));
        }
        if let (1.., Some(before)) = (progress.batch.left_out, &progress.batch.retry_of) {
            let left_out = count(progress.batch.left_out, "job");
            text.push_str(&format!(
                "\n{left_out} of {before} left out, as what must not happen twice may have happened: \
                 look, then `gantz retry JOB --even-if-it-ran`\n"
            ));
        }
        text
    }

    /// A table of types, unless no result has one.
    fn types_text(&self) -> String {
        if self.types.keys().all(|name| name == NO_TYPE) {
            return String::new();
        }
        let met = |status: &JobStatus| {
            matches!(status, JobStatus::Succeeded | JobStatus::Failed)
                || self.types.values().any(|share| share.count(*status) > 0)
        };
        let statuses: Vec<JobStatus> = JobStatus::ALL.into_iter().filter(met).collect();
        let names = statuses.iter().map(|status| status.as_str());
        let mut types = Rows::new(["TYPE", "JOBS"].into_iter().chain(names).chain(["BYTES"]));
        let mut shares: Vec<_> = self.types.iter().collect();
        shares.sort_by_key(|(_, share)| std::cmp::Reverse(share.jobs));
        for (name, share) in shares {
            let counts = statuses.iter().map(|status| share.count(*status).to_string());
            let row = [name.clone(), share.jobs.to_string()].into_iter().chain(counts);
            types.add_row(row.chain([bytes(share.bytes)]));
        }
        format!("{types}\n\n")
    }

    fn total(&self, progress: &BatchProgress) -> String {
        let (batch, totals) = (&progress.batch, &progress.totals);
        let took_ms = batch.finished_at_ms.unwrap_or(batch.created_at_ms).saturating_sub(batch.created_at_ms);
        let rate = f64::from(totals.finished()) * 1_000.0
            / f64::from(u32::try_from(took_ms.max(1)).unwrap_or(u32::MAX));
        let size = if self.bytes > 0 { format!("{} in ", bytes(self.bytes)) } else { String::new() };
        format!(
            "{} {}: {}, {} succeeded, {} unsuccessful; {size}{}, {rate:.0} jobs/s\n",
            batch.id,
            batch.status.as_str(),
            count(batch.planned, "job"),
            totals.succeeded,
            totals.unsuccessful(),
            duration(took_ms),
        )
    }

    fn failures_text(&self) -> String {
        let mut text = String::from("\nunsuccessful, by reason:\n");
        for (reason, count) in &self.reasons {
            text.push_str(&format!("  {count:>7}  {reason}\n"));
        }
        let mut failed = table(["JOB", "WHAT", "STATUS", "WHY"]);
        let shown = self.failures.get(..FAILURES_SHOWN).unwrap_or(&self.failures);
        for job in shown {
            let (what, why) =
                (tail(job.label.as_deref().unwrap_or_default(), 60), shortened(&job.message, 100));
            failed.add_row([job.job_id.as_str(), &what, job.status.as_str(), &why]);
        }
        text.push_str(&format!("\n{failed}\n"));
        let more = self.failures_total - shown.len() as u64;
        if more > 0 {
            text.push_str(&format!("… and {more} more\n"));
        }
        text
    }
}

/// `*.csv` for a file of that kind.
fn extension(label: &str) -> Option<String> {
    let extension = Path::new(label).extension()?.to_str()?;
    let plausible = extension.len() <= EXTENSION_MAX_BYTES && extension.chars().all(char::is_alphanumeric);
    plausible.then(|| format!("*.{}", extension.to_lowercase()))
}

/// A job's result, wherever it is.
pub(crate) async fn result_value(reader: &Reader, job: &JobRecord) -> Result<Option<Value>, CliError> {
    match &job.result {
        None => Ok(None),
        Some(JobResult::Inline(value)) => Ok(Some(value.clone())),
        Some(JobResult::Ref(reference)) => {
            let unreadable = |error: String| CliError::failed(format!("the result of {}: {error}", job.id));
            let bytes = reader
                .blob(reference, RESULT_MAX_BYTES)
                .await
                .map_err(|error| unreadable(error.to_string()))?;
            serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(error.to_string()))
        }
    }
}
