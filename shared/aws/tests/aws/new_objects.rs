//! Marks of objects in DynamoDB keep the port's contract.

use std::sync::Arc;

use gantz_aws::NewObjects;

use crate::support::{Fleet, env};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_objects_keep_their_contract() {
    let fleet = Fleet::start().await;
    let port = NewObjects::new(fleet.session(), fleet.settings());
    gantz_testkit::new_objects::run(Arc::new(port), env()).await;
}
