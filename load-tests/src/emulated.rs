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
    settings: Arc<Settings>,
}

impl Emulator {
    /// Starts it, having installed it if need be.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let ministack = Ministack::start(&[]);
        let settings = Settings {
            table: "gantz".into(),
            bucket: "gantz-blobs".into(),
            event_bus: "gantz".into(),
            queue_url_prefix: format!("{}/000000000000/gantz-", ministack.endpoint),
        };
        let config = config(&ministack.endpoint).await;
        create_table(&Session::emulated(ministack.endpoint.clone()).await, &settings.table).await?;
        let events = aws_sdk_eventbridge::Client::new(&config);
        events.create_event_bus().name(&settings.event_bus).send().await?;
        let queue = format!("gantz-{}", QueueName::Lane(Lane::default_lane()));
        aws_sdk_sqs::Client::new(&config).create_queue().queue_name(queue).send().await?;
        Ok(Self { ministack, settings: Arc::new(settings) })
    }

    /// The ports of one more process.
    pub(crate) async fn connect(&self) -> Ports {
        let session = Session::emulated(self.ministack.endpoint.clone()).await;
        connect(Arc::new(session), Arc::clone(&self.settings), machine::clock())
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
