//! The table as a page.

use std::fmt::Write as _;

use serde_json::Value;

use super::{ROWS, Row};

const HEAD: &str = "\
# Faults

What the fleet survives, and the tests that show it. Made by the tests themselves: each leaves a record of how often the
fault was there and what it found, and `cargo run -p gantz-testkit --bin fault-table` makes this page of them.

Levels: **U** a property or a model of pure functions; **S** the fleet in one thread, in paused time, most with faults from a
seed; **P** the real clients of AWS behind a proxy that breaks connections and answers; **K** real programs that
are killed, stopped or starved.

Invariants: **I1** an accepted job has exactly one terminal status, which never changes. **I2** At most one effect starts
per attempt, and the committed attempt is the last. **I3** A keyed effect happens once at its provider; an at-most-once
tool starts once. **I4** A message that is gone means a job that is terminal and an event that was accepted. **I5** At
least one event, one after duplicates are removed. **I6** Children are counted exactly, and go on once. **I7** Attempts
stay within their maximum; the load on a dependency is bounded. **I8** Once faults stop, everything is terminal within a
bound. **I9** One record never harms another. **I10** Memory, rows and log lines are bounded.

";
const COLUMNS: &str = "\
| # | fault | what must hold | level | runs | violations | figure | test |
|---|---|---|---|---|---|---|---|
";

/// The page, of what tests recorded.
pub fn render(records: &[Value]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str(&summary(records));
    page.push_str(COLUMNS);
    for row in ROWS {
        let mut shown: Vec<&Value> = records.iter().filter(|record| record["row"] == row.number).collect();
        shown.sort_by_key(|record| (record["level"].to_string(), record["test"].to_string()));
        for record in &shown {
            let (runs, violations) = (record["runs"].to_string(), record["violations"].to_string());
            let (figure, test) = (text(&record["figure"]), format!("`{}`", text(&record["test"])));
            push(&mut page, row, text(&record["level"]), [&runs, &violations, figure, &test]);
        }
        for level in lacking(row, &shown) {
            push(&mut page, row, level, ["", "", "", row.missing.unwrap_or("**missing**")]);
        }
    }
    page
}

/// The levels at which a row is to be shown, and is not.
fn lacking<'a>(row: &'a Row, shown: &'a [&Value]) -> impl Iterator<Item = &'a str> {
    row.levels.split(", ").filter(|level| !shown.iter().any(|record| record["level"] == **level))
}

fn summary(records: &[Value]) -> String {
    let shown = |row: &&Row| records.iter().any(|record| record["row"] == row.number);
    let violations: u64 = records.iter().filter_map(|record| record["violations"].as_u64()).sum();
    let count = ROWS.iter().filter(shown).count();
    let whole = ROWS.iter().filter(|row| {
        let shown: Vec<_> = records.iter().filter(|record| record["row"] == row.number).collect();
        lacking(row, &shown).next().is_none()
    });
    let (all, whole) = (ROWS.len(), whole.count());
    format!(
        "{count} of {all} rows are shown, {whole} at every level that they ask for; by {} records of tests; violations: \
         {violations}.\n\n",
        records.len()
    )
}

fn push(page: &mut String, row: &Row, level: &str, [runs, violations, figure, test]: [&str; 4]) {
    let Row { number, fault, expected, .. } = row;
    let line =
        [number.to_string().as_str(), fault, expected, level, runs, violations, figure, test].join(" | ");
    // Writing to a string cannot fail.
    writeln!(page, "| {line} |").unwrap();
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
