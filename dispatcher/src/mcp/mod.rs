//! The MCP door: the manifest's tools, called by agents. A call is a job like any other, and a long one an MCP task.
//!
//! [`McpServer`] speaks both eras of the protocol: 2026-07-28, which has no sessions, and those before, which begin with
//! `initialize`. It keeps nothing between two requests, so any process of a fleet may answer any of them. The HTTP
//! door mounts it at `/mcp`; [`serve_stdio`] is for agents that start it as a program.

mod answer;
mod call;
mod http;
mod offer;
mod own;
mod own_calls;
mod progress;
pub(crate) mod protected_resource;
mod stdio;
mod task;

use std::sync::Arc;

use axum::extract::Request;
use axum::routing::{MethodRouter, any};
use gantz_core::ids::{JobId, Tenant};
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::CancelVerdict;
use gantz_core::ports::PortError;
use gantz_core::trace::TraceParent;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, GetTaskParams, GetTaskResult,
    Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use self::call::Asked;
use self::progress::Listener;
use self::stdio::Left;
pub use self::stdio::{StdioError, serve_stdio};
use crate::caller::Caller;
use crate::submit::Dispatcher;

/// The manifest is the same for as long as a process lives; deployments replace processes.
const TOOLS_TTL_MS: u64 = 60_000;

const INSTRUCTIONS: &str = "Every call is a durable job. A call that does not end in time goes on: with tasks it is one, \
    otherwise its answer names the job's id for `job_result`. `submit_job` and `submit_batch` return at once.";

/// The manifest's tools over a dispatcher. Clones share it.
#[derive(Clone)]
pub struct McpServer {
    dispatcher: Dispatcher,
    tenant: Tenant,
    /// How long a call may wait for its job.
    wait_max_ms: u64,
    /// Whether parts of an answer reach the client before its end.
    streams: bool,
    /// Whether the client of a connection that serves one alone has left it.
    left: Left,
}

impl McpServer {
    /// A server whose calls wait for up to `wait_max_ms`: below what the client, and whatever is between, waits for.
    pub fn new(dispatcher: Dispatcher, wait_max_ms: u64) -> Self {
        Self {
            dispatcher,
            tenant: Tenant::default_tenant(),
            wait_max_ms,
            streams: true,
            left: Left::default(),
        }
    }

    /// The same, telling of progress or not: it reaches nobody where a gateway hands answers over whole.
    pub(crate) fn streaming(self, streams: bool) -> Self {
        Self { streams, ..self }
    }

    /// The same, for whom the door in front of it has found out. One who may act for every tenant acts for the default
    /// one.
    fn of(&self, caller: &Caller) -> Self {
        let tenant = match caller {
            Caller::Trusted => self.tenant.clone(),
            Caller::Of(tenant) => tenant.clone(),
        };
        Self { tenant, ..self.clone() }
    }

    /// The job of that id, if it is the caller's: another tenant's is not there.
    async fn find(&self, id: &str) -> Result<Option<JobRecord>, PortError> {
        let Ok(id) = JobId::try_new(id) else { return Ok(None) };
        let row = self.dispatcher.ports.jobs.get(&id).await?;
        Ok(row.filter(|row| row.tenant == self.tenant))
    }

    async fn find_task(&self, id: &str) -> Result<JobRecord, ErrorData> {
        let row = self.find(id).await.map_err(|error| failed(&error))?;
        let id: String = id.chars().take(80).collect();
        row.ok_or_else(|| ErrorData::invalid_params(format!("there is no task `{id}`"), None))
    }

    fn task_of(&self, row: &JobRecord) -> rmcp::model::Task {
        let timeout_ms = self.dispatcher.manifest.tool(&row.tool).map(|tool| tool.policy.timeout_ms);
        task::of(row, timeout_ms, self.dispatcher.clock.now_ms())
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        // Prompts and resources are declared because clients list them without asking: there are none.
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tasks()
            .enable_prompts()
            .enable_resources()
            .build();
        let manifest = &self.dispatcher.manifest;
        let server = Implementation::new(manifest.name(), manifest.version().to_string());
        ServerConfig::new(capabilities).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = ListToolsResult::with_all_items(offer::tools(&self.dispatcher.manifest));
        Ok(tools.with_ttl_ms(TOOLS_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        offer::tool(&self.dispatcher.manifest, name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let takes_tasks = context.client_capabilities().is_some_and(|client| client.supports_tasks());
        let withdrawn = async {
            context.ct.cancelled().await;
            // The SDK also cancels what is open once the client has left.
            if self.left.has_happened() {
                std::future::pending::<()>().await;
            }
        };
        // What cannot be read is passed over, as W3C asks for.
        let trace = context.meta.get_traceparent().and_then(|trace| TraceParent::parse(trace).ok());
        let token = context.meta.get_progress_token().filter(|_| self.streams);
        let asked = Asked { trace, takes_tasks, listener: Listener::client(context.peer.clone(), token) };
        self.call(&request.name, request.arguments.unwrap_or_default(), asked, withdrawn).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let row = self.find_task(&request.task_id).await?;
        let result = match row.is_finished() {
            true => Some(self.result(&row).await.map_err(|error| failed(&error))?),
            false => None,
        };
        Ok(GetTaskResult::new(task::detailed(self.task_of(&row), &row, result)))
    }

    /// No task of ours asks for anything, so there is nothing to answer.
    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.find_task(&request.task_id).await.map(|_| ())
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let row = self.find_task(&request.task_id).await?;
        match self.dispatcher.cancel(&row.id).await.map_err(|error| failed(&error))? {
            CancelVerdict::Ended(_)
            | CancelVerdict::Requested(_)
            | CancelVerdict::Finished(_)
            | CancelVerdict::Unknown => Ok(()),
        }
    }
}

/// A backend that cannot be reached is no tool's fault.
fn failed(error: &PortError) -> ErrorData {
    ErrorData::internal_error(format!("the backend failed: {error}"), None)
}

/// The server on `/mcp`: no sessions, and plain JSON answers but to whoever asks for progress, which comes as events. Who may ask is checked by the door in front of it.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(
    server: McpServer,
    body_max_bytes: usize,
) -> MethodRouter<S> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(body_max_bytes)
        .disable_allowed_hosts();
    let sessions = Arc::new(NeverSessionManager::default());
    any(move |request: Request| {
        let server = request.extensions().get().map_or_else(|| server.clone(), |caller| server.of(caller));
        let service =
            StreamableHttpService::new(move || Ok(server.clone()), sessions.clone(), config.clone());
        http::answer(service, body_max_bytes, request)
    })
}
