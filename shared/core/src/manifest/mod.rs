//! The manifest: which tools there are, what parameters they take, and how each is run.
//!
//! [`Manifest::parse`] reads a `gantz.yaml` once, into types that hold nothing invalid; `docs/manifest.md` describes
//! every key. A manifest that cannot be used gives a [`ManifestError`] with every problem at its line.

pub mod secret;
pub mod template;

mod cron;
mod diagnostic;
mod due;
mod handler;
mod parameters;
mod schedule;
mod tool;
mod trigger;

mod builtin;
mod check;
mod pattern;

mod quantity;
mod read;
mod rules;
mod scalar;
mod section;
mod suggest;
mod syntax;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use check::{ParameterError, ParameterErrorCode};
pub use cron::Cron;
pub use diagnostic::{Diagnostic, ManifestError};
pub use due::Due;
pub use handler::{CommandOutput, CommandSpec, Handler, HttpBody, HttpSpec, McpServerSpec, McpToolSpec};
pub use parameters::{ParameterSpec, ParameterType, Parameters, ValueSpec};
pub use pattern::Pattern;
pub use schedule::{ScheduleSpec, ScheduledBatch, When};
pub use suggest::closest;
pub use tool::{LaneSpec, LaneWorkers, ToolSpec};
pub use trigger::{Arrival, TriggerSpec};

use crate::ids::Lane;
use secret::SecretName;

/// The tools of one project.
#[derive(Debug, Clone)]
pub struct Manifest {
    name: String,
    version: String,
    description: Option<String>,
    tools: BTreeMap<String, ToolSpec>,
    lanes: BTreeMap<Lane, LaneSpec>,
    schedules: BTreeMap<String, ScheduleSpec>,
    triggers: BTreeMap<String, TriggerSpec>,
    mcp_servers: BTreeMap<String, Arc<McpServerSpec>>,
}

impl Manifest {
    /// Reads a manifest. `source_name` is what errors call it: usually its path.
    ///
    /// # Errors
    /// When the text is no manifest. The error holds every problem that could be found.
    pub fn parse(source_name: &str, text: &str) -> Result<Manifest, ManifestError> {
        read::manifest(source_name, text)
    }

    /// The project's name: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The manifest's version, as it is written.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the project is for.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// What a project without a manifest has: the built-in tools.
    pub fn without_a_file() -> Self {
        Self {
            name: "gantz".to_owned(),
            version: "1.0.0".to_owned(),
            description: None,
            tools: BTreeMap::new(),
            lanes: Lane::standing().into_iter().map(|lane| (lane, LaneSpec::DEFAULT)).collect(),
            schedules: BTreeMap::new(),
            triggers: BTreeMap::new(),
            mcp_servers: BTreeMap::new(),
        }
    }

    /// The tool of this name, a written one before a built-in one.
    pub fn tool(&self, name: &str) -> Option<&ToolSpec> {
        self.tools.get(name).or_else(|| builtin::tools().get(name))
    }

    /// Every tool that can be called, sorted by name: the written ones, and the built-in ones that they do not redefine.
    pub fn offered(&self) -> impl Iterator<Item = &ToolSpec> {
        let mut all: BTreeMap<&str, &ToolSpec> =
            builtin::tools().iter().map(|(name, tool)| (name.as_str(), tool)).collect();
        all.extend(self.tools.iter().map(|(name, tool)| (name.as_str(), tool)));
        all.into_values()
    }

    /// The tools that are written, sorted by name.
    pub fn tools(&self) -> impl Iterator<Item = &ToolSpec> {
        self.tools.values()
    }

    /// Every lane that is declared or used, sorted by name, and always those of [`Lane::standing`].
    pub fn lanes(&self) -> impl Iterator<Item = (&Lane, &LaneSpec)> {
        self.lanes.iter()
    }

    /// What runs by itself, sorted by name.
    pub fn schedules(&self) -> impl Iterator<Item = &ScheduleSpec> {
        self.schedules.values()
    }

    /// What uploads start, sorted by name. A manifest without the key `triggers` sends every upload to its tool
    /// `analyze_file`, if it has one that takes a bucket and a key.
    pub fn triggers(&self) -> impl Iterator<Item = &TriggerSpec> {
        self.triggers.values()
    }

    /// Other MCP servers, sorted by name.
    pub fn mcp_servers(&self) -> impl Iterator<Item = (&str, &Arc<McpServerSpec>)> {
        self.mcp_servers.iter().map(|(name, server)| (name.as_str(), server))
    }

    /// The secrets that a tool's worker needs, by the names that the manifest gives them.
    pub fn secrets(&self, tool: &ToolSpec) -> BTreeSet<SecretName> {
        let of = |texts: &BTreeMap<String, String>| -> BTreeSet<SecretName> {
            texts.values().flat_map(|text| secret::names(text)).collect()
        };
        match &tool.handler {
            Handler::Command(command) => of(&command.env),
            Handler::Http(http) => of(&http.headers),
            Handler::Mcp(tool) => match self.mcp_servers.get(tool.server_name()).map(|server| &**server) {
                Some(McpServerSpec::Program { env, .. }) => of(env),
                Some(McpServerSpec::Http { bearer_env, .. }) => {
                    bearer_env.iter().cloned().map(SecretName::Env).collect()
                }
                None => BTreeSet::new(),
            },
            Handler::Builtin(_) => BTreeSet::new(),
        }
    }

    /// The tool that a misspelt name most likely means.
    pub fn suggest_tool(&self, name: &str) -> Option<&str> {
        suggest::closest(name, self.offered().map(|tool| tool.name.as_str()))
    }
}
