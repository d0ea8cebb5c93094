//! The bucket that functions are made from is ours, and closed.

use std::sync::Arc;

use crate::support::Fleet;
use gantz_aws::Session;
use gantz_aws::stack::Artifacts;
use gantz_core::ports::PortError;
use gantz_testkit::scripted::{Answer, Scripted};
use gantz_testkit::wire::Relay;

const ACCOUNT: &str = "000000000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_closed_by_every_deployment_and_asked_whose_it_is() {
    let fleet = Fleet::start().await;
    let relay = Relay::before(fleet.endpoint());
    let session = Arc::new(Session::emulated(relay.endpoint.clone()).await);
    let artifacts = Artifacts::open(Arc::clone(&session)).await.unwrap();
    assert_eq!(
        (artifacts.account(), artifacts.bucket()),
        (ACCOUNT, "gantz-artifacts-000000000000-us-east-1")
    );
    assert!(!artifacts.has("gantz/a.zip").await.unwrap());
    artifacts.put("gantz/a.zip", b"a".to_vec()).await.unwrap();
    assert!(artifacts.has("gantz/a.zip").await.unwrap());

    let (s3, bucket) = (fleet.s3(), artifacts.bucket());
    let rules = s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await.unwrap();
    let ids: Vec<_> = rules.rules().iter().filter_map(|rule| rule.id()).collect();
    assert_eq!(ids, ["unfinished-uploads", "templates"]);

    // As an earlier deployment leaves it that ended between two calls.
    s3.delete_public_access_block().bucket(bucket).send().await.unwrap();
    Artifacts::open(session).await.unwrap();
    let closed = s3.get_public_access_block().bucket(bucket).send().await.unwrap();
    let closed = closed.public_access_block_configuration.unwrap();
    assert_eq!((closed.block_public_acls, closed.restrict_public_buckets), (Some(true), Some(true)));

    // All that is said to S3 but the making of the bucket: four heads and puts of objects and buckets, and what closes it.
    let asked = relay.count(&format!("x-amz-expected-bucket-owner: {ACCOUNT}"));
    assert_eq!(asked, (1 + 2) + (1 + 1 + 1) + (1 + 2));
}

#[tokio::test]
async fn a_bucket_that_somebody_else_has_is_not_used() {
    let identity = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
        <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let identity = Answer::Says(200, Vec::new(), identity.into());
    let scripted = Scripted::start([identity, Answer::Says(403, Vec::new(), Vec::new())]);
    let session = Arc::new(Session::emulated(scripted.endpoint.clone()).await);
    let error = Artifacts::open(session).await.unwrap_err();
    let PortError::Permanent(why) = &error else { panic!("{error}") };
    assert!(why.contains("is not the account 123456789012's"), "{why}");
    assert_eq!(scripted.requests().len(), 2, "nothing more was asked");
}
