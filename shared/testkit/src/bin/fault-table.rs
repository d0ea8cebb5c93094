//! Makes `docs/FAULTS.md` of what the tests of this build recorded.
#![expect(clippy::unwrap_used, reason = "a tool for developers fails by panicking")]

use std::fs;
use std::path::Path;

use gantz_testkit::fault_table::{read, records, render};

fn main() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FAULTS.md");
    fs::write(page, render(&read(&records()))).unwrap();
}
