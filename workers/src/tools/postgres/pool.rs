//! Connections that are made when they are first needed, and used again.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::{
    Client, ClientWrapper, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use gantz_core::outcome::{ErrorKind, Failure};
use tokio::runtime::Handle;
use tokio_postgres::CancelToken;

use super::error::{self};
use super::settings::{Address, PostgresSettings};
use super::tls::Tls;

/// Connections of one process. A database has a hundred or so for everybody.
const CONNECTIONS_MAX: usize = 8;
/// For one of them to become free: longer, and the queue is the better place to wait.
const WAIT: Duration = Duration::from_secs(10);
/// For a new connection, its encryption and login.
const CONNECT: Duration = Duration::from_secs(5);
/// For an old one to answer before it is given up: it may have died while the process was frozen.
const RECYCLE: Duration = Duration::from_secs(2);
/// For telling the server to stop a statement that nobody waits for any more.
const CANCEL: Duration = Duration::from_secs(5);

/// A database's connections. Clones share them.
#[derive(Clone)]
pub(super) struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    config: tokio_postgres::Config,
    root_certificates: Option<std::path::PathBuf>,
    writes: bool,
    opened: OnceLock<Result<(Pool, Tls), String>>,
}

impl Database {
    /// Checks the settings; nothing is connected yet.
    pub(super) fn open(settings: PostgresSettings) -> Result<Self, String> {
        let writes = settings.writes();
        let Address { mut config, root_certificates } = settings.into_address()?;
        if config.get_application_name().is_none() {
            config.application_name("gantz");
        }
        config.connect_timeout(CONNECT);
        let shared = Shared { config, root_certificates, writes, opened: OnceLock::new() };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(super) fn writes(&self) -> bool {
        self.shared.writes
    }

    /// A connection that answers, for the caller alone.
    pub(super) async fn lease(&self) -> Result<Lease, Failure> {
        let opened = self.shared.opened.get_or_init(|| self.shared.pool());
        let (pool, tls) =
            opened.as_ref().map_err(|problem| Failure::permanent(ErrorKind::ToolError, problem))?;
        let client = pool.get().await.map_err(unavailable)?;
        Ok(Lease { cancel: client.cancel_token(), client: Some(client), tls: tls.clone() })
    }
}

impl Shared {
    fn pool(&self) -> Result<(Pool, Tls), String> {
        let tls = Tls::new(self.root_certificates.as_deref())?;
        // Cleaning asks the server, and undoes what a statement may have left in the session.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Clean };
        let pool = Pool::builder(Manager::from_config(self.config.clone(), tls.clone(), recycling))
            .max_size(CONNECTIONS_MAX)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(RECYCLE))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| error.to_string())?;
        Ok((pool, tls))
    }
}

fn unavailable(error: deadpool_postgres::PoolError) -> Failure {
    match error {
        deadpool_postgres::PoolError::Backend(error) => error::of_connecting(&error),
        error => {
            Failure::transient(ErrorKind::Unavailable, format!("no connection to the database: {error}"))
        }
    }
}

/// A connection on loan. Unless it is given back, it is closed, and its statement is stopped at the server.
pub(super) struct Lease {
    client: Option<Client>,
    cancel: CancelToken,
    tls: Tls,
}

impl Lease {
    #[expect(clippy::expect_used, reason = "the client is taken only by what consumes the lease")]
    pub(super) fn client(&mut self) -> &mut ClientWrapper {
        self.client.as_mut().expect("a lease has its client until it ends")
    }

    pub(super) fn give_back(mut self) {
        drop(self.client.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        let client = Object::take(client);
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (cancel, tls) = (self.cancel.clone(), self.tls.clone());
        runtime.spawn(async move {
            let cancelled = tokio::time::timeout(CANCEL, cancel.cancel_query(tls)).await;
            if !matches!(cancelled, Ok(Ok(()))) {
                tracing::warn!("failed to cancel a statement; its own timeout will end it");
            }
            drop(client);
        });
    }
}
