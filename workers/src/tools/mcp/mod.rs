//! `mcp.SERVER`: a tool of another MCP server as a job, with Gantz's timeouts, retries, limits and records.
//!
//! A server that is a program is started when the first job needs it, serves all its jobs at once, and is started again
//! when it has ended. A call that had to be broken off makes it suspect: before the next one it has to answer a ping, or it
//! is replaced. So one that hangs costs the jobs that it has, and no others.

mod connection;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use gantz_core::manifest::{Manifest, McpToolSpec};
use gantz_core::outcome::Outcome;
use gantz_core::tool::Call;
use rmcp::model::{CallToolRequestParams, JsonObject, RequestMetaObject};
use serde_json::Value;

use crate::registry::{AnyTool, ToolSettings};
use connection::Server;

/// In a call's `_meta`: what is the same for every attempt of a job, for servers that can use it.
const EFFECT_KEY: &str = "gantz/effect_key";

/// In a call's `_meta`: the trace that it belongs to.
/// <https://modelcontextprotocol.io/specification/draft/basic#meta>
const TRACEPARENT: &str = "traceparent";

/// The servers of a manifest by name. Nothing is started before it is needed.
pub(crate) struct McpServers(BTreeMap<String, Arc<Server>>);

impl McpServers {
    /// Programs are below the settings' folder, and run in it.
    pub(crate) fn of(manifest: &Manifest, settings: &ToolSettings) -> Self {
        let server = |(name, spec): (&str, &Arc<_>)| {
            (name.to_owned(), Arc::new(Server::new(name, Arc::clone(spec), settings)))
        };
        Self(manifest.mcp_servers().map(server).collect())
    }

    /// The tool that a manifest's tool stands for.
    pub(crate) fn tool(&self, spec: &McpToolSpec) -> Option<Arc<dyn AnyTool>> {
        let server = Arc::clone(self.0.get(spec.server_name())?);
        Some(Arc::new(McpTool { server, tool: spec.tool.clone() }))
    }
}

/// What a manifest's MCP server offers: its tools in MCP's words, as JSON. The server is started for that, and ended.
///
/// # Errors
/// When the manifest has no such server, or it does not answer; in words for people.
pub async fn mcp_tools(
    manifest: &Manifest,
    settings: &ToolSettings,
    server: &str,
) -> Result<Vec<Value>, String> {
    let servers = McpServers::of(manifest, settings);
    let known = servers.0.get(server).ok_or_else(|| format!("there is no MCP server `{server}`"))?;
    let connection = known.connection().await.map_err(|outcome| match outcome {
        Outcome::Failed(failure) => failure.message,
        other => format!("the MCP server `{server}` cannot be asked: {other:?}"),
    })?;
    connection
        .tools()
        .await
        .map_err(|error| format!("the MCP server `{server}` does not list its tools: {error}"))
}

struct McpTool {
    server: Arc<Server>,
    tool: String,
}

#[async_trait]
impl AnyTool for McpTool {
    async fn call(&self, call: Call<Value>) -> Outcome {
        let connection = match self.server.connection().await {
            Ok(connection) => connection,
            Err(outcome) => return outcome,
        };
        let mut request = CallToolRequestParams::new(self.tool.clone());
        let mut meta =
            JsonObject::from_iter([(EFFECT_KEY.to_owned(), Value::from(call.effect_key.as_str()))]);
        meta.extend(call.trace.map(|trace| (TRACEPARENT.to_owned(), Value::from(trace.as_str()))));
        request.meta = Some(RequestMetaObject::from(meta));
        request.arguments = match call.parameters {
            Value::Object(arguments) => Some(arguments),
            _ => None,
        };
        match connection.call(request).await {
            Ok(response) => verdict::answered(response),
            Err(error) => verdict::failed(self.server.name(), error),
        }
    }
}
