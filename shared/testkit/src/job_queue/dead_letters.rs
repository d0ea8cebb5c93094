use gantz_core::ports::Receipt;

use super::{HELD_MS, Input, Subject};
use crate::suite::Suite;

pub(super) async fn cases(suite: &mut Suite<super::Backend>) {
    suite.case(received_too_often_is_dead).await;
    suite.case(received_as_often_as_allowed_is_alive).await;
    suite.case(quarantine_moves_it_with_its_reason).await;
    suite.case(a_dead_letter_can_be_deleted).await;
    suite.case(a_stale_receipt_quarantines_nothing).await;
}

async fn received_too_often_is_dead(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["poison"]).await;
    for receive in 1..=q.max_receives {
        let held = q.hold().await;
        assert_eq!(held.receives, receive);
        q.postpone(&held.receipt, 0).await;
    }
    q.assert_empty(&q.lane).await;
    assert_eq!(q.take(&q.dead, HELD_MS).await.body, "poison");
    q.assert_empty(&q.lane).await;
}

/// The last receive is as good as the others: its holder may still delete the message.
async fn received_as_often_as_allowed_is_alive(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["slow"]).await;
    for _ in 1..q.max_receives {
        let held = q.hold().await;
        q.postpone(&held.receipt, 0).await;
    }
    let last = q.hold().await;
    assert_eq!(last.receives, q.max_receives);
    q.assert_empty(&q.dead).await;
    assert!(q.port.extend(&q.lane, &last.receipt, HELD_MS).await.unwrap());
    q.delete(&last.receipt).await;
    q.assert_empty(&q.lane).await;
    q.assert_empty(&q.dead).await;
}

async fn quarantine_moves_it_with_its_reason(case: Input) {
    let q = Subject::new(&case).await;
    let reason = "the message is no envelope: expected value at line 1, »größer«\nand more";
    q.send(&["not json"]).await;
    let held = q.hold().await;
    q.port.quarantine(&q.lane, &held, reason).await.unwrap();
    let dead = q.take(&q.dead, HELD_MS).await;
    assert_eq!((dead.body.as_str(), dead.dead_reason.as_deref()), ("not json", Some(reason)));
    q.postpone(&held.receipt, 0).await;
    case.env.advance(case.env.ticks(1)).await;
    q.assert_empty(&q.lane).await;
    q.assert_empty(&q.dead).await;
}

async fn a_dead_letter_can_be_deleted(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["a", "b"]).await;
    for _ in 0..2 {
        let held = q.hold().await;
        q.port.quarantine(&q.lane, &held, "looked at").await.unwrap();
    }
    let first = q.take(&q.dead, HELD_MS).await;
    assert_eq!(q.port.delete(&q.dead, vec![first.receipt]).await.unwrap(), [Ok(())]);
    let second = q.take(&q.dead, HELD_MS).await;
    assert_ne!(second.body, first.body);
    // A dead letter has no further queue to go to, however often it is looked at.
    let mut receipt: Receipt = second.receipt;
    for _ in 0..=q.max_receives {
        q.port.postpone(&q.dead, &receipt, 0, gantz_core::ports::Postponed::HandedBack).await.unwrap();
        receipt = q.take(&q.dead, HELD_MS).await.receipt;
    }
}

/// A worker that lost the message must not take it from the one who has it.
async fn a_stale_receipt_quarantines_nothing(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["mine now"]).await;
    let (stale, current) = q.outdated().await;
    let outdated = gantz_core::ports::Message { receipt: stale, ..current.clone() };
    // Whether that is an error is not said; that the message stays is.
    q.port.quarantine(&q.lane, &outdated, "too late").await.ok();
    assert!(q.port.extend(&q.lane, &current.receipt, HELD_MS).await.unwrap(), "it was taken away");
}
