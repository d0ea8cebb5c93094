//! `gantz events`: the log of ends, for programs that want to know of each.

use std::process::ExitCode;

use super::Outcome;
use crate::args::Format;
use crate::error::CliError;
use crate::project::Project;
use crate::reader::Reader;
use crate::view::{moment, print, print_list, shortened, table};

pub(super) async fn run(project: &Project, after: i64, limit: usize, format: Format) -> Outcome {
    let Reader::Local(view) = Reader::open(project).await? else {
        return Err(CliError::usage("a stack's events are on its event bus")
            .hint("a rule on the bus sends them to whoever wants to know"));
    };
    let events = view.events(after, limit).await?;
    match format {
        Format::Table if events.is_empty() => print("no such events"),
        Format::Table => {
            let mut rows = table(["NUMBER", "WHEN", "WHAT", "DETAIL"]);
            for event in &events {
                let (number, detail) = (event.seq.to_string(), event.detail.to_string());
                rows.add_row([
                    number,
                    moment(event.time_ms),
                    event.detail_type.clone(),
                    shortened(&detail, 100),
                ]);
            }
            print(&rows.to_string());
        }
        Format::Json | Format::Jsonl => print_list(&events, format)?,
    }
    Ok(ExitCode::SUCCESS)
}
