//! The whole protocol as a random walk: several deliveries of one job, each its own owner, with lost answers, crashes,
//! jumps of time, cancellations and repetitions. The invariants of the record hold after every step, and once the
//! faults stop the job ends.

use gantz_core::history::HistoryEntry;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{
    CancelVerdict, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict, HeartbeatVerdict, Held,
    ReleaseVerdict, accept, cancel, claim, finish, give_up, heartbeat, release,
};
use gantz_core::limits;
use gantz_core::policy::Effects;
use proptest::prelude::*;

use crate::domain::common::*;

const WORKERS: usize = 3;
/// Deliveries after the faults have stopped: each ends an attempt or the job, so a few more than attempts are enough.
const RECOVERY_DELIVERIES: u32 = 12;

/// One thing that happens. `lost` says that the answer never reached its worker, which will repeat the call.
#[derive(Debug, Clone)]
enum Step {
    Accept,
    /// A delivery reaches a worker, which tries to claim.
    Claim {
        worker: usize,
        lost: bool,
    },
    /// A worker's tool starts: the one visible effect.
    Start {
        worker: usize,
    },
    Heartbeat {
        worker: usize,
    },
    Finish {
        worker: usize,
        ending: Ending,
        lost: bool,
    },
    Release {
        worker: usize,
        counted: bool,
        lost: bool,
    },
    Crash {
        worker: usize,
    },
    Cancel,
    /// A dead-letter handler, or a claim's advice acted on late.
    GiveUp {
        attempt_seen: u32,
        ending: Ending,
    },
    /// Forwards or, as clocks differ, backwards.
    Time {
        by_ms: i64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let worker = 0..WORKERS;
    prop_oneof![
        1 => Just(Step::Accept),
        6 => (worker.clone(), prop::bool::weighted(0.2)).prop_map(|(worker, lost)| Step::Claim { worker, lost }),
        4 => worker.clone().prop_map(|worker| Step::Start { worker }),
        2 => worker.clone().prop_map(|worker| Step::Heartbeat { worker }),
        3 => (worker.clone(), any_ending(), prop::bool::weighted(0.3))
            .prop_map(|(worker, ending, lost)| Step::Finish { worker, ending, lost }),
        4 => (worker.clone(), any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(worker, counted, lost)| Step::Release { worker, counted, lost }),
        2 => worker.prop_map(|worker| Step::Crash { worker }),
        1 => Just(Step::Cancel),
        1 => (0..4_u32, any_ending()).prop_map(|(attempt_seen, ending)| Step::GiveUp { attempt_seen, ending }),
        5 => (-500..1_500_i64).prop_map(|by_ms| Step::Time { by_ms }),
    ]
}

/// A worker and the delivery it works on.
#[derive(Debug, Default, Clone)]
struct Worker {
    delivery: u32,
    holds: Option<Held>,
    started: bool,
}

struct World {
    first_seen: JobRecord,
    row: Option<JobRecord>,
    now_ms: u64,
    workers: Vec<Worker>,
    deliveries: u32,
    /// Attempts in the order in which their tools started.
    starts: Vec<u32>,
}

impl World {
    fn new(effects: Effects, max_attempts: u32, deadline_ms: Option<u64>) -> Self {
        Self {
            first_seen: JobRecord { max_attempts, effects, deadline_ms, ..queued() },
            row: None,
            now_ms: NOW_MS,
            workers: vec![Worker::default(); WORKERS],
            deliveries: 0,
            starts: Vec::new(),
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Accept => {
                let verdict = accept(self.row.as_ref(), &self.first_seen);
                if verdict == gantz_core::lifecycle::AcceptVerdict::Created {
                    self.write(self.first_seen.clone());
                }
            }
            Step::Claim { worker, lost } => self.claim(worker, lost),
            Step::Start { worker } => self.start(worker),
            Step::Heartbeat { worker } => self.heartbeat(worker),
            Step::Finish { worker, ending, lost } => self.finish(worker, &ending, lost),
            Step::Release { worker, counted, lost } => self.release(worker, counted, lost),
            Step::Crash { worker } => self.drop_delivery(worker),
            Step::Cancel => {
                if let CancelVerdict::Ended(row) | CancelVerdict::Requested(row) =
                    cancel(self.row.as_ref(), self.now_ms)
                {
                    self.write(*row);
                }
            }
            Step::GiveUp { attempt_seen, ending } => self.give_up(attempt_seen, &ending),
            Step::Time { by_ms } => self.now_ms = self.now_ms.saturating_add_signed(by_ms),
        }
    }

