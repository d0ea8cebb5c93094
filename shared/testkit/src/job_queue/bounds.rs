use gantz_core::ports::{EntryError, NewMessage, PortError, PortResult, Receipt};

use super::{Input, Subject, message};
use crate::suite::Suite;

pub(super) async fn cases(suite: &mut Suite<super::Backend>) {
    suite.case(a_full_batch_is_sent_and_deleted).await;
    suite.case(too_many_messages_are_refused_by_name_of_the_bound).await;
    suite.case(too_many_receipts_are_refused_by_name_of_the_bound).await;
    suite.case(the_largest_body_arrives).await;
    suite.case(a_body_too_large_fails_alone).await;
    suite.case(a_delay_too_long_fails_alone).await;
    suite.case(bodies_too_large_together_are_sent_or_refused).await;
}

async fn a_full_batch_is_sent_and_deleted(case: Input) {
    let q = Subject::new(&case).await;
    let bodies: Vec<_> = (0..q.port.limits().batch).map(|n| format!("body {n}")).collect();
    q.send(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let held = q.hold_many(bodies.len()).await;
    let receipts: Vec<_> = held.into_iter().map(|message| message.receipt).collect();
    let answers = q.port.delete(&q.lane, receipts).await.unwrap();
    assert_eq!(answers, vec![Ok(()); bodies.len()]);
}

fn assert_names_bound(answer: &PortResult<Vec<Result<(), EntryError>>>, bound: usize) {
    match answer {
        Err(PortError::Permanent(text)) => {
            assert!(text.contains(&bound.to_string()), "`{text}` does not name the bound {bound}");
        }
        other => panic!("expected a permanent error, got {other:?}"),
    }
}

async fn too_many_messages_are_refused_by_name_of_the_bound(case: Input) {
    let q = Subject::new(&case).await;
    let bound = q.port.limits().batch;
    let answer = q.port.send(&q.lane, vec![message("one too many"); bound + 1]).await;
    assert_names_bound(&answer, bound);
    q.assert_empty(&q.lane).await;
}

async fn too_many_receipts_are_refused_by_name_of_the_bound(case: Input) {
    let q = Subject::new(&case).await;
    let bound = q.port.limits().batch;
    q.send(&["kept"]).await;
    let held = q.hold().await;
    let receipts: Vec<Receipt> = vec![held.receipt.clone(); bound + 1];
    assert_names_bound(&q.port.delete(&q.lane, receipts).await, bound);
    assert!(q.port.extend(&q.lane, &held.receipt, super::HELD_MS).await.unwrap(), "it was deleted");
}

async fn the_largest_body_arrives(case: Input) {
    let q = Subject::new(&case).await;
    let body = "x".repeat(q.port.limits().body_bytes);
    q.send(&[&body]).await;
    assert!(q.hold().await.body == body, "the body changed");
}

/// Sends `bad` between two good messages: it alone fails, and as the sender's fault.
async fn assert_fails_alone(q: &Subject, bad: NewMessage) {
    let answers = q.port.send(&q.lane, vec![message("a"), bad, message("b")]).await.unwrap();
    match &answers[..] {
        [Ok(()), Err(error), Ok(())] => assert!(error.sender_fault, "{error}"),
        other => panic!("{other:?}"),
    }
    let mut bodies = [q.hold().await.body, q.hold().await.body];
    bodies.sort_unstable();
    assert_eq!(bodies, ["a", "b"]);
    q.assert_empty(&q.lane).await;
}

async fn a_body_too_large_fails_alone(case: Input) {
    let q = Subject::new(&case).await;
    let body = "x".repeat(q.port.limits().body_bytes + 1);
    assert_fails_alone(&q, message(&body)).await;
}

async fn a_delay_too_long_fails_alone(case: Input) {
    let q = Subject::new(&case).await;
    let delay_ms = q.port.limits().delay_ms + case.env.ticks(1);
    assert_fails_alone(&q, NewMessage { delay_ms, ..message("late") }).await;
}

/// A queue may take more than it promises, but never half of it.
async fn bodies_too_large_together_are_sent_or_refused(case: Input) {
    let q = Subject::new(&case).await;
    let limits = q.port.limits();
    let body = "x".repeat(limits.body_bytes / 2 + 1);
    match q.port.send(&q.lane, vec![message(&body), message(&body)]).await {
        Ok(answers) => {
            assert_eq!(answers, [Ok(()), Ok(())]);
            q.hold_many(2).await;
        }
        refused => {
            assert_names_bound(&refused, limits.body_bytes);
            q.assert_empty(&q.lane).await;
        }
    }
}
