//! One configuration for all clients of a process, and the clients, each made when it is first used.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use tokio::sync::OnceCell;

/// The SDK repeats a call that failed in transport or was throttled; nothing above it does.
const ATTEMPTS: u32 = 4;
/// A connection that is not there by then never will be.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// One try of an ordinary call. Long polls and invokes state their own.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Emulators keep regions apart, so everybody must mean the same.
const EMULATED_REGION: &str = "us-east-1";

/// The clients of a process. Share it by reference or in an `Arc`.
#[derive(Debug)]
pub struct Session {
    config: SdkConfig,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    eventbridge: OnceLock<aws_sdk_eventbridge::Client>,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
}

impl Session {
    /// Reads region, credentials and endpoint as every AWS tool does; `AWS_ENDPOINT_URL` names another endpoint.
    pub async fn from_env() -> Self {
        Self::configured(aws_config::defaults(BehaviorVersion::latest())).await
    }

    /// As [`Session::from_env`], but with these where they are given.
    pub async fn with(region: Option<String>, endpoint: Option<String>) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = region {
            loader = loader.region(aws_config::Region::new(region));
        }
        if let Some(endpoint) = endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        Self::configured(loader).await
    }

    /// A session with an emulator of AWS at `endpoint`, which takes any credentials.
    pub async fn emulated(endpoint: String) -> Self {
        let any = Credentials::new("test", "test", None, None, "any");
        let loader = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(any);
        let region = aws_config::Region::from_static(EMULATED_REGION);
        Self::configured(loader.region(region).endpoint_url(endpoint)).await
    }

    async fn configured(loader: aws_config::ConfigLoader) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT);
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        let config = loader.retry_config(retries).timeout_config(timeouts.build()).load().await;
        Self {
            config,
            dynamodb: OnceLock::new(),
            sqs: OnceLock::new(),
            s3: OnceLock::new(),
            eventbridge: OnceLock::new(),
            lambda: OnceLock::new(),
            logs: OnceLock::new(),
            ssm: OnceLock::new(),
        }
    }

    /// The region, if one is configured.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    pub(crate) fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.dynamodb.get_or_init(|| aws_sdk_dynamodb::Client::new(&self.config))
    }

    pub(crate) fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.ssm.get_or_init(|| aws_sdk_ssm::Client::new(&self.config))
    }

    pub(crate) fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.sqs.get_or_init(|| aws_sdk_sqs::Client::new(&self.config))
    }

    pub(crate) fn eventbridge(&self) -> &aws_sdk_eventbridge::Client {
        self.eventbridge.get_or_init(|| aws_sdk_eventbridge::Client::new(&self.config))
    }

    pub(crate) fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.lambda.get_or_init(|| aws_sdk_lambda::Client::new(&self.config))
    }

    pub(crate) fn logs(&self) -> &aws_sdk_cloudwatchlogs::Client {
        self.logs.get_or_init(|| aws_sdk_cloudwatchlogs::Client::new(&self.config))
    }

    pub(crate) fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            let mut config = aws_sdk_s3::config::Builder::from(&self.config);
            if self.config.endpoint_url().is_some() {
                // Another endpoint has no host name for each bucket.
                config.set_force_path_style(Some(true));
            }
            aws_sdk_s3::Client::from_conf(config.build())
        })
    }
}

/// A session that is made when something first calls AWS: a process that never does starts without looking for a region
/// or credentials. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct LazySession {
    region: Option<String>,
    endpoint: Option<String>,
    session: Arc<OnceCell<Arc<Session>>>,
}

impl LazySession {
    /// Will be made as [`Session::with`] makes it.
    pub fn with(region: Option<String>, endpoint: Option<String>) -> Self {
        Self { region, endpoint, session: Arc::default() }
    }

    /// The session, made by the first call.
    pub async fn get(&self) -> Arc<Session> {
        let make = || async { Arc::new(Session::with(self.region.clone(), self.endpoint.clone()).await) };
        Arc::clone(self.session.get_or_init(make).await)
    }
}

impl From<Arc<Session>> for LazySession {
    fn from(session: Arc<Session>) -> Self {
        Self { region: None, endpoint: None, session: Arc::new(OnceCell::new_with(Some(session))) }
    }
}
