//! Every call of a job fails in every way: before it is applied, after it, twice, throttled, stalled, or with its process.

use gantz_simulator::exhaustive::{Host, Kind, exhaust, scenario};
use gantz_simulator::sweep::{replay, tell};

const THREADS: usize = 2;

#[track_caller]
fn check(kind: Kind, host: Host, with_pairs: bool) {
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
}

#[test]
fn one_fault_of_an_ordinary_job() {
    check(Kind::Ordinary, Host::Workers, false);
    check(Kind::Ordinary, Host::Functions, false);
}

#[test]
fn one_fault_of_a_retried_job() {
    check(Kind::Retried, Host::Workers, false);
    check(Kind::Retried, Host::Functions, false);
}

#[test]
fn one_fault_of_a_batch_and_its_children() {
    check(Kind::Child, Host::Workers, false);
    check(Kind::Child, Host::Functions, false);
}

#[test]
fn one_fault_of_an_at_most_once_job() {
    check(Kind::AtMostOnce, Host::Workers, false);
    check(Kind::AtMostOnce, Host::Functions, false);
}

#[test]
fn one_fault_of_a_job_with_heartbeats() {
    check(Kind::Long, Host::Workers, false);
    check(Kind::Long, Host::Functions, false);
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
