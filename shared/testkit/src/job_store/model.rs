//! Random walks: a store and the domain's functions take the same steps, and must agree after each.

use std::fmt::Debug;
use std::sync::Arc;

use gantz_core::job::{JobRecord, NewJob};
use gantz_core::lifecycle::{
    self, AcceptVerdict, CancelVerdict, Claim, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict,
    HeartbeatVerdict, Held, Release, ReleaseVerdict,
};
use gantz_core::outcome::ErrorKind;
use gantz_core::policy::Effects;
use gantz_core::ports::JobStore;

use super::Input;
use crate::builders::{NOW_MS, failed, new_job, release, succeeded};
use crate::random::Random;
use crate::suite::Suite;

const WALKS: u64 = 20;
const STEPS: u32 = 25;

pub(super) async fn cases(suite: &mut Suite<Arc<dyn JobStore>>) {
    suite.case(every_answer_is_the_domains).await;
}

async fn every_answer_is_the_domains(case: Input) {
    for seed in 0..WALKS {
        let effects = if seed % 3 == 0 { Effects::AtMostOnce } else { Effects::Keyed };
        let job = new_job(&case.id(&format!("walk-{seed}")));
        let job = NewJob { deadline_ms: Some(NOW_MS + 4_000), effects, ..job };
        let mut walk = Walk { first_seen: JobRecord::queued(job), model: None, now_ms: NOW_MS };
        let mut random = Random::new(seed);
        for step in 0..STEPS {
            let name = walk.step(&*case.port, &mut random).await;
            let stored = case.port.get(&walk.first_seen.id).await.unwrap();
            assert_eq!(stored, walk.model, "seed {seed}, step {step}: {name}");
        }
    }
}

struct Walk {
    first_seen: JobRecord,
    model: Option<JobRecord>,
    now_ms: u64,
}

impl Walk {
    async fn step(&mut self, store: &dyn JobStore, random: &mut Random) -> &'static str {
        self.now_ms += random.below(200);
        match random.below(14) {
            0 => self.accept(store).await,
            1..=4 => self.claim(store, random).await,
            5 => self.heartbeat(store, random).await,
            6 | 7 => self.finish(store, random).await,
            8..=11 => self.release(store, random).await,
            12 => self.cancel(store).await,
            _ => self.give_up(store, random).await,
        }
    }

    /// Somebody who holds the job, or held it once, or never did.
    fn somebody(&self, random: &mut Random) -> Held {
        let attempt = self.model.as_ref().map_or(0, |row| row.attempt);
        let attempt = attempt.saturating_sub(u32::from(random.one_in(4)));
        Held { id: self.first_seen.id.clone(), attempt, owner: owner(random) }
    }

    async fn accept(&mut self, store: &dyn JobStore) -> &'static str {
        let expected = lifecycle::accept(self.model.as_ref(), &self.first_seen);
        if expected == AcceptVerdict::Created {
            self.model = Some(self.first_seen.clone());
        }
        agree(&store.accept(vec![self.first_seen.clone()]).await.unwrap(), &vec![expected]);
        "accept"
    }

    async fn claim(&mut self, store: &dyn JobStore, random: &mut Random) -> &'static str {
        let claim = Claim {
            first_seen: self.first_seen.clone(),
            owner: owner(random),
            lease_until_ms: self.now_ms + random.below(500),
            now_ms: self.now_ms,
            redelivered: random.below(2) == 0,
        };
        let expected = lifecycle::claim(self.model.as_ref(), &claim);
        if let ClaimVerdict::Granted(row) = &expected {
            self.model = Some(*row.clone());
        }
        agree(&store.claim(claim).await.unwrap(), &expected);
        "claim"
    }

    async fn heartbeat(&mut self, store: &dyn JobStore, random: &mut Random) -> &'static str {
        let (held, until_ms) = (self.somebody(random), self.now_ms + random.below(500));
        let expected = lifecycle::heartbeat(self.model.as_ref(), &held, until_ms, self.now_ms);
        if let HeartbeatVerdict::Renewed(row) = &expected {
            self.model = Some(*row.clone());
        }
        agree(&store.heartbeat(&held, until_ms, self.now_ms).await.unwrap(), &expected);
        "heartbeat"
    }

    async fn finish(&mut self, store: &dyn JobStore, random: &mut Random) -> &'static str {
        let (held, ending) = (self.somebody(random), ending(random));
        let expected = lifecycle::finish(self.model.as_ref(), &held, &ending, self.now_ms);
        if let FinishVerdict::Committed(row) = &expected {
            self.model = Some(*row.clone());
        }
        agree(&store.finish(&held, ending, self.now_ms).await.unwrap(), &expected);
        "finish"
    }

    async fn release(&mut self, store: &dyn JobStore, random: &mut Random) -> &'static str {
        let held = self.somebody(random);
        let release = Release { counted: random.one_in(2), ..release(self.now_ms) };
        let expected = lifecycle::release(self.model.as_ref(), &held, &release, self.now_ms);
        if let ReleaseVerdict::Released(row) = &expected {
            self.model = Some(*row.clone());
        }
        agree(&store.release(&held, release, self.now_ms).await.unwrap(), &expected);
        "release"
    }

    async fn cancel(&mut self, store: &dyn JobStore) -> &'static str {
        let expected = lifecycle::cancel(self.model.as_ref(), self.now_ms);
        if let CancelVerdict::Ended(row) | CancelVerdict::Requested(row) = &expected {
            self.model = Some(*row.clone());
        }
        agree(&store.cancel(&self.first_seen.id, self.now_ms).await.unwrap(), &expected);
        "cancel"
    }

    async fn give_up(&mut self, store: &dyn JobStore, random: &mut Random) -> &'static str {
        let (seen, ending) = (self.somebody(random).attempt, ending(random));
        let expected = lifecycle::give_up(self.model.as_ref(), &self.first_seen, seen, &ending, self.now_ms);
        if let GiveUpVerdict::Committed(row) = &expected {
            self.model = Some(*row.clone());
        }
        let verdict = store.give_up(self.first_seen.clone(), seen, ending, self.now_ms).await.unwrap();
        agree(&verdict, &expected);
        "give up"
    }
}

fn agree<T: PartialEq + Debug>(stores: &T, domains: &T) {
    assert_eq!(stores, domains, "the store's verdict (left) is not the domain's (right)");
}

fn owner(random: &mut Random) -> String {
    format!("owner {}", random.below(3))
}

fn ending(random: &mut Random) -> Ending {
    match random.below(3) {
        0 => succeeded(),
        1 => failed(),
        _ => Ending::in_doubt(ErrorKind::WorkerLost, "nobody knows"),
    }
}
