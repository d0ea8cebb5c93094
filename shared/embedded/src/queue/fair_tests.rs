//! A group waits for one message of each other group, whatever these have queued; and keeps its own order.

use std::collections::{BTreeMap, VecDeque};

use gantz_testkit::builders::NOW_MS;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{Directory, Settings};

fn lane() -> QueueName {
    QueueName::Lane(Lane::default_lane())
}

fn store(folder: &TempDir) -> Embedded {
    let clock = gantz_core::host::Clock::new(|| NOW_MS);
    Embedded::open(Directory::create(folder.path()).unwrap(), clock, Settings::default()).unwrap()
}

async fn send(store: &Embedded, group: &str, bodies: &[String]) {
    let message = |body: &String| NewMessage { group: Some(group.to_owned()), ..NewMessage::of(body) };
    let answers = store.send(&lane(), bodies.iter().map(message).collect()).await.unwrap();
    assert_eq!(answers, vec![Ok(()); bodies.len()]);
}

/// Receives so many and has done with them.
async fn receive(store: &Embedded, max: usize) -> Vec<String> {
    let ask = Receive { max, visibility_ms: 60_000, wait_ms: 0 };
    let messages = store.receive(&lane(), ask).await.unwrap();
    if messages.is_empty() {
        return Vec::new();
    }
    let receipts = messages.iter().map(|message| message.receipt.clone()).collect();
    store.delete(&lane(), receipts).await.unwrap();
    messages.into_iter().map(|message| message.body).collect()
}

/// Groups of which something is kept beside the queue's row.
async fn remembered(store: &Embedded) -> usize {
    store
        .writer
        .call(|connection| connection.query_row("SELECT count(*) FROM turns", [], |row| row.get(0)))
        .await
        .unwrap()
}

fn numbered(group: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("{group}{n}")).collect()
}

#[tokio::test]
async fn a_group_with_little_does_not_wait_for_one_with_much() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder);
    send(&store, "a", &numbered("a", 0..6)).await;
    assert_eq!(receive(&store, 1).await, ["a0"]);
    assert_eq!(remembered(&store).await, 0, "one group costs nothing");
    send(&store, "b", &numbered("b", 0..2)).await;
    send(&store, "a", &numbered("a", 6..7)).await;
    send(&store, "c", &numbered("c", 0..1)).await;
    assert_eq!(receive(&store, 5).await, ["a1", "b0", "c0", "a2", "b1"]);
    send(&store, "b", &numbered("b", 2..3)).await;
    assert_eq!(receive(&store, 9).await, ["a3", "b2", "a4", "a5", "a6"]);
    send(&store, "b", &numbered("b", 3..4)).await;
    assert_eq!((receive(&store, 9).await, remembered(&store).await), (vec!["b3".to_owned()], 0));
}

/// What was set aside has no turn when it comes back; it comes behind those that waited meanwhile, and skips none.
#[tokio::test]
async fn what_comes_back_from_the_dead_letters_skips_nobody() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder);
    send(&store, "a", &numbered("a", 0..4)).await;
    let ask = Receive { max: 1, visibility_ms: 60_000, wait_ms: 0 };
    let first = store.receive(&lane(), ask).await.unwrap().remove(0);
    store.quarantine(&lane(), &first, "for the test").await.unwrap();
    send(&store, "b", &numbered("b", 0..1)).await;
    assert_eq!(store.redrive(&Lane::default_lane(), 10).await.unwrap(), 1);
    assert_eq!(receive(&store, 4).await, ["a1", "b0", "a2", "a3"]);
    assert_eq!(receive(&store, 4).await, ["a0"]);
}

#[derive(Debug, Clone)]
enum Step {
    Send(u8, usize),
    Receive(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8, 1..8_usize).prop_map(|(group, count)| Step::Send(group, count)),
        (1..8_usize).prop_map(Step::Receive),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_comes_and_goes(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&steps));
    }
}

/// What is still to be received of each group, with what had been received of each other group when it was sent.
type Waiting = BTreeMap<String, VecDeque<(String, usize, BTreeMap<String, usize>)>>;

async fn check(steps: &[Step]) {
    let folder = TempDir::new().unwrap();
    let store = store(&folder);
    let (mut waiting, mut gone) = (Waiting::new(), BTreeMap::<String, usize>::new());
    let mut sent = 0;
    for step in steps {
        match step {
            Step::Send(group, count) => {
                let name = ((b'a' + group) as char).to_string();
                let bodies = numbered(&name, sent..sent + count);
                sent += count;
                send(&store, &name, &bodies).await;
                let queue = waiting.entry(name).or_default();
                for body in bodies {
                    queue.push_back((body, queue.len(), gone.clone()));
                }
            }
            Step::Receive(max) => note(receive(&store, *max).await, &mut waiting, &mut gone),
        }
    }
    note(receive(&store, 256).await, &mut waiting, &mut gone);
    assert!(waiting.values().all(VecDeque::is_empty), "never received: {waiting:?}");
    send(&store, "e", &numbered("e", 0..1)).await;
    assert_eq!(remembered(&store).await, 0, "an empty queue remembers nobody");
}

fn note(bodies: Vec<String>, waiting: &mut Waiting, gone: &mut BTreeMap<String, usize>) {
    for body in bodies {
        let group = body[..1].to_owned();
        let (expected, before_it, gone_then) = waiting.get_mut(&group).unwrap().pop_front().unwrap();
        assert_eq!(body, expected, "a group keeps its order");
        for (other, count) in gone.iter().filter(|(other, _)| **other != group) {
            let overtook = count - gone_then.get(other).unwrap_or(&0);
            assert!(
                overtook <= before_it + 2,
                "{body} had {before_it} of its own before it, and waited for {overtook} of {other}"
            );
        }
        *gone.entry(group).or_default() += 1;
    }
}
