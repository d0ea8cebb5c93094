//! What ends without success keeps its parameters, so that it can be done again.

use gantz_core::envelope::Parameters;
use gantz_core::job::JobStatus;
use gantz_core::lifecycle::CancelVerdict;
use gantz_core::limits::{KEPT_PARAMETERS_MAX_BYTES, PARAMETERS_MAX_BYTES};
use gantz_dispatcher::Retried;
use gantz_workers::Phase;
use serde_json::{Value, json};

use crate::fleet::Fleet;

const STEADY: (&str, &str) = ("steady", "retry: {max_attempts: 1}");

#[tokio::test(start_paused = true)]
async fn small_ones_in_the_row_and_large_ones_in_a_blob() {
    let fleet = Fleet::new(&[STEADY]);
    let small = json!({"mode": "fail_permanent"});
    let large = json!({"mode": "fail_permanent", "text": "x".repeat(KEPT_PARAMETERS_MAX_BYTES)});
    let fails = [fleet.submit("steady", small.clone()).await, fleet.submit("steady", large.clone()).await];
    let succeeds = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let team = fleet.start("worker", 4);
    fleet.all_is_settled().await;

    assert_eq!(fleet.row(&fails[0]).await.parameters, Some(Parameters::Inline(small)));
    let Some(Parameters::Ref(reference)) = fleet.row(&fails[1]).await.parameters else { unreachable!() };
    let blob = fleet.ports.blobs.get(&reference, PARAMETERS_MAX_BYTES).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&blob).unwrap(), large);
    assert_eq!(fleet.row(&succeeds).await.parameters, None);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_one_gets_them_from_its_message_and_succeeds_again() {
    let fleet = Fleet::new(&[STEADY]);
    let parameters = json!({"mode": "succeed"});
    let id = fleet.submit("steady", parameters.clone()).await;
    let verdict = fleet.dispatcher.cancel(&id).await.unwrap();
    assert!(matches!(verdict, CancelVerdict::Ended(_)), "{verdict:?}");
    let refused = fleet.dispatcher.retry(&id, false).await.unwrap_err();
    assert!(refused.to_string().contains("its parameters are not kept"), "{refused}");

    let team = fleet.start("worker", 4);
    fleet.all_is_settled().await;
    assert_eq!(fleet.row(&id).await.parameters, Some(Parameters::Inline(parameters)));

    let again = match fleet.dispatcher.retry(&id, false).await.unwrap() {
        Retried::Job(again) => again.record.id,
        Retried::Batch(batch) => panic!("{batch:?}"),
    };
    let row = fleet.finished(&again).await;
    assert_eq!((row.status, &row.retry_of), (JobStatus::Succeeded, &Some(id.clone())));
    assert_eq!(row.effect_key(), &id, "to a provider it is the same effect");
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}
