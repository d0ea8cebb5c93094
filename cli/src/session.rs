//! A command's access to the fleet: that of the process which owns the data directory, or one of its own.

use std::cell::OnceCell;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use gantz_core::manifest::Manifest;
use gantz_embedded::View;
use tokio::time::Instant;

use crate::client::Client;
use crate::desk::Desk;
use crate::error::CliError;
use crate::node::{Duty, Node, endpoint_file};
use crate::project::Project;
use crate::reader::Reader;

/// How long a process that has just taken the directory may need to open its API.
const OWNER_STARTS: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How soon a command notices that the fleet it relies on is gone.
const STAND_IN_EVERY: Duration = Duration::from_millis(500);

/// Access to a fleet.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) reader: Reader,
    project: Project,
    manifest: Arc<Manifest>,
    duty: Duty,
    /// Present if the fleet runs in this process.
    node: OnceCell<Node>,
    /// Present if the fleet is a stack's.
    desk: Option<Desk>,
}

impl Session {
    /// Finds the fleet of the project, or starts one.
    pub(crate) async fn open(
        project: &Project,
        manifest: Arc<Manifest>,
        duty: Duty,
    ) -> Result<Self, CliError> {
        if let Some(stack) = &project.stack {
            return Self::of_stack(project, stack, manifest, duty).await;
        }
        let (client, node) = connect(project, &manifest, duty).await?;
        Self::of_machine(project, manifest, duty, client, node)
    }

    /// Finds the fleet of the project, for what shall go on when this process has ended: none is started, nor is the
    /// data directory taken from one that is about to start.
    pub(crate) async fn join(project: &Project, manifest: Arc<Manifest>) -> Result<Self, CliError> {
        if let Some(stack) = &project.stack {
            return Self::of_stack(project, stack, manifest, Duty::Fleet).await;
        }
        let client = owner(project).await.map_err(|error| {
            let message = "`--detach` needs a running `gantz dev`, which would go on with the batch";
            CliError::usage(message).hint(format!("none answers: {error}"))
        })?;
        Self::of_machine(project, manifest, Duty::Fleet, client, OnceCell::new())
    }

    async fn of_stack(
        project: &Project,
        stack: &str,
        manifest: Arc<Manifest>,
        duty: Duty,
    ) -> Result<Self, CliError> {
        let desk = Desk::open(&project.aws, stack, Arc::clone(&manifest)).await?;
        let (client, reader) = (Client::new(desk.url.clone())?, Reader::Stack(desk.ports.clone()));
        let (project, node) = (project.clone(), OnceCell::new());
        Ok(Self { client, reader, project, manifest, duty, node, desk: Some(desk) })
    }

    fn of_machine(
        project: &Project,
        manifest: Arc<Manifest>,
        duty: Duty,
        client: Client,
        node: OnceCell<Node>,
    ) -> Result<Self, CliError> {
        let view = View::open(&project.data_dir)?
            .ok_or_else(|| CliError::failed("the data directory vanished while it was opened"))?;
        let (project, reader) = (project.clone(), Reader::Local(view));
        Ok(Self { client, reader, project, manifest, duty, node, desk: None })
    }

    /// What goes on with a job that nobody here waits for.
    pub(crate) fn carrier(&self) -> &'static str {
        if self.desk.is_some() { "the stack" } else { "`gantz dev`" }
    }

    /// The fleet in this process, if it is there.
    pub(crate) fn own(&self) -> Option<&Node> {
        self.node.get()
    }

    /// Becomes the fleet once the process that was it has ended: whoever waits for a job keeps it going. Returns only
    /// if that fails.
    pub(crate) async fn stand_in(&self) -> CliError {
        if self.desk.is_some() {
            return pending().await;
        }
        while self.node.get().is_none() {
            tokio::time::sleep(STAND_IN_EVERY).await;
            match Node::start(&self.project, Arc::clone(&self.manifest), self.duty, 0, None).await {
                Ok(None) => {}
                Ok(Some(node)) => {
                    self.node.get_or_init(|| node);
                }
                Err(error) => return error,
            }
        }
        pending().await
    }

    /// Ends a fleet of its own, handing back what it was working on besides; see [`Node::finish`].
    pub(crate) async fn close(self, hurry: impl Future<Output = ()>) {
        if let Some(node) = self.node.into_inner() {
            node.finish(hurry).await;
        }
        if let Some(desk) = self.desk {
            desk.close().await;
        }
    }
}

/// A client of the process that owns the directory, which may be this one. Another one that owns it may have only just
/// started, or be about to end; and the address may still be that of an owner before it.
async fn connect(
    project: &Project,
    manifest: &Arc<Manifest>,
    duty: Duty,
) -> Result<(Client, OnceCell<Node>), CliError> {
    let deadline = Instant::now() + OWNER_STARTS;
    loop {
        if let Some(node) = Node::start(project, Arc::clone(manifest), duty, 0, None).await? {
            return Ok((Client::new(node.url.clone())?, OnceCell::from(node)));
        }
        let error = match owner(project).await {
            Ok(client) => return Ok((client, OnceCell::new())),
            Err(error) => error,
        };
        if Instant::now() >= deadline {
            let folder = project.data_dir.display();
            let message = format!("`{folder}` is in use by a process that serves no API: {error}");
            return Err(
                CliError::failed(message).hint("the process may be starting or ending; try again, or end it")
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a process owns the directory and answers, or will within this time.
pub(crate) async fn fleet_answers(project: &Project, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while owner(project).await.is_err() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}

/// A client of the other process that owns the directory, if it answers.
async fn owner(project: &Project) -> Result<Client, CliError> {
    let file = endpoint_file(&project.data_dir);
    let url = std::fs::read_to_string(&file)
        .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", file.display())))?;
    let client = Client::new(url)?;
    client.ping().await?;
    Ok(client)
}
