//! `gantz dev`: the whole fleet on this machine, until it is told to stop.

use std::net::IpAddr;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;
use std::sync::Arc;

use gantz_core::manifest::Manifest;
use gantz_dispatcher::http::{BearerToken, WebOrigin};
use serde_json::json;
use tokio::task::JoinSet;

use super::{Outcome, note_drain};
use crate::args::Format;
use crate::error::{CliError, INTERRUPTED};
use crate::node::{Api, DRAIN, Node};
use crate::project::Project;
use crate::signals::Signals;
use crate::watch::{self, Watched};
use crate::{schedules, shell, tools, view};

/// Names the token that callers bring.
const TOKEN: &str = "GANTZ_TOKEN";
/// Shorter ones can be guessed.
const TOKEN_MIN_CHARS: usize = 16;

/// How to run it.
pub(super) struct Options {
    pub(super) port: u16,
    pub(super) listen: IpAddr,
    pub(super) cors_origin: Vec<WebOrigin>,
    pub(super) watch: Option<PathBuf>,
    pub(super) watch_tool: String,
    pub(super) max_backlog: u64,
}

pub(super) async fn run(project: &Project, options: Options, format: Format) -> Outcome {
    let manifest = project.manifest()?;
    let mut signals = Signals::listen()?;
    let watched = match &options.watch {
        None => None,
        Some(_) if !takes_path(&manifest, &options.watch_tool) => {
            let message =
                format!("the manifest has no tool `{}` with a parameter `path`", options.watch_tool);
            return Err(CliError::usage(message).hint("`--watch-tool TOOL` names the tool for watched files"));
        }
        Some(folder) if !folder.is_dir() => {
            return Err(CliError::usage(format!("`{}` is no folder to watch", folder.display())));
        }
        Some(folder) => Some(absolute(folder)?),
    };
    let token = Token::of(options.listen)?;
    let api = Api {
        address: options.listen,
        port: options.port,
        web_origins: options.cors_origin.clone(),
        token: token.as_ref().map(|token| BearerToken::new(&token.text)),
        backlog_max: Some(options.max_backlog),
        metrics: true,
    };
    let mut node = Node::start(project, Arc::clone(&manifest), api).await?;
    node.work().await?;
    let token = token.filter(|token| token.is_new).map(|token| token.text);
    announce(project, &manifest, &node, watched.as_deref(), token.as_deref(), &options, format)?;
    tools::warn_of_missing(project, &manifest, None)?;
    let mut scheduled = JoinSet::new();
    for name in schedules::start(&node.dispatcher, &manifest, &mut scheduled) {
        view::note(&format!(
            "warning: the schedule `{name}` does not run here, as it means the bucket of a stack: \
             `batch.s3.bucket` names another"
        ));
    }
    let mut watching = JoinSet::new();
    if let Some(folder) = watched {
        let (tool, spared) = (options.watch_tool.clone(), project.data_dir.clone());
        watching.spawn(watch::serve(node.dispatcher.clone(), Watched { folder, tool, spared }));
    }
    tokio::select! {
        () = signals.next() => {}
        // It goes on for ever, unless it is broken: then nobody shall believe that the folder is watched.
        Some(ended) = watching.join_next() => {
            tracing::error!(?ended, "the folder is no longer watched");
            signals.next().await;
        }
    }
    watching.shutdown().await;
    scheduled.shutdown().await;
    note_drain();
    node.stop(DRAIN, signals.next()).await;
    Ok(ExitCode::from(INTERRUPTED))
}

/// What callers have to bring.
struct Token {
    text: String,
    is_new: bool,
}

impl Token {
    /// That of the environment; or a new one, where others than this machine can ask.
    fn of(address: IpAddr) -> Result<Option<Self>, CliError> {
        match std::env::var(TOKEN) {
            Ok(text) if text.len() < TOKEN_MIN_CHARS || !text.bytes().all(|b| b.is_ascii_graphic()) => {
                let message = format!(
                    "`{TOKEN}` is no token, expected {TOKEN_MIN_CHARS} or more visible ASCII characters"
                );
                Err(CliError::usage(message).hint("`openssl rand -hex 16` makes one"))
            }
            Ok(text) => Ok(Some(Self { text, is_new: false })),
            Err(_) if address.is_loopback() => Ok(None),
            Err(_) => {
                let entropy = shell::entropy();
                let text = format!("{:016x}{:016x}", entropy.next(), entropy.next());
                Ok(Some(Self { text, is_new: true }))
            }
        }
    }
}

fn takes_path(manifest: &Manifest, tool: &str) -> bool {
    manifest.tool(tool).is_some_and(|tool| tool.parameters.get("path").is_some())
}

/// Says where everything is.
fn announce(
    project: &Project,
    manifest: &Manifest,
    node: &Node,
    watched: Option<&Path>,
    token: Option<&str>,
    options: &Options,
    format: Format,
) -> Result<(), CliError> {
    if format != Format::Table {
        let document = json!({
            "name": manifest.name(), "version": manifest.version(), "url": node.url,
            "data_dir": project.data_dir, "watching": watched, "token": token,
        });
        return view::print_json(&document, format);
    }
    view::print(&format!(
        "{} {} with {} on {}\nagents connect to {}/mcp\njobs are kept in {}",
        manifest.name(),
        manifest.version(),
        view::count(manifest.tools().count() as u64, "tool"),
        node.url,
        node.url,
        project.data_dir.display(),
    ));
    if let Some(token) = token {
        view::print(&format!("callers send `Authorization: Bearer {token}`, as long as this process runs"));
    }
    if let Some(folder) = watched {
        view::print(&format!("files in {} go to `{}`", folder.display(), options.watch_tool));
    }
    view::print("Ctrl-C stops");
    Ok(())
}
