//! The connection to one server: made when it is needed, kept, and made again when it is broken.

use std::ffi::OsString;
use std::path::{PathBuf, absolute};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gantz_core::manifest::McpServerSpec;
use gantz_core::manifest::secret::{self, SecretName};
use gantz_core::outcome::{ErrorKind, Outcome};
use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, ClientRequest, Implementation,
    PingRequest, ProtocolVersion,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt, RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr};
use tokio::sync::Mutex;

use crate::registry::ToolSettings;
use crate::secrets::Secrets;
use crate::tools::command::group::ProcessGroup;
use crate::tools::command::inherited_env;
use crate::tools::command::running::Running;
use crate::tools::command::spawn::{Launch, start};
use crate::tools::http::{HttpClient, Reach};

/// How soon a server that is suspected to hang has to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Server {
    name: String,
    spec: Arc<McpServerSpec>,
    folder: PathBuf,
    http: HttpClient,
    secrets: Secrets,
    /// Locked while it is made, so that jobs that come meanwhile wait for the same one.
    current: Mutex<Option<Arc<Connection>>>,
}

impl Server {
    pub(super) fn new(name: &str, spec: Arc<McpServerSpec>, settings: &ToolSettings) -> Self {
        let ToolSettings { base_dir, http, secrets } = settings.clone();
        let folder = absolute(base_dir.join(".")).unwrap_or(base_dir);
        Self { name: name.to_owned(), spec, folder, http, secrets, current: Mutex::new(None) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A connection that works, as far as anybody knows.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, Outcome> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &*current {
            if connection.is_alive().await {
                return Ok(Arc::clone(connection));
            }
            tracing::warn!(server = self.name, "the connection to an MCP server is broken, and made again");
        }
        // The old one goes first, and its program with it.
        *current = None;
        let connection = Arc::new(self.connect().await?);
        *current = Some(Arc::clone(&connection));
        Ok(connection)
    }

    async fn connect(&self) -> Result<Connection, Outcome> {
        match &*self.spec {
            McpServerSpec::Program { program, args, env, cwd } => {
                let path =
                    if program.contains('/') { self.folder.join(program) } else { PathBuf::from(program) };
                let mut variables: Vec<_> = inherited_env().collect();
                for (name, value) in env {
                    let parts = secret::parts(value)
                        .map_err(|error| Outcome::permanent(ErrorKind::Invalid, error.to_string()))?;
                    variables.push((OsString::from(name), self.secrets.fill(&parts).await?.into()));
                }
                let folder = cwd.as_ref().map_or_else(|| self.folder.clone(), |cwd| self.folder.join(cwd));
                let launch = Launch { program: &path, args: args.clone(), env: variables, folder: &folder };
                let Running { group, child, stdin, stdout, stderr } = start(launch)?;
                tokio::spawn(log(self.name.clone(), stderr));
                let service = client().serve_with_lifecycle((stdout, stdin), ClientLifecycleMode::Initialize);
                let service = service.await.map_err(|error| self.unreachable(&error))?;
                Ok(Connection { service, suspect: AtomicBool::new(false), program: Some((group, child)) })
            }
            McpServerSpec::Http { url, bearer_env } => {
                let mut config = StreamableHttpClientTransportConfig::with_uri(url.clone());
                if let Some(variable) = bearer_env {
                    let token = self.secrets.value(&SecretName::Env(variable.clone())).await?;
                    config = config.auth_header(token);
                }
                // The manifest names the host itself, so it may be anywhere.
                let http = self.http.with_reach(Reach::Anywhere).await.map_err(|error| {
                    Outcome::transient(ErrorKind::Unavailable, format!("no HTTP client can be made: {error}"))
                })?;
                let transport = StreamableHttpClientTransport::with_client(http.clone(), config);
                let preferred_versions = vec![ProtocolVersion::V_2026_07_28, ProtocolVersion::V_2025_11_25];
                let lifecycle = ClientLifecycleMode::Auto { preferred_versions, legacy_version: None };
                let service = client().serve_with_lifecycle(transport, lifecycle).await;
                let service = service.map_err(|error| self.unreachable(&error))?;
                Ok(Connection { service, suspect: AtomicBool::new(false), program: None })
            }
        }
    }

    /// Nothing was called yet, so nothing can have happened.
    fn unreachable(&self, error: &ClientInitializeError) -> Outcome {
        let message = format!("the MCP server `{}` does not answer: {error}", self.name);
        Outcome::transient(ErrorKind::Unavailable, message)
    }
}

fn client() -> ClientConfig {
    let implementation = Implementation::new("gantz", env!("CARGO_PKG_VERSION"));
    ClientConfig::new(ClientCapabilities::default(), implementation)
}

/// What a program writes to stderr is for its operator.
async fn log(server: String, stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(server, line, "an MCP server says");
    }
}

pub(super) struct Connection {
    service: RunningService<RoleClient, ClientConfig>,
    /// A call was broken off.
    suspect: AtomicBool,
    /// Ends with the connection: first all of its processes, then what is left of the first one.
    program: Option<(ProcessGroup, Child)>,
}

impl Connection {
    async fn is_alive(&self) -> bool {
        if self.service.is_closed() || self.service.is_transport_closed() {
            return false;
        }
        // A service over HTTP has no state that could hang.
        if self.program.is_none() || !self.suspect.load(Ordering::Relaxed) {
            return true;
        }
        let ping = self.service.send_request(ClientRequest::PingRequest(PingRequest::default()));
        let answered = matches!(tokio::time::timeout(PING_TIMEOUT, ping).await, Ok(Ok(_)));
        self.suspect.store(!answered, Ordering::Relaxed);
        answered
    }

    pub(super) async fn tools(&self) -> Result<Vec<Value>, ServiceError> {
        let tools = self.service.list_all_tools().await?;
        Ok(tools.iter().filter_map(|tool| serde_json::to_value(tool).ok()).collect())
    }

    pub(super) async fn call(
        &self,
        request: CallToolRequestParams,
    ) -> Result<CallToolResponse, ServiceError> {
        let mut suspicion = Suspicion { of: &self.suspect, holds: true };
        let answer = self.service.call_tool_once(request).await;
        suspicion.holds = false;
        answer
    }
}

/// Raised where a call is dropped before it is answered.
struct Suspicion<'c> {
    of: &'c AtomicBool,
    holds: bool,
}

impl Drop for Suspicion<'_> {
    fn drop(&mut self) {
        if self.holds {
            self.of.store(true, Ordering::Relaxed);
        }
    }
}
