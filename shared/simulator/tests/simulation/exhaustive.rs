//! Every call of a job fails in every way: before it is applied, after it, twice, throttled, stalled, or with its process.

use gantz_simulator::exhaustive::{Host, Kind, exhaust, scenario};
use gantz_simulator::sweep::{replay, tell};
use gantz_testkit::fault_table::{Level, fault};

const THREADS: usize = 2;

#[track_caller]
fn check(kind: Kind, host: Host, with_pairs: bool) -> u64 {
    let found = exhaust(kind, host, with_pairs, THREADS);
    println!(
        "{kind:?} on {host:?}: {} calls, {} runs with one fault, {} with two, the longest {} ms; {} not fine",
        found.calls,
        found.singles,
        found.pairs,
        found.longest_ms,
        found.failed.len()
    );
    assert!(found.singles > 0);
    if let Some((forced, why)) = found.failed.first() {
        let others: Vec<_> = found.failed.iter().skip(1).take(20).collect();
        let log = tell(&replay(&scenario(kind, host, forced)));
        panic!("{kind:?} on {host:?} with {forced:?}:\n{why}\nothers: {others:#?}\n{log}");
    }
    (found.singles + found.pairs) as u64
}

/// Every single fault of such a job, wherever it runs; what these rows of the table say is among them.
fn single(kind: Kind, rows: &[u32]) {
    let shown: Vec<_> = rows.iter().map(|row| fault(*row, Level::Simulated)).collect();
    let runs = check(kind, Host::Workers, false) + check(kind, Host::Functions, false);
    for shown in shown {
        shown.in_runs(runs, "every call of a job fails in each way, a crash among them");
    }
}

#[test]
fn one_fault_of_an_ordinary_job() {
    single(Kind::Ordinary, &[3, 13, 14, 19, 41]);
}

#[test]
fn one_fault_of_a_retried_job() {
    single(Kind::Retried, &[19]);
}

#[test]
fn one_fault_of_a_batch_and_its_children() {
    single(Kind::Child, &[42, 43]);
}

#[test]
fn one_fault_of_an_at_most_once_job() {
    single(Kind::AtMostOnce, &[31]);
}

#[test]
fn one_fault_of_a_job_with_heartbeats() {
    single(Kind::Long, &[16]);
}

#[test]
fn two_faults_of_an_ordinary_job() {
    check(Kind::Ordinary, Host::Workers, true);
}

#[test]
fn two_faults_of_an_at_most_once_job() {
    check(Kind::AtMostOnce, Host::Functions, true);
}

/// Tens of thousands of runs: minutes without optimisation.
#[test]
#[ignore = "run it with --release"]
fn two_faults_of_every_job() {
    for kind in [Kind::Ordinary, Kind::Retried, Kind::Child, Kind::AtMostOnce, Kind::Long] {
        for host in [Host::Workers, Host::Functions] {
            check(kind, host, true);
        }
    }
}
