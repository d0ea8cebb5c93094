use super::{HELD_MS, Input, Subject};
use crate::suite::Suite;

pub(super) async fn cases(suite: &mut Suite<super::Backend>) {
    suite.case(a_held_message_is_invisible).await;
    suite.case(a_message_whose_holder_is_silent_comes_again).await;
    suite.case(postponed_by_nothing_comes_at_once).await;
    suite.case(postponed_comes_later).await;
    suite.case(postponing_counts_from_now).await;
    suite.case(extending_keeps_it_invisible).await;
    suite.case(a_stale_receipt_deletes_nothing).await;
    suite.case(a_stale_receipt_postpones_nothing).await;
    suite.case(a_stale_receipt_extends_nothing).await;
    suite.case(a_deleted_message_is_not_postponed_back_to_life).await;
}

async fn a_held_message_is_invisible(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["mine"]).await;
    q.hold().await;
    q.assert_empty(&q.lane).await;
}

async fn a_message_whose_holder_is_silent_comes_again(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["again"]).await;
    let first = q.take(&q.lane, case.env.ticks(1)).await;
    let second = q.hold().await;
    assert_eq!((&second.id, &second.body, second.sent_at_ms), (&first.id, &first.body, first.sent_at_ms));
    assert_eq!((first.receives, second.receives), (1, 2));
    assert_ne!(second.receipt, first.receipt);
}

async fn postponed_by_nothing_comes_at_once(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["back"]).await;
    let first = q.hold().await;
    q.postpone(&first.receipt, 0).await;
    assert_eq!(q.hold().await.receives, 2);
}

async fn postponed_comes_later(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["later"]).await;
    let first = q.hold().await;
    q.postpone(&first.receipt, HELD_MS).await;
    q.assert_empty(&q.lane).await;
    q.send(&["soon"]).await;
    let first = q.hold().await;
    assert_eq!(first.body, "soon");
    q.postpone(&first.receipt, case.env.ticks(1)).await;
    let second = q.hold().await;
    assert_eq!((second.body.as_str(), second.receives), ("soon", 2));
}

/// The delay replaces what was left of the visibility timeout, also where that makes it shorter.
async fn postponing_counts_from_now(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["held"]).await;
    let first = q.take(&q.lane, HELD_MS).await;
    let before_ms = case.env.now_ms();
    q.postpone(&first.receipt, case.env.ticks(1)).await;
    q.hold().await;
    assert!(case.env.now_ms() < before_ms + HELD_MS);
}

async fn extending_keeps_it_invisible(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["busy"]).await;
    let held = q.take(&q.lane, case.env.ticks(2)).await;
    assert!(q.port.extend(&q.lane, &held.receipt, HELD_MS).await.unwrap());
    case.env.advance(case.env.ticks(3)).await;
    q.assert_empty(&q.lane).await;
    assert!(q.port.extend(&q.lane, &held.receipt, HELD_MS).await.unwrap(), "the receipt stays current");
    q.delete(&held.receipt).await;
    assert!(!q.port.extend(&q.lane, &held.receipt, HELD_MS).await.unwrap(), "deleted");
}

async fn a_stale_receipt_deletes_nothing(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["mine now"]).await;
    let (stale, current) = q.outdated().await;
    q.delete(&stale).await;
    assert!(q.port.extend(&q.lane, &current.receipt, HELD_MS).await.unwrap(), "it was deleted");
}

async fn a_stale_receipt_postpones_nothing(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["mine now"]).await;
    let (stale, current) = q.outdated().await;
    q.postpone(&stale, 0).await;
    q.assert_empty(&q.lane).await;
    assert!(q.port.extend(&q.lane, &current.receipt, HELD_MS).await.unwrap(), "it was taken away");
}

async fn a_stale_receipt_extends_nothing(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["mine now"]).await;
    let (stale, current) = q.outdated().await;
    assert!(!q.port.extend(&q.lane, &stale, HELD_MS).await.unwrap());
    q.postpone(&current.receipt, 0).await;
    q.hold().await;
}

async fn a_deleted_message_is_not_postponed_back_to_life(case: Input) {
    let q = Subject::new(&case).await;
    q.send(&["gone"]).await;
    let held = q.hold().await;
    q.delete(&held.receipt).await;
    q.postpone(&held.receipt, 0).await;
    case.env.advance(case.env.ticks(1)).await;
    q.assert_empty(&q.lane).await;
}
