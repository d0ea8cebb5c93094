//! `gantz mcp`: the manifest's tools for the agent that starts this program as its MCP server.

use std::process::ExitCode;
use std::sync::Arc;

use gantz_core::limits::MCP_WAIT_MAX_MS;
use gantz_dispatcher::mcp::{McpServer, serve_stdio};

use super::Outcome;
use crate::error::CliError;
use crate::project::Project;
use crate::session::Session;
use crate::signals::Signals;
use crate::tools;

/// Serves on stdin and stdout until the client leaves. On one machine this process works on the jobs, too; whatever has
/// not ended then goes on with the next one, or with `gantz worker`.
pub(super) async fn run(project: &Project) -> Outcome {
    let manifest = project.manifest()?;
    let mut signals = Signals::listen()?;
    let mut session = Session::open(project, Arc::clone(&manifest)).await?;
    session.work().await?;
    if session.own().is_some() {
        tools::warn_of_missing(project, &manifest, None)?;
    }
    let server = McpServer::new(session.dispatcher().clone(), MCP_WAIT_MAX_MS);
    let served = tokio::select! {
        served = serve_stdio(server, tokio::io::stdin(), tokio::io::stdout()) => served,
        () = signals.next() => Ok(()),
    };
    session.close(signals.next()).await;
    served.map(|()| ExitCode::SUCCESS).map_err(|error| CliError::failed(error.to_string()))
}
