//! The MCP door, as the official SDK's client sees it, in both eras of the protocol.

mod calls;
mod http;
mod lines;
mod own_tools;
mod tasks;

use gantz_core::job::JobRecord;
use gantz_core::lifecycle::Ending;
use gantz_core::ports::JobFilter;
use gantz_dispatcher::mcp::McpServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig, ClientRequest,
    Implementation, ProtocolVersion, Request,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, PeerRequestOptions, RequestHandle, RunningService, ServiceError,
};
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Map, Value};
use tokio::io::DuplexStream;

use crate::http::app::{App, until};

/// Longer than any of these tests needs; a call that shall not wait is given less.
const PATIENCE_MS: u64 = 60_000;

/// What a client says of itself.
#[derive(Debug, Clone, Copy)]
enum Era {
    /// `server/discover`, and each request tells what the client can.
    Modern { tasks: bool },
    /// `initialize`.
    Legacy,
}

const MODERN: Era = Era::Modern { tasks: false };
const WITH_TASKS: Era = Era::Modern { tasks: true };

struct Client {
    service: RunningService<RoleClient, ClientConfig>,
}

impl Client {
    async fn connect(app: &App, era: Era) -> Self {
        Self::patient(app, era, PATIENCE_MS).await
    }

    /// A client of a server whose calls wait for so long.
    async fn patient(app: &App, era: Era, wait_max_ms: u64) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = McpServer::new(app.dispatcher.clone(), wait_max_ms);
        tokio::spawn(async move { server.serve(theirs).await.unwrap().waiting().await });
        Self::over(ours, era).await
    }

    async fn over(connection: DuplexStream, era: Era) -> Self {
        let (capabilities, lifecycle) = match era {
            Era::Modern { tasks } => {
                let capabilities = ClientCapabilities::builder();
                let capabilities =
                    if tasks { capabilities.enable_tasks().build() } else { capabilities.build() };
                let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
                (capabilities, ClientLifecycleMode::Discover { preferred_versions })
            }
            Era::Legacy => (ClientCapabilities::default(), ClientLifecycleMode::Initialize),
        };
        let config = ClientConfig::new(capabilities, Implementation::new("trial", "1.0.0"));
        Self { service: config.serve_with_lifecycle(connection, lifecycle).await.unwrap() }
    }

    async fn call_once(&self, tool: &str, arguments: Value) -> Result<CallToolResponse, ServiceError> {
        let mut request = CallToolRequestParams::new(tool.to_owned());
        request.arguments = arguments.as_object().cloned();
        self.service.call_tool_once(request).await
    }

    /// A call without arguments that somebody may withdraw.
    async fn begin(&self, tool: &'static str) -> RequestHandle<RoleClient> {
        let mut request = CallToolRequestParams::new(tool);
        request.arguments = Some(Map::new());
        let call = ClientRequest::CallToolRequest(Request::new(request));
        let options = PeerRequestOptions::no_options();
        self.service.send_cancellable_request(call, options).await.unwrap()
    }

    async fn call(&self, tool: &str, arguments: Value) -> CallToolResult {
        match self.call_once(tool, arguments).await.unwrap() {
            CallToolResponse::Complete(result) => result,
            other => panic!("{other:?}"),
        }
    }
}

/// The only job that was submitted, once it is.
async fn submitted(app: &App) -> JobRecord {
    until(async || {
        let mut page = app.ports.jobs.list(&JobFilter::default(), 10, None).await.unwrap();
        assert!(page.jobs.len() < 2, "{page:?}");
        page.jobs.pop()
    })
    .await
}

/// Ends the next job as a worker would.
async fn finish_next(app: &App, ending: Ending) -> JobRecord {
    let row = submitted(app).await;
    app.finish(row.id.as_str(), ending).await;
    row
}

fn text(result: &CallToolResult) -> &str {
    &result.content[0].as_text().unwrap().text
}
