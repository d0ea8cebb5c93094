//! A quick tool called by an agent over MCP: through Gantz, where each call is a durable job, beside a server of the same
//! SDK that answers from memory.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use axum::Router;
use axum::routing::any_service;
use clap::Args;
use comfy_table::{Table, presets};
use gantz_dispatcher::http::{HttpSettings, router};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::fleet::Fleet;
use crate::single_node::quantile;

type Failure = Box<dyn std::error::Error>;

/// How calls are measured.
#[derive(Args)]
pub(crate) struct Options {
    /// Calls of each server, taken in turns.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    calls: u32,
}

/// A server that does what the SDK does, and nothing else.
#[derive(Clone)]
struct Bare;

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        _request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text("null")]).into())
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
pub(crate) async fn run(dir: &Path, options: &Options) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)?;
    let scratch = tempfile::tempdir_in(dir)?;
    let fleet = Fleet::open(scratch.path())?;
    let working = fleet.work(16);
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let bare = StreamableHttpService::new(|| Ok(Bare), NeverSessionManager::default().into(), config);
    let servers = [
        ("rmcp alone", serve(Router::new().route("/mcp", any_service(bare))).await?),
        ("gantz", serve(router(fleet.dispatcher.clone(), HttpSettings::default())).await?),
    ];
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut waits: [Vec<f64>; 2] = Default::default();
    for n in 0..options.calls {
        for ((_, address), waits) in servers.iter().zip(&mut waits) {
            waits.push(call(&client, *address, n).await?);
        }
    }
    working.stop().await?;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(["tools/call of", "p50 ms", "p90 ms", "p99 ms"]);
    for ((name, _), waits) in servers.iter().zip(&mut waits) {
        waits.sort_by(f64::total_cmp);
        let figures = [0.5, 0.9, 0.99].map(|share| format!("{:.2}", quantile(waits, share)));
        table.add_row(std::iter::once((*name).to_owned()).chain(figures));
    }
    println!("{table}");
    Ok(())
}

/// Serves on a port of its own until the program ends.
async fn serve(router: Router) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(address)
}

/// One call; milliseconds until its answer was read.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn call(client: &reqwest::Client, address: SocketAddr, n: u32) -> Result<f64, Failure> {
    let message = json!({
        "jsonrpc": "2.0", "id": n, "method": "tools/call",
        "params": {"name": "noop", "arguments": {"n": n}},
    });
    let started = Instant::now();
    let request = client
        .post(format!("http://{address}/mcp"))
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-06-18")
        .header("content-type", "application/json")
        .body(message.to_string());
    let answer = request.send().await?.text().await?;
    let took = started.elapsed();
    let told: Value = serde_json::from_str(&answer)?;
    match &told["result"]["isError"] {
        Value::Bool(true) => Err(format!("the call failed: {answer}").into()),
        _ if told.get("result").is_some() => Ok(took.as_secs_f64() * 1_000.0),
        _ => Err(format!("no answer of a tool: {answer}").into()),
    }
}
