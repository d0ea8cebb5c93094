use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use gantz_core::ports::Receive;

use super::{HELD_MS, Input, PATIENCE, Subject};
use crate::random::Random;
use crate::suite::Suite;
use crate::together::together;

const RECEIVERS: usize = 8;

pub(super) async fn cases(suite: &mut Suite<super::Backend>) {
    suite.case(receivers_never_hold_the_same_message).await;
    suite.case(one_message_wakes_one_of_many_receivers).await;
    suite.case(senders_at_once_lose_nothing).await;
    suite.case(every_message_ends_once_whatever_its_holders_do).await;
}

async fn receivers_never_hold_the_same_message(case: Input) {
    let q = Subject::new(&case).await;
    let sent: BTreeSet<_> = (0..40).map(|n| format!("body {n}")).collect();
    for body in &sent {
        q.send(&[body]).await;
    }
    let shares = together((0..RECEIVERS).map(|_| drain(q.clone()))).await;
    let received: Vec<_> = shares.concat();
    if q.exclusive {
        assert_eq!(received.len(), sent.len(), "messages received");
    }
    assert_eq!(received.into_iter().collect::<BTreeSet<_>>(), sent);
}

/// Takes and keeps messages until none has come for a tick.
async fn drain(q: Subject) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let ask = Receive { max: 3, visibility_ms: HELD_MS, wait_ms: q.env.ticks(1) };
        let messages = q.port.receive(&q.lane, ask).await.unwrap();
        if messages.is_empty() {
            return bodies;
        }
        bodies.extend(messages.into_iter().map(|message| message.body));
    }
}

async fn one_message_wakes_one_of_many_receivers(case: Input) {
    let q = Subject::new(&case).await;
    let receivers = (0..RECEIVERS).map(|_| {
        let q = q.clone();
        let ask = Receive { max: 3, visibility_ms: HELD_MS, wait_ms: q.env.ticks(3) };
        async move { q.port.receive(&q.lane, ask).await.unwrap().len() }
    });
    let sender = async {
        case.env.advance(case.env.ticks(1)).await;
        q.send(&["for one"]).await;
    };
    let (received, ()) = tokio::join!(together(receivers), sender);
    let received: usize = received.iter().sum();
    assert!(if q.exclusive { received == 1 } else { received >= 1 }, "{received} received it");
}

async fn senders_at_once_lose_nothing(case: Input) {
    let q = Subject::new(&case).await;
    let senders = (0..RECEIVERS).map(|n| {
        let q = q.clone();
        async move { q.send(&[&format!("{n} a"), &format!("{n} b")]).await }
    });
    together(senders).await;
    let mut bodies = BTreeSet::new();
    for _ in 0..PATIENCE {
        bodies.extend(drain(q.clone()).await);
        if bodies.len() == 2 * RECEIVERS {
            return;
        }
    }
    panic!("{} messages of {} arrived", bodies.len(), 2 * RECEIVERS);
}

/// Holders delete, postpone and hand back at random; a message is never with two of them, and each ends deleted or dead.
async fn every_message_ends_once_whatever_its_holders_do(case: Input) {
    let q = Subject::new(&case).await;
    let sent: BTreeSet<_> = (0..30).map(|n| format!("body {n}")).collect();
    for body in &sent {
        q.send(&[body]).await;
    }
    let held = Arc::new(Mutex::new(BTreeSet::new()));
    let holders = (0..4).map(|seed| live(q.clone(), Arc::clone(&held), Random::new(seed)));
    let deleted = together(holders).await.concat();
    let mut ended: BTreeSet<_> = deleted.iter().cloned().collect();
    let mut dead = 0;
    while ended.len() < sent.len() {
        ended.insert(q.take(&q.dead, HELD_MS).await.body);
        dead += 1;
    }
    assert_eq!(ended, sent, "{} deleted, {dead} dead", deleted.len());
    if q.exclusive {
        assert_eq!(deleted.len() + dead, sent.len(), "messages ended twice");
        q.assert_empty(&q.dead).await;
    }
}

/// Works until nothing has come for three ticks, and returns what it deleted.
async fn live(q: Subject, held: Arc<Mutex<BTreeSet<String>>>, mut random: Random) -> Vec<String> {
    let mut deleted = Vec::new();
    loop {
        let ask = Receive { max: 2, visibility_ms: HELD_MS, wait_ms: q.env.ticks(3) };
        let messages = q.port.receive(&q.lane, ask).await.unwrap();
        if messages.is_empty() {
            return deleted;
        }
        for message in &messages {
            let alone = held.lock().unwrap().insert(message.id.clone());
            assert!(alone || !q.exclusive, "`{}` is with two holders", message.body);
        }
        for message in messages {
            tokio::task::yield_now().await;
            held.lock().unwrap().remove(&message.id);
            match random.below(4) {
                0 => q.postpone(&message.receipt, 0).await,
                1 => q.postpone(&message.receipt, q.env.ticks(1)).await,
                _ => {
                    q.delete(&message.receipt).await;
                    deleted.push(message.body);
                }
            }
        }
    }
}
