use std::collections::{BTreeMap, BTreeSet};

use gantz_core::batch::{BatchProgress, BatchRecord, Counts, Mark, PlannedShard, Shard, Tolerance, shard_of};
use gantz_core::ids::{Lane, Tenant};
use gantz_core::job::JobStatus;
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use proptest::prelude::*;
use serde_json::json;

use crate::domain::common::*;

fn batch(tolerate: Tolerance) -> BatchRecord {
    BatchRecord {
        id: job_id("batch-0001"),
        tool: "echo".into(),
        tenant: Tenant::default_tenant(),
        lane: Lane::default_lane(),
        status: JobStatus::Running,
        tolerate,
        child_events: false,
        source_hash: "0".repeat(64),
        planned: 0,
        planning_done: false,
        cursor: None,
        page: None,
        planning_error: None,
        open_shards: BTreeSet::new(),
        closed_ahead: BTreeSet::new(),
        retry_of: None,
        left_out: 0,
        counts: Counts::default(),
        cancel_requested_at_ms: None,
        deadline_ms: None,
        created_at_ms: NOW_MS,
        finished_at_ms: None,
    }
}

fn shard(number: u32, children: u32) -> PlannedShard {
    PlannedShard::new(number, children)
}

fn any_ending() -> impl Strategy<Value = JobStatus> {
    let endings: Vec<_> = JobStatus::ALL.into_iter().filter(|status| status.is_terminal()).collect();
    prop::sample::select(endings)
}

#[test]
fn indexes_and_shards_agree() {
    for (index, number) in [(0, 0), (199, 0), (200, 1), (999_999, 4_999)] {
        assert_eq!(shard_of(index), number);
        assert!((shard(number, 200).first_index()..shard(number + 1, 1).first_index()).contains(&index));
    }
}

#[test]
fn a_mark_stands_and_only_endings_mark() {
    let mut shard = Shard::open(2);
    for status in [JobStatus::Queued, JobStatus::Running, JobStatus::Waiting] {
        assert_eq!(shard.mark(0, status), Mark::Unchanged);
    }
    assert_eq!(shard.mark(2, JobStatus::Failed), Mark::Unchanged, "no child of this shard");
    assert_eq!(shard.mark(0, JobStatus::Failed), Mark::Counted);
    assert_eq!(shard.mark(0, JobStatus::Succeeded), Mark::Unchanged);
    assert_eq!(shard.marks(), b"F.");
    assert!(!shard.is_complete());
    assert_eq!(shard.mark(1, JobStatus::InDoubt), Mark::Counted);
    assert!(shard.is_complete());
    assert_eq!(shard.counts(), Counts { failed: 1, in_doubt: 1, ..Counts::default() });
}

/// A row that was damaged, or written by a later version: its children can still end.
#[test]
fn unknown_marks_are_pending() {
    let mut shard = Shard::from_marks(b"S?F".to_vec());
    assert!(!shard.is_complete());
    assert_eq!(shard.counts(), Counts { succeeded: 1, failed: 1, ..Counts::default() });
    assert_eq!(shard.mark(1, JobStatus::Expired), Mark::Counted);
    assert_eq!(shard.marks(), b"SEF");
}

#[test]
fn a_shard_is_opened_once() {
    let mut batch = batch(Tolerance::NONE);
    assert!(batch.open_shard(&shard(0, 200)));
    assert!(!batch.open_shard(&shard(0, 200)), "repeated before it was advanced");
    batch.advance(&shard(0, 200), Some("page 2".into()));
    assert!(!batch.open_shard(&shard(0, 200)), "repeated after it was advanced");
    let totals = Counts { succeeded: 200, ..Counts::default() };
    assert!(batch.close_shard(0, totals));
    assert!(!batch.close_shard(0, totals), "a shard is counted once");
    assert!(!batch.open_shard(&shard(0, 200)), "repeated after it was closed");
    assert_eq!((batch.planned, batch.counts), (200, totals));
}

/// All children may end before the planner notes that it sent them; if it dies there, it repeats itself.
#[test]
fn a_shard_that_closed_early_is_not_opened_again() {
    let mut batch = batch(Tolerance::NONE);
    assert!(batch.open_shard(&shard(0, 2)));
    assert!(batch.close_shard(0, Counts { succeeded: 2, ..Counts::default() }));
    assert!(!batch.open_shard(&shard(0, 2)));
    batch.advance(&shard(0, 2), Some("end".into()));
    assert_eq!((batch.planned, batch.cursor.as_deref()), (2, Some("end")));
    assert!(batch.closed_ahead.is_empty());
    batch.planning_done = true;
    assert!(batch.finish_if_complete(NOW_MS));
}

