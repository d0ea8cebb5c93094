//! A fleet's resources on an emulator of AWS of the test's own.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::config::{Credentials, Region};
use gantz_aws::table::create_table;
use gantz_aws::{Session, Settings};
use gantz_core::host::Clock;
use gantz_testkit::Env;
use gantz_testkit::ministack::Ministack;

/// SQS counts in seconds, and so do the suites.
const TICK_MS: u64 = 1_000;

/// Time passes by itself, as the emulator's does.
pub(crate) fn env() -> Env {
    #[expect(clippy::disallowed_methods, reason = "a runner brings the clock")]
    let now = || u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    Env::sleeping(Clock::new(now), TICK_MS)
}

/// An emulator with a table, a bucket and a bus. It ends with this value.
pub(crate) struct Fleet {
    ministack: Ministack,
    session: Arc<Session>,
    settings: Arc<Settings>,
    config: aws_config::SdkConfig,
}

impl Fleet {
    /// Starts the emulator and creates the resources.
    pub(crate) async fn start() -> Self {
        let ministack = Ministack::start(&[]);
        let endpoint = ministack.endpoint.clone();
        let settings = Settings {
            table: "gantz".into(),
            bucket: "gantz-blobs".into(),
            event_bus: "gantz".into(),
            queue_url_prefix: format!("{endpoint}/000000000000/gantz-"),
        };
        let config = aws_config::defaults(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("test", "test", None, None, "any"))
            .region(Region::from_static("us-east-1"))
            .endpoint_url(&endpoint)
            .load()
            .await;
        let session = Arc::new(Session::emulated(endpoint).await);
        let fleet = Self { ministack, session, settings: Arc::new(settings), config };
        fleet.create().await;
        fleet
    }

    async fn create(&self) {
        let settings = self.settings();
        create_table(&self.session(), &settings.table).await.unwrap();
        self.s3().create_bucket().bucket(&settings.bucket).send().await.unwrap();
        self.eventbridge().create_event_bus().name(&settings.event_bus).send().await.unwrap();
        let found = self.dynamodb().describe_table().table_name(&settings.table).send().await;
        let (endpoint, now_ms, log) = (self.endpoint(), env().now_ms(), self.ministack.log.display());
        assert!(found.is_ok(), "no table at {endpoint} at {now_ms} ms: see {log}");
        let queue = self.sqs().create_queue().queue_name("gantz-lane-default").send().await.unwrap();
        assert_eq!(queue.queue_url, Some(format!("{}lane-default", settings.queue_url_prefix)));
    }

    /// The emulator's address.
    pub(crate) fn endpoint(&self) -> &str {
        &self.ministack.endpoint
    }

    /// The session of the adapters under test.
    pub(crate) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// The names of the resources.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings)
    }

    /// A client of the test's own, as are those below: to see what the adapters wrote.
    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// See [`Fleet::dynamodb`].
    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// See [`Fleet::dynamodb`].
    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    /// See [`Fleet::dynamodb`].
    pub(crate) fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.config)
    }
}
