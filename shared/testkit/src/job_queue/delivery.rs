use gantz_core::ports::{NewMessage, Receive};

use super::{HELD_MS, Input, Subject, message};
use crate::suite::Suite;

pub(super) async fn cases(suite: &mut Suite<super::Backend>) {
    suite.case(a_sent_message_arrives_as_it_was).await;
    suite.case(every_character_of_a_body_survives).await;
    suite.case(a_call_receives_no_more_than_it_asked_for).await;
    suite.case(queues_are_apart).await;
    suite.case(messages_of_every_group_come).await;
    suite.case(a_delayed_message_comes_later).await;
    suite.case(a_delayed_message_is_held_like_any_other).await;
    suite.case(an_empty_queue_answers_after_the_wait).await;
    suite.case(a_waiting_receiver_wakes_when_a_message_is_sent).await;
    suite.case(a_deleted_message_is_gone).await;
    suite.case(deleting_again_is_no_error).await;
    suite.case(depth_tells_where_messages_are).await;
}

async fn a_sent_message_arrives_as_it_was(case: Input) {
    let q = Subject::new(&case).await;
    let before_ms = case.env.now_ms();
    q.send(&["hello"]).await;
    let received = q.hold().await;
    assert_eq!((received.body.as_str(), received.receives), ("hello", 1));
    assert_eq!(received.dead_reason, None);
    assert!(!received.id.is_empty());
    // A service's clock is not ours.
    assert!(received.sent_at_ms.abs_diff(before_ms) < 60_000, "sent at {}", received.sent_at_ms);
}

async fn every_character_of_a_body_survives(case: Input) {
    let q = Subject::new(&case).await;
    let body = "{\"größe\": \"\\u0000 \\\" 'a' <b> & %20+\", \"𝄞\": [1e300, -0.0]}\r\n\t";
    q.send(&[body]).await;
    assert_eq!(q.hold().await.body, body);
}

async fn a_call_receives_no_more_than_it_asked_for(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["a", "b", "c", "d", "e"]).await;
    let ask = Receive { max: 3, visibility_ms: HELD_MS, wait_ms: case.env.ticks(1) };
    let first = q.port.receive(&q.lane, ask).await.unwrap();
    assert!((1..=3).contains(&first.len()), "{} messages", first.len());
    let rest = q.hold_many(5 - first.len()).await;
    let mut bodies: Vec<_> = first.iter().chain(&rest).map(|message| message.body.as_str()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["a", "b", "c", "d", "e"]);
    q.assert_empty(&q.lane).await;
}

async fn queues_are_apart(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["here"]).await;
    q.assert_empty(&q.dead).await;
    assert_eq!(q.hold().await.body, "here");
}

async fn messages_of_every_group_come(case: Input) {
    let q = Subject::new(&case).await;
    let groups = [("loud 1", "loud"), ("loud 2", "loud"), ("quiet", "quiet.tenant_1-2"), ("nobody's", "")];
    let messages = groups.map(|(body, group)| {
        let group = (!group.is_empty()).then(|| group.to_owned());
        NewMessage { group, ..message(body) }
    });
    assert_eq!(q.port.send(&q.lane, messages.into()).await.unwrap(), vec![Ok(()); 4]);
    let mut bodies: Vec<_> = q.hold_many(4).await.into_iter().map(|message| message.body).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["loud 1", "loud 2", "nobody's", "quiet"]);
    q.assert_empty(&q.lane).await;
}

async fn a_delayed_message_comes_later(case: Input) {
    let q = Subject::new(&case).await;
    let delay_ms = case.env.ticks(1);
    let messages = [("later", delay_ms), ("much later", 600_000), ("now", 0)];
    let messages = messages.map(|(body, delay_ms)| NewMessage { delay_ms, ..message(body) });
    assert_eq!(q.port.send(&q.lane, messages.into()).await.unwrap(), [Ok(()), Ok(()), Ok(())]);
    let mut bodies = [q.hold().await.body, q.hold().await.body];
    bodies.sort_unstable();
    assert_eq!(bodies, ["later", "now"]);
    q.assert_empty(&q.lane).await;
}

async fn a_delayed_message_is_held_like_any_other(case: Input) {
    let q = Subject::new(&case).await;
    let delayed = NewMessage { delay_ms: case.env.ticks(1), ..message("later") };
    assert_eq!(q.port.send(&q.lane, vec![delayed]).await.unwrap(), [Ok(())]);
    let first = q.hold().await;
    assert_eq!(first.receives, 1);
    q.assert_empty(&q.lane).await;
    q.postpone(&first.receipt, case.env.ticks(1)).await;
    assert_eq!(q.hold().await.receives, 2);
    q.assert_empty(&q.lane).await;
}

async fn an_empty_queue_answers_after_the_wait(case: Input) {
    let q = Subject::new(&case).await;
    let (before_ms, wait_ms) = (case.env.now_ms(), case.env.ticks(1));
    let ask = Receive { max: 1, visibility_ms: HELD_MS, wait_ms };
    assert_eq!(q.port.receive(&q.lane, ask).await.unwrap(), []);
    // Clocks and timers round to milliseconds.
    assert!(case.env.now_ms() + 5 >= before_ms + wait_ms, "answered before the wait was over");
}

async fn a_waiting_receiver_wakes_when_a_message_is_sent(case: Input) {
    let q = Subject::new(&case).await;
    let before_ms = case.env.now_ms();
    let receiver = tokio::spawn({
        let q = q.clone();
        let ask = Receive { max: 1, visibility_ms: HELD_MS, wait_ms: 20_000 };
        async move { q.port.receive(&q.lane, ask).await }
    });
    case.env.advance(case.env.ticks(1)).await;
    q.send(&["good morning"]).await;
    let received = receiver.await.unwrap().unwrap();
    assert_eq!(received.len(), 1);
    assert!(case.env.now_ms() < before_ms + 15_000, "the receiver slept on");
}

async fn a_deleted_message_is_gone(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["a", "b"]).await;
    let held = q.hold_many(2).await;
    let receipts = held.iter().map(|message| message.receipt.clone()).collect();
    assert_eq!(q.port.delete(&q.lane, receipts).await.unwrap(), [Ok(()), Ok(())]);
    for message in held {
        q.postpone(&message.receipt, 0).await;
    }
    q.assert_empty(&q.lane).await;
    q.assert_empty(&q.dead).await;
}

async fn deleting_again_is_no_error(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["a", "b"]).await;
    let gone = q.hold().await;
    let held = q.hold().await;
    q.delete(&gone.receipt).await;
    let receipts = vec![gone.receipt.clone(), held.receipt.clone()];
    assert_eq!(q.port.delete(&q.lane, receipts).await.unwrap(), [Ok(()), Ok(())]);
    assert!(!q.port.extend(&q.lane, &held.receipt, HELD_MS).await.unwrap(), "the other one was deleted too");
}

async fn depth_tells_where_messages_are(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["a", "b", "c"]).await;
    let delayed = NewMessage { delay_ms: 600_000, ..message("d") };
    assert_eq!(q.port.send(&q.lane, vec![delayed]).await.unwrap(), [Ok(())]);
    q.hold().await;
    // Approximate, so nothing is known but that a queue's depth settles.
    for _ in 0..super::PATIENCE {
        let depth = q.port.depth(&q.lane).await.unwrap();
        if (depth.visible, depth.in_flight, depth.delayed) == (2, 1, 1) {
            return;
        }
        case.env.advance(case.env.ticks(1)).await;
    }
    panic!("two visible, one held, one delayed, but the depth is {:?}", q.port.depth(&q.lane).await);
}
