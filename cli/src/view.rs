//! How records look on a terminal.

use std::fmt;
use std::io::Write;

use comfy_table::{ColumnConstraint, Table, Width, presets};
use gantz_core::batch::BatchProgress;
use gantz_core::job::{JobRecord, JobResult, JobStatus};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Format;
use crate::error::CliError;

/// Prints on stdout. A reader that went away is no error of ours.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.trim_end()).ok();
}

/// Prints a document in a program's format: as one document, or on one line.
pub(crate) fn print_json(value: &impl Serialize, format: Format) -> Result<(), CliError> {
    let text = match format {
        Format::Jsonl => serde_json::to_string(value),
        Format::Json | Format::Table => serde_json::to_string_pretty(value),
    };
    print(&text.map_err(|error| CliError::failed(format!("cannot print: {error}")))?);
    Ok(())
}

/// Prints documents in a program's format: as one list, or each on a line.
pub(crate) fn print_list<T: Serialize>(values: &[T], format: Format) -> Result<(), CliError> {
    if format == Format::Jsonl {
        values.iter().try_for_each(|value| print_json(value, format))
    } else {
        print_json(&values, format)
    }
}

/// A note for the person at the terminal, on stderr, where it disturbs no program that reads stdout.
#[expect(clippy::print_stderr, reason = "no log line: it is meant for a person, whatever the log's level")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Rows in columns, two blanks apart, with none at the ends of lines. Away from a terminal each row is one line. On one,
/// the last column is folded to the room that the others leave, and where that is too little, some of them are left out.
pub(crate) struct Rows {
    table: Table,
    /// Columns that may be left out, the first of these first.
    spare: &'static [usize],
}

/// Less room than this is no use to a last column.
const LAST_COLUMN_MIN: u16 = 16;
const GAP: u16 = 2;

impl Rows {
    /// With this head.
    pub(crate) fn new(head: impl IntoIterator<Item = &'static str>) -> Self {
        let mut rows = Self::card();
        rows.table.set_header(head);
        rows
    }

    /// Names and values, without a head.
    pub(crate) fn card() -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        Self { table, spare: &[] }
    }

    /// May do without these columns on a narrow terminal, the first of these first.
    pub(crate) fn sparing(self, spare: &'static [usize]) -> Self {
        Self { spare, ..self }
    }

    /// The cells are text of anybody's: what a terminal would act on is printed as an escape.
    pub(crate) fn add_row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let harmless = |cell: T| cell.as_ref().lines().map(harmless).collect::<Vec<_>>().join("\n");
        self.table.add_row(cells.into_iter().map(harmless));
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = self.table.clone();
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        let (screen, widths) = (table.width(), table.column_max_content_widths());
        if let (Some(screen), Some((_, others))) = (screen, widths.split_last()) {
            fit(&mut table, others, self.spare, screen);
        }
        f.write_str(&table.trim_fmt())
    }
}

/// Makes the table fit a screen of so many columns, if that can be done. `others` are the widths of all columns but the
/// last.
fn fit(table: &mut Table, others: &[u16], spare: &[usize], screen: u16) {
    let taken = others.iter().map(|width| width.saturating_add(GAP)).fold(0, u16::saturating_add);
    let mut left = screen.saturating_sub(taken);
    let mut missing = taken.saturating_sub(screen);
    for place in spare {
        if missing == 0 && left >= LAST_COLUMN_MIN {
            break;
        }
        if let (Some(column), Some(width)) = (table.column_mut(*place), others.get(*place)) {
            column.set_constraint(ColumnConstraint::Hidden);
            let freed = width.saturating_add(GAP);
            left += freed.saturating_sub(missing);
            missing = missing.saturating_sub(freed);
        }
    }
    let last = table.column_mut(others.len()).filter(|_| missing == 0 && left >= LAST_COLUMN_MIN);
    if let Some(last) = last {
        last.set_padding((0, 0));
        last.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(left)));
    }
}

