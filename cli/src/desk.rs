//! The API of a stack, served in this process for the one command that uses it.
//!
//! Commands speak to a fleet through its API; the stack's own may be closed to the caller, or cut requests short. This
//! one does the same over the same resources, with the caller's credentials, and runs no tools.

use std::sync::Arc;

use gantz_aws::{NewObjects, Objects};
use gantz_core::manifest::Manifest;
use gantz_dispatcher::Dispatcher;
use gantz_dispatcher::http::{HttpSettings, router};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::error::CliError;
use crate::shell;
use crate::stack::{self, Aws};

/// Bytes of a submission: a file of JSON Lines that a person gives by hand.
const BODY_MAX_BYTES: usize = 256 * 1024 * 1024;

/// A dispatcher over a stack's resources.
pub(crate) struct Desk {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) url: String,
    server: JoinSet<()>,
}

impl Desk {
    pub(crate) async fn open(aws: &Aws, stack: &str, manifest: Arc<Manifest>) -> Result<Self, CliError> {
        let stack = stack::connect(aws, stack).await?;
        let objects = Objects::new(Arc::clone(&stack.session));
        let dispatcher = Dispatcher::new(stack.ports, manifest, shell::clock(), shell::entropy());
        let mut dispatcher = dispatcher.with_objects(objects);
        dispatcher.new_objects = Some(Arc::new(NewObjects::new(stack.session, stack.settings)));
        let settings =
            HttpSettings { local_sources: false, body_max_bytes: BODY_MAX_BYTES, ..HttpSettings::default() };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut server = JoinSet::new();
        let api = router(dispatcher.clone(), settings);
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, api).await {
                tracing::error!(%error, "the API stopped");
            }
        });
        Ok(Self { dispatcher, url, server })
    }

    pub(crate) async fn close(mut self) {
        self.server.shutdown().await;
    }
}
