//! Which handler runs which tool. Types are erased here, once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use gantz_core::host::Clock;
use gantz_core::manifest::{Handler, Manifest, ToolSpec};
use gantz_core::outcome::{ErrorKind, Outcome};
use gantz_core::tool::{Call, Tool};
use serde_json::Value;

use crate::secrets::Secrets;
use crate::tools::command::CommandTool;
use crate::tools::http::{HttpClient, HttpTool};
use crate::tools::mcp::McpServers;

/// A tool of any type.
#[async_trait]
pub trait AnyTool: Send + Sync {
    /// Runs the tool once.
    async fn call(&self, call: Call<Value>) -> Outcome;
}

struct Typed<T>(T);

#[async_trait]
impl<T: Tool> AnyTool for Typed<T> {
    async fn call(&self, call: Call<Value>) -> Outcome {
        let parameters = match serde_json::from_value(call.parameters) {
            Ok(parameters) => parameters,
            Err(error) => {
                let message = format!("the handler `{}` cannot take these parameters: {error}", T::HANDLER);
                return Outcome::permanent(ErrorKind::Invalid, message);
            }
        };
        let Call { job_id, effect_key, tool, attempt, timeout_ms, trace, .. } = call;
        self.0.run(Call { job_id, effect_key, tool, attempt, timeout_ms, trace, parameters }).await
    }
}

/// A tool that its manifest does not allow.
struct Withheld;

#[async_trait]
impl AnyTool for Withheld {
    async fn call(&self, _: Call<Value>) -> Outcome {
        let message =
            "creating functions is off: the manifest allows it by `creates_functions: true` at the tool";
        Outcome::permanent(ErrorKind::AccessDenied, message)
    }
}

/// The handlers that a binary has.
#[derive(Default, Clone)]
pub struct Registry {
    handlers: BTreeMap<&'static str, Arc<dyn AnyTool>>,
}

impl Registry {
    /// Adds a handler under its own name.
    #[must_use]
    pub fn with<T: Tool>(mut self, tool: T) -> Self {
        self.handlers.insert(T::HANDLER, Arc::new(Typed(tool)));
        self
    }

    /// The handlers' names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.handlers.keys().copied()
    }
}

/// What the handlers that are configured in the manifest need from the process.
#[derive(Debug, Clone)]
pub struct ToolSettings {
    /// Where relative paths of programs begin: the manifest's folder.
    pub base_dir: PathBuf,
    /// The process's one HTTP client.
    pub http: HttpClient,
    /// Where secrets are that the manifest names.
    pub secrets: Secrets,
}

impl ToolSettings {
    /// Those of a process whose secrets are in its environment.
    pub fn new(base_dir: impl Into<PathBuf>, clock: &Clock) -> Self {
        let (http, secrets) = (HttpClient::new(clock.clone()), Secrets::of_environment(clock.clone()));
        Self { base_dir: base_dir.into(), http, secrets }
    }
}

/// A manifest's tool, ready to run.
#[derive(Clone)]
pub struct ReadyTool {
    /// What the manifest says about it.
    pub spec: ToolSpec,
    /// What runs; `None` if this binary lacks the handler.
    pub tool: Option<Arc<dyn AnyTool>>,
    /// The handler's name.
    pub handler: String,
}

/// Every tool of a manifest, by name.
#[derive(Clone)]
pub struct Toolbox {
    tools: BTreeMap<String, ReadyTool>,
}

/// A tool's handler cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the tool `{tool}` cannot be set up: {reason}")]
pub struct ToolboxError {
    /// The tool.
    pub tool: String,
    /// Why.
    pub reason: String,
}