/// A table with this head.
pub(crate) fn table<const N: usize>(head: [&'static str; N]) -> Rows {
    Rows::new(head)
}

pub(crate) fn job_table(jobs: &[JobRecord]) -> Rows {
    let head = ["JOB", "TOOL", "STATUS", "ATTEMPT", "ACCEPTED", "TOOK", "WHAT"];
    let mut rows = table(head).sparing(&[4, 3, 5]);
    for job in jobs {
        let took = job.finished_at_ms.map(|at_ms| duration(at_ms.saturating_sub(job.created_at_ms)));
        let what = match (&job.label, &job.error) {
            (Some(label), _) => tail(label, 60),
            (None, Some(error)) => shortened(&error.message, 60),
            (None, None) => String::new(),
        };
        rows.add_row([
            job.id.as_str(),
            &job.tool,
            job.status.as_str(),
            &format!("{}/{}", job.attempts_used(), job.max_attempts),
            &moment(job.created_at_ms),
            &took.unwrap_or_default(),
            &what,
        ]);
    }
    rows
}

/// A job, a line for each thing worth knowing.
pub(crate) fn job_card(job: &JobRecord) -> Rows {
    let mut card = Rows::card();
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            card.add_row([name.to_owned(), value]);
        }
    };
    row("job", Some(job.id.to_string()));
    row("tool", Some(job.tool.clone()));
    row("label", job.label.as_deref().map(harmless));
    row("status", Some(job.status.as_str().to_owned()));
    row("attempt", Some(format!("{} of {}", job.attempts_used(), job.max_attempts)));
    row("accepted", Some(moment(job.created_at_ms)));
    row("started", job.started_at_ms.map(moment));
    row("next attempt", job.retry_at_ms.map(moment));
    row("finished", job.finished_at_ms.map(moment));
    // Every job has one; it says nothing more of one that ended before.
    let deadline_ms = job.deadline_ms.filter(|_| !job.is_finished() || job.status == JobStatus::Expired);
    row("deadline", deadline_ms.map(moment));
    row("batch", job.parent.as_ref().map(ToString::to_string));
    row("error", job.error.as_ref().map(|error| format!("{}: {}", kind(error), error.message)));
    match &job.result {
        Some(JobResult::Inline(value)) => row("result", Some(shortened(&value.to_string(), 400))),
        Some(JobResult::Ref(_)) => row("result", Some(format!("large; `gantz result {}` prints it", job.id))),
        None => {}
    }
    card
}

pub(crate) fn batch_card(progress: &BatchProgress) -> Rows {
    let (batch, totals) = (&progress.batch, &progress.totals);
    let mut card = Rows::card();
    let planned = if batch.planning_done { "" } else { ", more to come" };
    card.add_row(["batch".to_owned(), batch.id.to_string()]);
    card.add_row(["tool".to_owned(), batch.tool.clone()]);
    card.add_row(["status".to_owned(), batch.status.as_str().to_owned()]);
    card.add_row(["jobs".to_owned(), format!("{}{planned}", batch.planned)]);
    for (name, count) in [
        ("succeeded", totals.succeeded),
        ("failed", totals.failed),
        ("cancelled", totals.cancelled),
        ("expired", totals.expired),
        ("in doubt", totals.in_doubt),
    ] {
        if count > 0 || name == "succeeded" {
            card.add_row([name.to_owned(), count.to_string()]);
        }
    }
    card.add_row(["accepted".to_owned(), moment(batch.created_at_ms)]);
    if let Some(at_ms) = batch.finished_at_ms {
        card.add_row(["took".to_owned(), duration(at_ms.saturating_sub(batch.created_at_ms))]);
    }
    if let Some(error) = &batch.planning_error {
        card.add_row(["planning".to_owned(), error.clone()]);
    }
    if let Some(before) = &batch.retry_of {
        card.add_row(["retry of".to_owned(), before.to_string()]);
        card.add_row(["left out".to_owned(), batch.left_out.to_string()]);
    }
    card
}

/// An error's kind as it is on the wire.
pub(crate) fn kind(error: &gantz_core::outcome::JobError) -> String {
    serde_json::to_value(error.kind)
        .ok()
        .and_then(|kind| kind.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A moment, in UTC.
pub(crate) fn moment(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| ms.to_string(), |at| format!("{at:.3}"))
}

/// A length of time, in the unit that a person would use.
pub(crate) fn duration(ms: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "printed to two digits")]
    let ms_f = ms as f64;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 if ms.is_multiple_of(1_000) => format!("{} s", ms / 1_000),
        // Below what would be rounded up to 60.0.
        1_000..59_950 => format!("{:.1} s", ms_f / 1_000.0),
        59_950..3_600_000 => two_units((ms + 50) / 1_000, 60, "min", "s"),
        _ => two_units(ms / 60_000, 60, "h", "min"),
    }
}

