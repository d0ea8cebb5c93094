//! The HTTP clients of a process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gantz_core::host::Clock;
use tokio::sync::OnceCell;

use super::guard::PublicResolver;

/// A host that does not take a connection in this time is down, or drops our packets.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections are dropped before common servers drop them: some do after 20 s, and a frozen Lambda would not notice.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("gantz/", env!("CARGO_PKG_VERSION"));

/// What sends requests: one per process, shared by all its tools. A clone is the same client.
///
/// Nothing is set up before the first request, as reading the machine's certificates takes time.
#[derive(Clone)]
pub struct HttpClient(Arc<Clients>);

struct Clients {
    clock: Clock,
    // Two clients rather than one, as each has a pool: a connection that one tool may make to a private address must
    // not be there for another tool to use.
    public: OnceCell<reqwest::Client>,
    anywhere: OnceCell<reqwest::Client>,
}

/// Where a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tools) enum Reach {
    /// To public addresses.
    Public,
    /// To any address: the manifest lists the host.
    Anywhere,
}

impl HttpClient {
    /// A client. The clock is for servers that say at what time to come back.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Clients { clock, public: OnceCell::new(), anywhere: OnceCell::new() }))
    }

    pub(in crate::tools) async fn with_reach(&self, reach: Reach) -> reqwest::Result<&reqwest::Client> {
        let cell = match reach {
            Reach::Public => &self.0.public,
            Reach::Anywhere => &self.0.anywhere,
        };
        cell.get_or_try_init(async || build(reach)).await
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

fn build(reach: Reach) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        // A proxy would resolve names itself, out of the guard's sight.
        .no_proxy()
        // Redirects pass the guard again, so we follow them ourselves; retries are the job's business.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never());
    match reach {
        Reach::Public => builder.dns_resolver(PublicResolver).build(),
        Reach::Anywhere => builder.build(),
    }
}
