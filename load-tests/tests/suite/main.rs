//! The scenarios themselves, small: that they run, not what they measure.

use std::process::Command;

#[test]
fn worker_processes_share_a_rate() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_gantz-load-tests"));
    program.arg("--dir").arg(folder.path());
    program.args(["rate", "--workers", "3", "--rate", "200", "--seconds", "1"]);
    let output = program.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let row = said.lines().nth(2).unwrap_or_default();
    let cells: Vec<_> = row.split('|').map(str::trim).collect();
    let &[_, processes, jobs, _, limit, rate, writes, _] = cells.as_slice() else { panic!("{said}") };
    assert_eq!((processes, jobs, limit), ("3", "200", "200"));
    assert!(rate.parse::<f64>().unwrap() > 0.0 && writes.parse::<f64>().unwrap() > 0.0, "{said}");
}
