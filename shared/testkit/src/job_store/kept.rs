use std::sync::Arc;

use gantz_core::envelope::Parameters;
use gantz_core::job::JobStatus;
use gantz_core::lifecycle::{FinishVerdict, GiveUpVerdict, KeepVerdict};
use gantz_core::ports::JobStore;
use serde_json::json;

use super::Input;
use crate::builders::{NOW_MS, claim, failed, held, record, succeeded};
use crate::suite::Suite;

pub(super) async fn cases(suite: &mut Suite<Arc<dyn JobStore>>) {
    suite.case(an_end_without_success_keeps_the_parameters).await;
    suite.case(parameters_are_kept_where_they_are_missing).await;
}

fn both() -> [Parameters; 2] {
    [
        Parameters::Inline(json!({"n": [u64::MAX, 0.1, -0.0, null], "text": "é\u{1}"})),
        Parameters::Ref("sha256-abc".into()),
    ]
}

async fn an_end_without_success_keeps_the_parameters(case: Input) {
    for (n, parameters) in both().into_iter().enumerate() {
        let ending = failed().keeping(Some(parameters.clone()));
        let row = record(&case.id(&format!("finished-{n}")));
        let running = case.claimed(claim(&row, "me", NOW_MS)).await;
        let finished = case.port.finish(&held(&running), ending.clone(), NOW_MS).await.unwrap();
        assert!(matches!(finished, FinishVerdict::Committed(_)), "{finished:?}");
        assert_eq!(case.row(&row.id).await.parameters, Some(parameters.clone()));

        let row = record(&case.id(&format!("given-up-{n}")));
        let verdict = case.port.give_up(row.clone(), 0, ending, NOW_MS).await.unwrap();
        assert!(matches!(verdict, GiveUpVerdict::Committed(_)), "{verdict:?}");
        assert_eq!(case.row(&row.id).await.parameters, Some(parameters));
    }
}

async fn parameters_are_kept_where_they_are_missing(case: Input) {
    for (n, parameters) in both().into_iter().enumerate() {
        let row = case.accepted(record(&case.id(&format!("job-{n}")))).await;
        let keep = || case.port.keep(&row.id, parameters.clone(), NOW_MS);
        assert_eq!(keep().await.unwrap(), KeepVerdict::Needless, "it has not ended");
        case.cancelled(&row).await;
        let KeepVerdict::Kept(kept) = keep().await.unwrap() else { panic!("it had none") };
        assert_eq!((kept.status, &kept.parameters), (JobStatus::Cancelled, &Some(parameters.clone())));
        assert_eq!(case.row(&row.id).await, *kept);
        assert_eq!(keep().await.unwrap(), KeepVerdict::Needless, "it has them");
    }
    let unknown = case.port.keep(&case.id("unknown"), both()[0].clone(), NOW_MS).await.unwrap();
    assert_eq!(unknown, KeepVerdict::Needless);
    let row = record(&case.id("succeeded"));
    let running = case.claimed(claim(&row, "me", NOW_MS)).await;
    let finished = case.port.finish(&held(&running), succeeded(), NOW_MS).await.unwrap();
    assert!(matches!(finished, FinishVerdict::Committed(_)), "{finished:?}");
    let verdict = case.port.keep(&row.id, both()[0].clone(), NOW_MS).await.unwrap();
    assert_eq!(verdict, KeepVerdict::Needless, "it succeeded");
}