    /// Every write goes through here, and keeps what must never change.
    fn write(&mut self, new: JobRecord) {
        if let Some(old) = &self.row {
            assert!(!old.is_finished(), "I1: a finished row changed: {old:?} to {new:?}");
            assert!(new.attempt == old.attempt || new.attempt == old.attempt + 1);
            assert!(new.updated_at_ms > old.updated_at_ms);
            assert_eq!(new.accepted(), old.accepted(), "what was accepted changed");
            Self::check_history(old, &new);
        }
        assert!(new.attempts_used() <= new.max_attempts, "I7: {new:?}");
        assert_eq!(new.status.is_terminal(), new.finished_at_ms.is_some());
        assert_eq!(new.status == JobStatus::Running, new.owner.is_some(), "{new:?}");
        self.row = Some(new);
    }

    /// Whoever polls too seldom finds every state that the job was in.
    fn check_history(old: &JobRecord, new: &JobRecord) {
        let mut expected = old.history.clone();
        let entry = HistoryEntry { status: new.status, attempt: new.attempt, at_ms: new.updated_at_ms };
        let is_told = new.attempt <= limits::HISTORY_MAX_ATTEMPTS || new.is_finished();
        if is_told && (new.status, new.attempt) != (old.status, old.attempt) {
            expected.push(entry);
        }
        assert_eq!(new.history, expected);
    }

    fn claim(&mut self, worker: usize, lost: bool) {
        if self.workers[worker].holds.is_some() {
            return;
        }
        if self.workers[worker].delivery == 0 {
            self.deliveries += 1;
            self.workers[worker].delivery = self.deliveries;
        }
        let owner = format!("delivery {}", self.workers[worker].delivery);
        let wish = wish(&self.first_seen, &owner, self.now_ms);
        match claim(self.row.as_ref(), &wish) {
            ClaimVerdict::Granted(row) => {
                if self.row.as_ref() != Some(&*row) {
                    self.write((*row).clone());
                }
                if !lost {
                    self.workers[worker].holds = Some(held(&row));
                }
            }
            ClaimVerdict::GiveUp { attempt_seen, ending } => {
                self.give_up(attempt_seen, &ending);
                self.drop_delivery(worker);
            }
            ClaimVerdict::HeldUntil { lease_until_ms } => {
                assert!(lease_until_ms > self.now_ms);
                let holder = self.row.as_ref().and_then(|row| row.owner.clone());
                assert_ne!(holder, Some(owner), "a worker was kept out by itself");
                self.drop_delivery(worker);
            }
            ClaimVerdict::Finished(_) => self.drop_delivery(worker),
            ClaimVerdict::Foreign => panic!("the job is its own"),
        }
    }

    fn start(&mut self, worker: usize) {
        let Some(held) = self.workers[worker].holds.clone() else { return };
        if self.workers[worker].started {
            return;
        }
        self.workers[worker].started = true;
        assert!(!self.starts.contains(&held.attempt), "I2: attempt {} started twice", held.attempt);
        self.starts.push(held.attempt);
    }

    fn heartbeat(&mut self, worker: usize) {
        let Some(held) = self.workers[worker].holds.clone() else { return };
        match heartbeat(self.row.as_ref(), &held, self.now_ms + LEASE_MS, self.now_ms) {
            HeartbeatVerdict::Renewed(row) => self.write(*row),
            HeartbeatVerdict::Lost => self.drop_delivery(worker),
        }
    }

