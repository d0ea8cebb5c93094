//! Watermarks in DynamoDB: read back as saved, and replaced only by whoever has seen the last one.

use crate::support::Fleet;
use gantz_aws::Watermarks;
use gantz_core::ports::{Watermark, Watermarks as _};

fn mark(until_ms: u64, cursor: Option<&str>, running_until_ms: Option<u64>) -> Watermark {
    Watermark { until_ms, cursor: cursor.map(str::to_owned), running_until_ms }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watermarks_keep_their_contract() {
    let fleet = Fleet::start().await;
    let port = Watermarks::new(fleet.session(), fleet.settings());
    assert_eq!(port.get("nightly").await.unwrap(), None);

    // The life of two runs, each value replaced by the next.
    let life = [
        mark(0, Some("a/größe +%"), Some(1_700_000_000_000)),
        mark(0, Some("b"), Some(1_700_000_000_000)),
        mark(1_700_000_000_000, None, None),
        mark(1_700_000_000_000, None, Some(1_700_000_060_000)),
        mark(1_700_000_060_000, None, None),
    ];
    let mut seen: Option<Watermark> = None;
    for next in &life {
        // Whoever expects anything else than what is there changes nothing.
        let wrong: Vec<Option<&Watermark>> =
            life.iter().map(Some).chain([None]).filter(|other| *other != seen.as_ref()).collect();
        for expected in wrong {
            assert!(!port.save("nightly", expected, next).await.unwrap(), "{seen:?} is not {expected:?}");
            assert_eq!(port.get("nightly").await.unwrap(), seen);
        }
        assert!(port.save("nightly", seen.as_ref(), next).await.unwrap(), "{seen:?}");
        seen = port.get("nightly").await.unwrap();
        assert_eq!(seen.as_ref(), Some(next));
    }
    assert_eq!(port.get("weekly").await.unwrap(), None, "scans do not share");

    one_of_many_wins(&port).await;
}

async fn one_of_many_wins(port: &Watermarks) {
    let marks: Vec<Watermark> = (1..=20).map(|until_ms| mark(until_ms, None, None)).collect();
    let saves = marks.iter().map(|mark| port.save("contended", None, mark));
    let saved: Vec<bool> = futures_util::future::try_join_all(saves).await.unwrap();
    let winners: Vec<&Watermark> =
        marks.iter().zip(saved).filter_map(|(mark, saved)| saved.then_some(mark)).collect();
    assert_eq!(winners, [&port.get("contended").await.unwrap().unwrap()]);
}