/// Its planner may die before it notes that, and the batch be cancelled before the next one plans anything.
#[test]
fn a_batch_that_ends_has_planned_what_it_counts() {
    let mut batch = batch(Tolerance::NONE);
    let totals = Counts { succeeded: 2, ..Counts::default() };
    assert!(batch.open_shard(&shard(0, 2)));
    assert!(batch.close_shard(0, totals));
    batch.cancel_requested_at_ms = Some(NOW_MS);
    batch.planning_done = true;
    assert!(batch.finish_if_complete(NOW_MS));
    assert_eq!((batch.status, batch.planned, batch.counts), (JobStatus::Cancelled, 2, totals));
}

/// Two deliveries of one planner's message: the one behind must not take the other back.
#[test]
fn a_late_repetition_does_not_move_the_cursor_back() {
    let mut batch = batch(Tolerance::NONE);
    for number in 0..3 {
        assert!(batch.open_shard(&shard(number, 200)));
        batch.advance(&shard(number, 200), Some(format!("page {}", number + 1)));
    }
    batch.advance(&shard(0, 200), Some("page 1".into()));
    assert_eq!((batch.planned, batch.cursor.as_deref()), (600, Some("page 3")));
    batch.advance(&shard(2, 200), Some("page 3".into()));
    assert_eq!((batch.planned, batch.cursor.as_deref()), (600, Some("page 3")));
}

#[test]
fn a_finished_batch_never_changes() {
    let mut batch = BatchRecord { planning_done: true, ..batch(Tolerance::NONE) };
    assert!(batch.finish_if_complete(NOW_MS));
    let finished = batch.clone();
    assert!(!batch.open_shard(&shard(0, 1)));
    batch.advance(&shard(0, 1), Some("late".into()));
    assert!(!batch.close_shard(0, Counts { failed: 1, ..Counts::default() }));
    assert!(!batch.finish_if_complete(NOW_MS + 1));
    assert_eq!(batch, finished);
}

#[test]
fn how_a_batch_ends() {
    let running = |unsuccessful| BatchRecord {
        planned: 200,
        planning_done: true,
        counts: Counts { succeeded: 200 - unsuccessful, in_doubt: unsuccessful, ..Counts::default() },
        ..batch(Tolerance::Percent(2.5))
    };
    let due = |deadline_ms, expired, batch: BatchRecord| {
        let counts = Counts { expired, succeeded: batch.counts.succeeded - expired, ..batch.counts };
        BatchRecord { deadline_ms: Some(deadline_ms), counts, ..batch }
    };
    let error = Some("page 3 could not be read".to_owned());
    #[rustfmt::skip]
    let table = [
        (running(0), Some(JobStatus::Succeeded)),
        (running(5), Some(JobStatus::Succeeded)),
        (running(6), Some(JobStatus::Failed)),
        (BatchRecord { planning_error: error.clone(), ..running(0) }, Some(JobStatus::Failed)),
        (due(NOW_MS + 5, 1, running(0)), Some(JobStatus::Expired)),
        (due(NOW_MS + 6, 1, running(0)), Some(JobStatus::Succeeded)),
        (due(NOW_MS + 6, 6, running(0)), Some(JobStatus::Failed)),
        (due(NOW_MS + 5, 0, running(0)), Some(JobStatus::Succeeded)),
        (due(NOW_MS + 5, 0, running(6)), Some(JobStatus::Failed)),
        (BatchRecord { planning_error: error.clone(), ..due(NOW_MS + 5, 0, running(0)) }, Some(JobStatus::Expired)),
        (BatchRecord { cancel_requested_at_ms: Some(NOW_MS), ..due(NOW_MS, 1, running(0)) }, Some(JobStatus::Cancelled)),
        (BatchRecord { cancel_requested_at_ms: Some(NOW_MS), ..running(0) }, Some(JobStatus::Cancelled)),
        (BatchRecord { cancel_requested_at_ms: Some(NOW_MS), ..running(6) }, Some(JobStatus::Cancelled)),
        (BatchRecord { planning_done: false, ..running(0) }, None),
        (BatchRecord { open_shards: [3].into(), ..running(0) }, None),
    ];
    for (mut batch, expected) in table {
        let before = batch.clone();
        assert_eq!(batch.finish_if_complete(NOW_MS + 5), expected.is_some(), "{before:?}");
        assert_eq!(batch.status, expected.unwrap_or(JobStatus::Running), "{before:?}");
        assert_eq!(batch.finished_at_ms, expected.map(|_| NOW_MS + 5));
    }
}

