//! What every [`NewObjects`] must do.

use std::ops::Range;
use std::sync::Arc;

use gantz_core::ids::JobId;
use gantz_core::ports::NewObjects;

use crate::Env;
use crate::suite::{Case, Suite};
use crate::together::together;

const CONTENDERS: u32 = 8;
const DAY_S: u64 = 24 * 60 * 60;

type Input = Case<Arc<dyn NewObjects>>;

/// Runs every case.
///
/// # Panics
/// When a case fails, naming it.
pub async fn run(port: Arc<dyn NewObjects>, env: Env) {
    let mut suite = Suite::new("new objects", port, env);
    suite.case(an_object_is_taken_once).await;
    suite.case(a_batch_that_asks_again_has_them_again).await;
    suite.case(schedules_do_not_share).await;
    suite.case(of_many_who_ask_one_has_each).await;
    suite.case(nothing_asked_is_nothing_taken).await;
    suite.case(how_far_it_has_looked_never_goes_back).await;
    suite.finish();
}

impl Input {
    async fn take(&self, schedule: &str, batch: &JobId, numbers: Range<u32>) -> Vec<bool> {
        let marks = numbers.map(|n| format!("mark {n}")).collect();
        let expires_at_s = self.env.now_ms() / 1_000 + DAY_S;
        self.port.take(&self.name(schedule), batch, marks, expires_at_s).await.unwrap()
    }
}

async fn an_object_is_taken_once(case: Input) {
    assert_eq!(case.take("nightly", &case.id("first"), 0..120).await, [true; 120]);
    assert_eq!(case.take("nightly", &case.id("second"), 119..121).await, [false, true]);
}

async fn a_batch_that_asks_again_has_them_again(case: Input) {
    let batch = case.id("batch");
    assert_eq!(case.take("nightly", &batch, 0..20).await, [true; 20]);
    assert_eq!(case.take("nightly", &batch, 10..30).await, [true; 20]);
}

async fn schedules_do_not_share(case: Input) {
    for schedule in ["nightly", "weekly"] {
        assert_eq!(case.take(schedule, &case.id(schedule), 0..1).await, [true], "{schedule}");
    }
    let schedule = case.name("nightly");
    case.port.looked_at(&schedule, 5_000).await.unwrap();
    assert_eq!(case.port.looked_at_until_ms(&case.name("weekly")).await.unwrap(), 0);
}

async fn of_many_who_ask_one_has_each(case: Input) {
    let case = Arc::new(case);
    let taken = together((0..CONTENDERS).map(|n| {
        let case = Arc::clone(&case);
        async move { case.take("nightly", &case.id(&format!("contender-{n}")), 0..20).await }
    }));
    let taken = taken.await;
    for n in 0..20 {
        assert_eq!(taken.iter().filter(|taken| taken[n]).count(), 1, "mark {n}");
    }
}

async fn nothing_asked_is_nothing_taken(case: Input) {
    assert_eq!(case.take("nightly", &case.id("idle"), 0..0).await, Vec::<bool>::new());
}

async fn how_far_it_has_looked_never_goes_back(case: Input) {
    let schedule = case.name("nightly");
    let looked_at = async || case.port.looked_at_until_ms(&schedule).await.unwrap();
    assert_eq!(looked_at().await, 0);
    for (until_ms, expected) in [(5_000, 5_000), (7_000, 7_000), (6_000, 7_000), (7_000, 7_000)] {
        case.port.looked_at(&schedule, until_ms).await.unwrap();
        assert_eq!(looked_at().await, expected);
    }
}