fn two_units(count: u64, per_large: u64, large: &str, small: &str) -> String {
    match count % per_large {
        0 => format!("{} {large}", count / per_large),
        rest => format!("{} {large} {rest} {small}", count / per_large),
    }
}

/// `1 job`, `2 jobs`.
pub(crate) fn count(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Bytes, in the unit that a person would use.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// The text's first line, cut to so many characters.
pub(crate) fn shortened(text: &str, chars: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= chars {
        return line.to_owned();
    }
    line.chars().take(chars - 1).chain(['…']).collect()
}

/// The text on one line, cut to so many characters at its beginning: the end of a path tells more.
pub(crate) fn tail(text: &str, chars: usize) -> String {
    let line = harmless(text);
    match line.chars().count() {
        all if all <= chars => line,
        all => ['…'].into_iter().chain(line.chars().skip(all - chars + 1)).collect(),
    }
}

/// The text with escapes, such as `\n` and `\u{1b}`, for its control characters: a file's name may have them.
fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, char| {
        match char {
            char if char.is_control() => line.extend(char.escape_default()),
            char => line.push(char),
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_a_persons_units() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (1_234, "1.2 s"),
            (10_000, "10 s"),
            (59_949, "59.9 s"),
            (59_999, "1 min"),
            (60_000, "1 min"),
            (61_500, "1 min 1 s"),
            (3_600_000, "1 h"),
            (5_400_000, "1 h 30 min"),
        ] {
            assert_eq!(duration(ms), text, "{ms}");
        }
    }

    #[test]
    fn tables_have_no_blanks_at_the_ends_of_lines() {
        let mut rows = table(["A", "LONG"]);
        rows.add_row(["1", ""]);
        rows.add_row(["22", "x"]);
        assert_eq!(rows.to_string(), "A   LONG\n1\n22  x");
    }

    #[test]
    fn tables_fit_a_screen_if_they_can() {
        let mut rows = table(["NAME", "LONG", "LONGER", "WHAT"]).sparing(&[2, 1]);
        rows.add_row(["1", "123456", "1234567890", "word word word word word word"]);
        let fitted = |screen| {
            let mut table = rows.table.clone();
            for column in table.column_iter_mut() {
                column.set_padding((0, GAP));
            }
            let widths = table.column_max_content_widths();
            fit(&mut table, &widths[..3], rows.spare, screen);
            table.trim_fmt()
        };
        let all = rows.to_string();
        assert_eq!(fitted(80), all);
        assert_eq!(
            fitted(45),
            "NAME  LONG    LONGER      WHAT\n1     123456  1234567890  word word word word\n                          word word"
        );
        assert_eq!(
            fitted(40),
            "NAME  LONG    WHAT\n1     123456  word word word word word\n              word"
        );
        assert_eq!(fitted(22), "NAME  WHAT\n1     word word word\n      word word word");
        // There is no way: the terminal breaks the lines.
        assert_eq!(fitted(10), "NAME  WHAT\n1     word word word word word word");
    }

    #[test]
    fn what_is_cut_tells_the_least() {
        assert_eq!((shortened("abcdef", 6), tail("abcdef", 6)), ("abcdef".into(), "abcdef".into()));
        assert_eq!((shortened("abcdef", 4), tail("abcdef", 4)), ("abc…".into(), "…def".into()));
        assert_eq!((shortened("äöü\nx", 2), tail("xäöü", 2)), ("ä…".into(), "…ü".into()));
        assert_eq!(tail("a\nb\u{1b}[2J.csv", 60), "a\\nb\\u{1b}[2J.csv");
    }

    #[test]
    fn no_cell_tells_the_terminal_what_to_do() {
        let mut rows = table(["WHAT"]);
        rows.add_row(["first\r\nsecond\u{9b}31m\u{1b}]0;title\u{7}"]);
        assert_eq!(rows.to_string(), "WHAT\nfirst\nsecond\\u{9b}31m\\u{1b}]0;title\\u{7}");
    }

    #[test]
    fn one_thing_many_things() {
        assert_eq!([0_u64, 1, 2].map(|n| count(n, "job")), ["0 jobs", "1 job", "2 jobs"]);
    }
}
