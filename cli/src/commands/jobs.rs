//! `gantz jobs`: the newest jobs.

use std::process::ExitCode;

use gantz_core::limits::PAGE_MAX;
use gantz_core::ports::JobFilter;

use super::Outcome;
use crate::args::Format;
use crate::project::Project;
use crate::reader::Reader;
use crate::view::{job_table, print, print_list};

pub(super) async fn run(project: &Project, filter: JobFilter, limit: usize, format: Format) -> Outcome {
    let reader = Reader::open(project).await?;
    let mut jobs = Vec::new();
    let mut cursor = None;
    // Pages may be short, or empty where a filter matches little.
    while jobs.len() < limit {
        let page = reader.jobs(&filter, (limit - jobs.len()).min(PAGE_MAX), cursor.as_deref()).await?;
        jobs.extend(page.jobs);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    match format {
        Format::Table if jobs.is_empty() => print("no such jobs"),
        Format::Table => print(&job_table(&jobs).to_string()),
        Format::Json | Format::Jsonl => print_list(&jobs, format)?,
    }
    Ok(ExitCode::SUCCESS)
}
