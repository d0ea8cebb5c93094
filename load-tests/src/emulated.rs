//! What a fleet needs of AWS, at an emulator.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::Credentials;
use gantz_aws::table::create_table;
use gantz_aws::{Session, Settings, connect};
use gantz_core::ids::{Lane, QueueName};
use gantz_core::ports::Ports;
use gantz_testkit::ministack::Ministack;
use gantz_workers::machine;

type Failure = Box<dyn std::error::Error>;

/// An emulator with a table, a bus and a lane's queue. It ends with this value.
pub(crate) struct Emulator {
    ministack: Ministack,
}

impl Emulator {
    /// Starts it, having installed it if need be.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let ministack = Ministack::start(&[]);
        let settings = settings(&ministack.endpoint);
        let config = config(&ministack.endpoint).await;
        create_table(&Session::emulated(ministack.endpoint.clone()).await, &settings.table).await?;
        let events = aws_sdk_eventbridge::Client::new(&config);
        events.create_event_bus().name(&settings.event_bus).send().await?;
        let queue = format!("gantz-{}", QueueName::Lane(Lane::default_lane()));
        aws_sdk_sqs::Client::new(&config).create_queue().queue_name(queue).send().await?;
        Ok(Self { ministack })
    }

    /// Where it listens, `http://HOST:PORT`.
    pub(crate) fn endpoint(&self) -> &str {
        &self.ministack.endpoint
    }
}

/// The ports of one more process, at the emulator that listens there.
pub(crate) async fn connect_to(endpoint: &str) -> Ports {
    let session = Session::emulated(endpoint.to_owned()).await;
    connect(Arc::new(session), Arc::new(settings(endpoint)), machine::clock())
}

fn settings(endpoint: &str) -> Settings {
    Settings {
        table: "gantz".into(),
        bucket: "gantz-blobs".into(),
        event_bus: "gantz".into(),
        queue_url_prefix: format!("{endpoint}/000000000000/gantz-"),
    }
}

async fn config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "any"))
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .load()
        .await
}