    fn finish(&mut self, worker: usize, ending: &Ending, lost: bool) {
        let Some(held) = self.workers[worker].holds.clone() else { return };
        match finish(self.row.as_ref(), &held, ending, self.now_ms) {
            FinishVerdict::Committed(row) => {
                assert_eq!(row.attempt, held.attempt, "I2: an attempt ended another's");
                self.write(*row);
            }
            FinishVerdict::Already(row) => assert_eq!(row.finished_by.as_ref(), Some(&held.owner)),
            FinishVerdict::Otherwise(row) => assert!(row.is_finished()),
            FinishVerdict::FencedOut => {
                assert!(self.row.as_ref().is_some_and(|row| row.attempt > held.attempt));
            }
        }
        if !lost {
            self.drop_delivery(worker);
        }
    }

    fn release(&mut self, worker: usize, counted: bool, lost: bool) {
        let Some(held) = self.workers[worker].holds.clone() else { return };
        // An at-most-once tool that has started never goes back.
        if self.first_seen.effects == Effects::AtMostOnce && self.workers[worker].started {
            return;
        }
        let wish = release_at(self.now_ms + 10, counted);
        let verdict = release(self.row.as_ref(), &held, &wish, self.now_ms);
        match &verdict {
            ReleaseVerdict::Released(row) => {
                assert_eq!(row.attempt, held.attempt, "I2: an attempt released another");
                if self.row.as_ref() != Some(&**row) {
                    self.write((**row).clone());
                }
            }
            ReleaseVerdict::CancelAsked => {
                return self.finish(worker, &Ending::cancelled("as asked"), lost);
            }
            ReleaseVerdict::Finished(_) | ReleaseVerdict::FencedOut => {}
        }
        if lost {
            assert_eq!(release(self.row.as_ref(), &held, &wish, self.now_ms), verdict, "repeated");
        }
        self.drop_delivery(worker);
    }

    fn give_up(&mut self, attempt_seen: u32, ending: &Ending) {
        let verdict = give_up(self.row.as_ref(), &self.first_seen, attempt_seen, ending, self.now_ms);
        if let GiveUpVerdict::Committed(row) = verdict {
            assert!(!self.row.as_ref().is_some_and(|row| row.lease_lives(self.now_ms)), "I2: it ran");
            self.write(*row);
        }
    }

    /// The message goes back to the queue; its next delivery is another owner.
    fn drop_delivery(&mut self, worker: usize) {
        self.workers[worker] = Worker::default();
    }

    /// No more faults: leases run out, every delivery claims and finishes.
    fn recover(&mut self) -> &JobRecord {
        for _ in 0..RECOVERY_DELIVERIES {
            self.now_ms += 3 * LEASE_MS;
            for worker in 0..WORKERS {
                self.drop_delivery(worker);
            }
            self.claim(0, false);
            self.start(0);
            self.finish(0, &endings()[0], false);
        }
        self.row.as_ref().unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_protocol_keeps_its_promises(
        effects in any_effects(),
        max_attempts in 1..4_u32,
        deadline_ms in prop::option::of(NOW_MS..NOW_MS + 10_000),
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut world = World::new(effects, max_attempts, deadline_ms);
        for step in steps {
            world.apply(step);
        }
        let finished = world.row.clone().filter(JobRecord::is_finished);
        let end = world.recover().clone();
        prop_assert!(end.is_finished(), "I8: {:?}", end);
        if let Some(finished) = finished {
            prop_assert_eq!(&finished, &end, "I1");
        }
        prop_assert!(world.starts.iter().all(|attempt| *attempt <= end.attempt));
        if effects == Effects::AtMostOnce {
            prop_assert!(world.starts.len() <= 1, "I3: started as attempts {:?}", world.starts);
        }
        if end.status == JobStatus::Succeeded && end.finished_by.is_some() {
            prop_assert_eq!(end.error, None);
        }
    }
}