impl Toolbox {
    /// Sets up every tool of the manifest.
    ///
    /// A handler that this binary lacks is no error here: its jobs fail by name, and the others run.
    ///
    /// # Errors
    /// When a configured handler is refused.
    pub fn build(
        manifest: &Manifest,
        registry: &Registry,
        settings: &ToolSettings,
    ) -> Result<Self, ToolboxError> {
        let mut tools = BTreeMap::new();
        let servers = McpServers::of(manifest, settings);
        for spec in manifest.offered() {
            let (handler, tool) = set_up(spec, registry, settings, &servers)?;
            tools.insert(spec.name.clone(), ReadyTool { spec: spec.clone(), tool, handler });
        }
        Ok(Self { tools })
    }

    /// The tool of that name.
    pub fn get(&self, name: &str) -> Option<&ReadyTool> {
        self.tools.get(name)
    }

    /// Tools whose handler this binary lacks: name and handler.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tools
            .iter()
            .filter(|(_, ready)| ready.tool.is_none())
            .map(|(name, ready)| (name.as_str(), ready.handler.as_str()))
    }
}

fn set_up(
    spec: &ToolSpec,
    registry: &Registry,
    settings: &ToolSettings,
    servers: &McpServers,
) -> Result<(String, Option<Arc<dyn AnyTool>>), ToolboxError> {
    let refused = |reason: String| ToolboxError { tool: spec.name.clone(), reason };
    Ok(match &spec.handler {
        Handler::Builtin(name) if name == Handler::CREATE_FUNCTION && !spec.creates_functions => {
            (name.clone(), Some(Arc::new(Withheld)))
        }
        Handler::Builtin(name) => (name.clone(), registry.handlers.get(name.as_str()).cloned()),
        Handler::Command(command) => {
            let tool = CommandTool::new(command.clone(), settings.base_dir.clone(), settings.secrets.clone())
                .map_err(|error| refused(error.to_string()))?;
            (CommandTool::HANDLER.into(), Some(Arc::new(Typed(tool))))
        }
        Handler::Http(request) => {
            let tool = HttpTool::new(request.clone(), settings.http.clone(), settings.secrets.clone())
                .map_err(|error| refused(error.to_string()))?;
            (HttpTool::HANDLER.into(), Some(Arc::new(Typed(tool))))
        }
        Handler::Mcp(tool) => (tool.handler.clone(), servers.tool(tool)),
    })
}

#[cfg(test)]
mod tests {
    use gantz_core::host::Clock;
    use gantz_core::ids::JobId;
    use gantz_core::outcome::Failure;
    use serde_json::json;

    use super::*;

    struct Maker;

    impl Tool for Maker {
        const HANDLER: &'static str = Handler::CREATE_FUNCTION;

        type Parameters = Value;

        async fn run(&self, _: Call<Value>) -> Outcome {
            Outcome::Done(json!("made"))
        }
    }

    #[tokio::test]
    async fn functions_are_made_only_where_the_manifest_allows_it() {
        let tool = |name| format!("  {name}:\n    description: d\n    handler: aws_lambda.create_function\n");
        let (silent, allowed) = (tool("silent"), tool("allowed"));
        let manifest =
            format!("name: n\nversion: 1.0.0\ntools:\n{silent}{allowed}    creates_functions: true\n");
        let manifest = Manifest::parse("gantz.yaml", &manifest).unwrap();
        let settings = ToolSettings::new("/", &Clock::new(|| 0));
        let toolbox = Toolbox::build(&manifest, &Registry::default().with(Maker), &settings).unwrap();
        let run = async |name: &str| {
            let job_id = JobId::try_new("job-0001").unwrap();
            let (effect_key, tool, parameters) = (job_id.clone(), name.into(), json!({}));
            let call = Call { job_id, effect_key, tool, attempt: 1, timeout_ms: 1, trace: None, parameters };
            toolbox.get(name).unwrap().tool.clone().unwrap().call(call).await
        };
        assert_eq!(run("allowed").await, Outcome::Done(json!("made")));
        let Outcome::Failed(Failure { kind, message, .. }) = run("silent").await else {
            panic!("it was made")
        };
        assert_eq!(kind, ErrorKind::AccessDenied);
        assert!(message.contains("`creates_functions: true`"), "{message}");
    }
}