#[test]
fn tolerances_at_their_edges() {
    let table = [
        ("0", 0, 0, true),
        ("0", 1, 1_000, false),
        ("3", 3, 3, true),
        ("3", 4, 1_000_000, false),
        ("0%", 0, 0, true),
        ("0%", 1, 1_000_000, false),
        ("100%", 7, 7, true),
        ("50%", 1, 2, true),
        ("50%", 2, 3, false),
        ("33.3%", 333, 1_000, true),
        ("33.3%", 334, 1_000, false),
        ("0.0001%", 1, 1_000_000, true),
        ("0.29%", 145, 50_000, true),
        ("0.29%", 146, 50_000, false),
    ];
    for (text, unsuccessful, total, expected) in table {
        let tolerance: Tolerance = text.parse().unwrap();
        assert_eq!(tolerance.allows(unsuccessful, total), expected, "{unsuccessful} of {total} with {text}");
    }
}

#[test]
fn tolerances_are_numbers_or_shares() {
    for (text, expected) in [
        ("3", Tolerance::Count(3)),
        (" 3 ", Tolerance::Count(3)),
        ("2.5%", Tolerance::Percent(2.5)),
        ("2.5 %", Tolerance::Percent(2.5)),
        ("100%", Tolerance::Percent(100.0)),
    ] {
        assert_eq!(text.parse::<Tolerance>().unwrap(), expected, "{text}");
        assert_eq!(serde_json::from_value::<Tolerance>(json!(text)).unwrap(), expected);
    }
    assert_eq!(serde_json::from_value::<Tolerance>(json!(3)).unwrap(), Tolerance::Count(3));
    for text in ["", "%", "-1", "2.5", "-0.1%", "100.1%", "NaN%", "inf%", "a lot", "3 %%"] {
        let error = text.parse::<Tolerance>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` is no tolerance")), "{error}");
    }
}

#[test]
fn progress_is_one_flat_object() {
    let totals = Counts { succeeded: 1, ..Counts::default() };
    let progress = BatchProgress { batch: batch(Tolerance::Percent(2.5)), totals };
    let text = serde_json::to_value(&progress).unwrap();
    assert_eq!((&text["batch_id"], &text["tolerate"]), (&json!("batch-0001"), &json!("2.5%")));
    assert_eq!(text["totals"]["succeeded"], 1);
    assert_eq!(serde_json::from_value::<BatchProgress>(text).unwrap(), progress);
}

proptest! {
    #[test]
    fn marks_are_idempotent_and_in_no_order(
        marks in prop::collection::vec((0..10_u32, any_ending()), 0..40),
        order in any::<prop::sample::Index>(),
    ) {
        // The first mark of each child is its ending; repetitions carry the same one.
        let endings: BTreeMap<_, _> = marks.iter().rev().copied().collect();
        let mut rotated = marks.clone();
        if !rotated.is_empty() {
            rotated.rotate_left(order.index(marks.len()));
        }
        let (mut a, mut b) = (Shard::open(10), Shard::open(10));
        let mut counted = 0;
        for (offset, _) in &marks {
            counted += usize::from(a.mark(*offset, endings[offset]) == Mark::Counted);
        }
        for (offset, _) in &rotated {
            let _repeated = b.mark(*offset, endings[offset]);
        }
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(counted, endings.len());
        prop_assert_eq!(a.counts().finished() as usize, endings.len());
        prop_assert_eq!(a.is_complete(), endings.len() == 10);
        prop_assert_eq!(Shard::from_marks(a.marks().to_vec()), a);
    }

    /// A share is a share: no rounding takes away a child that hundredths of a percent allow.
    #[test]
    fn shares_are_exact_to_the_hundredth_of_a_percent(
        hundredths in 0..=10_000_u32,
        total in prop_oneof![0..=1_000_000_u32, (0..=100_u32).prop_map(|n| n * 10_000)],
    ) {
        let tolerance: Tolerance = format!("{}.{:02}%", hundredths / 100, hundredths % 100).parse().unwrap();
        let allowed = u32::try_from(u64::from(hundredths) * u64::from(total) / 10_000).unwrap();
        prop_assert!(tolerance.allows(allowed, total), "{} of {} with {}", allowed, total, tolerance);
        prop_assert!(!tolerance.allows(allowed + 1, total), "{} of {} with {}", allowed + 1, total, tolerance);
    }

    #[test]
    fn tolerances_survive_the_wire(share in 0.0..=100.0_f64, count in any::<u32>()) {
        for tolerance in [Tolerance::Percent(share), Tolerance::Count(count)] {
            let text = serde_json::to_string(&tolerance).unwrap();
            prop_assert_eq!(serde_json::from_str::<Tolerance>(&text).unwrap(), tolerance);
        }
    }
}

/// A batch and its shards as a store keeps them, and the planner that fills it.
struct Store {
    batch: BatchRecord,
    shards: BTreeMap<u32, Shard>,
    ended: u32,
}

impl Store {
    fn open_shard(&mut self, planned: &PlannedShard) {
        if self.batch.open_shard(planned) {
            let before = self.shards.insert(planned.number, Shard::open(planned.children));
            assert_eq!(before, None, "shard {} was emptied", planned.number);
        }
    }

    fn mark(&mut self, index: u32, status: JobStatus) {
        let number = shard_of(index);
        let Some(shard) = self.shards.get_mut(&number) else { return };
        let _repeated = shard.mark(index % BATCH_SHARD_CHILDREN, status);
        // As a store that crashed after the mark would, it asks again at every repetition.
        if shard.is_complete() && self.batch.close_shard(number, shard.counts()) {
            self.end_if_complete();
        }
    }

    fn end_planning(&mut self) {
        self.batch.planning_done = true;
        self.end_if_complete();
    }

    fn end_if_complete(&mut self) {
        self.ended += u32::from(self.batch.finish_if_complete(NOW_MS));
    }
}

proptest! {
    /// I6: the planner crashes and repeats itself, children end in any order and again, and are counted exactly.
    #[test]
    fn a_batch_counts_exactly_and_ends_once(
        children in 1..=3 * BATCH_SHARD_CHILDREN,
        crashes in prop::collection::vec(any::<bool>(), 12),
        early in prop::collection::vec(any::<bool>(), 12),
        endings in prop::collection::vec(any_ending(), 1..7),
        late_repetition in any::<bool>(),
    ) {
        let ending = |index: u32| endings[index as usize % endings.len()];
        let mut store = Store { batch: batch(Tolerance::NONE), shards: BTreeMap::new(), ended: 0 };
        let shards: Vec<_> = (0..children.div_ceil(BATCH_SHARD_CHILDREN))
            .map(|n| shard(n, (children - n * BATCH_SHARD_CHILDREN).min(BATCH_SHARD_CHILDREN)))
            .collect();
        let indexes = |planned: &PlannedShard| planned.first_index()..planned.first_index() + planned.children;
        let (mut crashes, mut early) = (crashes.into_iter().chain([false; 12]), early.into_iter().chain([false; 12]));
        for planned in &shards {
            loop {
                store.open_shard(planned);
                if early.next().unwrap_or(false) {
                    indexes(planned).rev().for_each(|index| store.mark(index, ending(index)));
                }
                // A crash here leaves the shard open, and the planner begins it again.
                if !crashes.next().unwrap_or(false) {
                    break;
                }
            }
            store.batch.advance(planned, Some(planned.number.to_string()));
        }
        if late_repetition {
            store.open_shard(&shards[0]);
            store.batch.advance(&shards[0], Some("0".into()));
        }
        let cursor = shards.last().map(|planned| planned.number.to_string());
        prop_assert_eq!((store.batch.planned, &store.batch.cursor), (children, &cursor));
        store.end_planning();
        for _ in 0..2 {
            shards.iter().flat_map(indexes).for_each(|index| store.mark(index, ending(index)));
            store.end_planning();
        }
        prop_assert_eq!(store.ended, 1);
        prop_assert_eq!(store.batch.counts.finished(), children);
        let succeeded = (0..children).filter(|index| ending(*index) == JobStatus::Succeeded).count();
        prop_assert_eq!(store.batch.counts.succeeded as usize, succeeded);
        prop_assert_eq!(store.batch.status == JobStatus::Succeeded, succeeded as u32 == children);
    }
}
