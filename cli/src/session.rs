//! A command's access to a fleet: that of this machine, which it joins, or a stack's.

use std::future::Future;
use std::sync::Arc;

use gantz_core::ids::JobId;
use gantz_core::manifest::Manifest;
use gantz_dispatcher::Dispatcher;

use crate::client::Client;
use crate::desk::Desk;
use crate::error::CliError;
use crate::node::{Api, Node};
use crate::project::Project;
use crate::reader::Reader;

/// Access to a fleet.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) reader: Reader,
    fleet: Fleet,
}

enum Fleet {
    /// What shares the data directory, this process among it.
    Machine(Box<Node>),
    /// A stack's.
    Stack(Box<Desk>),
}

impl Session {
    /// Joins the fleet of the project. On one machine this process takes requests, and works on nothing yet.
    pub(crate) async fn open(project: &Project, manifest: Arc<Manifest>) -> Result<Self, CliError> {
        let (url, reader, fleet) = match &project.stack {
            Some(stack) => {
                let desk = Desk::open(&project.aws, stack, manifest).await?;
                (desk.url.clone(), Reader::Stack(desk.dispatcher.ports.clone()), Fleet::Stack(Box::new(desk)))
            }
            None => {
                let node = Node::start(project, manifest, Api::default()).await?;
                let reader = Reader::Local(node.embedded.view().clone());
                (node.url.clone(), reader, Fleet::Machine(Box::new(node)))
            }
        };
        Ok(Self { client: Client::new(url)?, reader, fleet })
    }

    /// The part of this process, on one machine.
    pub(crate) fn own(&self) -> Option<&Node> {
        match &self.fleet {
            Fleet::Machine(node) => Some(node),
            Fleet::Stack(_) => None,
        }
    }

    /// What accepts jobs.
    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        match &self.fleet {
            Fleet::Machine(node) => &node.dispatcher,
            Fleet::Stack(desk) => &desk.dispatcher,
        }
    }

    /// On one machine, has this process work on whatever is queued, until it is closed.
    pub(crate) async fn work(&mut self) -> Result<(), CliError> {
        match &mut self.fleet {
            Fleet::Machine(node) => node.work().await,
            Fleet::Stack(_) => Ok(()),
        }
    }

    /// On one machine, has this process work on that job or batch until it is closed: nobody else may be there.
    pub(crate) async fn work_on(&mut self, id: &JobId) -> Result<(), CliError> {
        match &mut self.fleet {
            Fleet::Machine(node) => node.work_on(id).await,
            Fleet::Stack(_) => Ok(()),
        }
    }

    /// Whether somebody else works on that job or batch, or will: a command that has ended does not.
    pub(crate) async fn others_work_on(&self, id: &JobId) -> Result<bool, CliError> {
        match &self.fleet {
            Fleet::Machine(node) => Ok(node.embedded.others_work_on(id).await?),
            Fleet::Stack(_) => Ok(true),
        }
    }

    /// Ends this process's part, handing back what it was working on; see [`Node::finish`].
    pub(crate) async fn close(self, hurry: impl Future<Output = ()>) {
        match self.fleet {
            Fleet::Machine(node) => node.finish(hurry).await,
            Fleet::Stack(desk) => desk.close().await,
        }
    }
}
