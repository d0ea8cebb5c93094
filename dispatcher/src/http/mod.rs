//! The HTTP door: jobs and batches in, their records out.
//!
//! [`router`] is what a server mounts, or [`router_with`] if it has routes of its own. A request passes `guard`, finds
//! its handler in `routes`, and whatever goes wrong on the way is answered with a `problem` document.

mod guard;
mod routes;

mod agent;
mod batches;
mod bearer;
mod cors;
mod health;
mod jobs;
mod tools;
mod trace;

mod accept;
mod body;
mod caller;
mod id;
mod key;
mod nesting;
mod prefer;
mod query;

mod misfit;
mod problem;
mod problem_kind;
mod refusal;

mod openapi;

pub use bearer::BearerToken;
pub use cors::{NoWebOrigin, WebOrigin};

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use gantz_core::limits;
use serde_json::Value;
use tower::util::option_layer;

use crate::mcp::{self, protected_resource};
use crate::submit::{Dispatcher, SubmitError};
use problem::Problem;
use problem_kind::ProblemKind;

/// How the door behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Milliseconds a call of `POST /agent` may take; the caller's `Gantz-Remaining-Ms` can only shorten it.
    pub agent_budget_ms: u64,
    /// Milliseconds a request may wait for a job or a batch to end; longer wishes are cut to this.
    pub wait_max_ms: u64,
    /// Bytes of a request's body.
    pub body_max_bytes: usize,
    /// Names that `Host` and `Origin` may carry, on any port. A page of another site that a browser was led to show
    /// gets nothing, also if its name was made to point here. `None` lets every name through: for doors behind a
    /// gateway that checks.
    pub allowed_hosts: Option<Vec<String>>,
    /// Other sites whose pages may ask here, in a browser.
    pub web_origins: Vec<WebOrigin>,
    /// What every caller has to bring, but for who asks `GET /healthz`; `None` where the network, or a gateway, says who may
    /// ask.
    pub token: Option<BearerToken>,
    /// Whether batches may name files and folders of the machine that plans them.
    pub local_sources: bool,
    /// Whether parts of an answer reach the caller before its end. `false` behind a gateway that hands it over whole.
    pub streams: bool,
    /// Who issues the tokens that a gateway in front of this door asks for, as clients of MCP are told.
    pub token_issuer: Option<String>,
}

impl Default for HttpSettings {
    /// For one machine: loopback names only.
    fn default() -> Self {
        Self {
            agent_budget_ms: limits::HTTP_WAIT_MAX_MS + agent::BUFFER_MS,
            wait_max_ms: limits::HTTP_WAIT_MAX_MS,
            body_max_bytes: limits::HTTP_BODY_MAX_BYTES,
            allowed_hosts: Some(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into()),
            web_origins: Vec::new(),
            token: None,
            local_sources: true,
            streams: true,
            token_issuer: None,
        }
    }
}

/// What every handler has.
#[derive(Clone)]
struct Door {
    dispatcher: Dispatcher,
    settings: Arc<HttpSettings>,
}

/// The door to a dispatcher. `GET /openapi.json` describes it.
pub fn router(dispatcher: Dispatcher, settings: HttpSettings) -> Router {
    router_with(dispatcher, settings, Router::new())
}

/// The door to a dispatcher, and routes of the caller's own behind the same guard.
pub fn router_with(dispatcher: Dispatcher, settings: HttpSettings, more: Router) -> Router {
    let body_limit = DefaultBodyLimit::max(settings.body_max_bytes);
    let server = mcp::McpServer::new(dispatcher.clone(), settings.wait_max_ms).streaming(settings.streams);
    let agents = mcp::route(server, settings.body_max_bytes);
    let more = settings.token_issuer.iter().fold(more, |more, issuer| {
        let metadata = protected_resource::route(issuer.clone());
        protected_resource::PATHS.iter().fold(more, |more, path| more.route(path, metadata.clone()))
    });
    // It answers every OPTIONS itself, so it is not there where nobody needs it.
    let cors = (!settings.web_origins.is_empty()).then(|| cors::layer(&settings.web_origins));
    let door = Door { dispatcher, settings: Arc::new(settings) };
    let all = routes::all().into_iter();
    all.fold(Router::new(), |router, route| router.route(route.path, route.handler))
        .route("/mcp", agents)
        .merge(more.with_state(()))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(body_limit)
        .layer(from_fn_with_state(door.clone(), guard::refuse_strangers))
        // A browser asks whether it may before it sends a token.
        .layer(option_layer(cors))
        .layer(map_response(keep_private))
        .with_state(door)
}

/// Reads a submission that came as text through another door, by the rules of this one.
///
/// # Errors
/// When it is none, in words for its author.
pub(crate) fn read_submission<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    body::read(text.as_bytes()).map_err(Problem::into_detail)
}

/// What a refused submission is told through another door: in words, and as fields.
pub(crate) fn told(error: SubmitError) -> (String, Value) {
    Problem::from(error).into_told()
}

async fn no_such_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(
        ProblemKind::NotFound,
        format!("there is nothing at `{path}`; see /openapi.json for what there is"),
    )
}

/// The router adds `Allow` to whatever this answers.
async fn no_such_method(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("`{}` cannot be used with {method}; the header `Allow` lists what can", uri.path());
    Problem::new(ProblemKind::MethodNotAllowed, detail).into_response()
}

/// Records change and may hold secrets: no cache keeps an answer, and no browser takes one for a page.
async fn keep_private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
