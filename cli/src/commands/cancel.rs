//! `gantz cancel`.

use std::process::ExitCode;

use gantz_core::ids::JobId;
use gantz_dispatcher::failures::Records as _;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Outcome, job_id, unknown};
use crate::args::Format;
use crate::client::Answer;
use crate::error::CliError;
use crate::project::Project;
use crate::session::Session;
use crate::signals::Signals;
use crate::view::{print, print_json};

pub(super) async fn run(project: &Project, id: &str, format: Format) -> Outcome {
    let id = job_id(id)?;
    let mut signals = Signals::listen()?;
    let session = Session::open(project, project.manifest()?).await?;
    let answer = cancel(&session, &id, &mut signals).await;
    session.close(signals.next()).await;
    let answer = answer?;
    match format {
        Format::Table => print(&in_words(&id, &answer)),
        Format::Json | Format::Jsonl => print_json(&answer.body, format)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn cancel(session: &Session, id: &JobId, signals: &mut Signals) -> Result<Answer, CliError> {
    if session.reader.job(id).await?.is_none() && session.reader.batch(id).await?.is_none() {
        return Err(unknown(id));
    }
    let answer = session.client.post(&format!("/jobs/{id}/cancel"), &json!({})).await?;
    // A batch's children are cancelled by the planner: by that of a process which works on it, or by ours.
    if let (Some(node), StatusCode::ACCEPTED) = (session.own(), answer.status) {
        tokio::select! {
            planned = node.plan(id) => planned?,
            () = signals.next() => {}
        }
    }
    Ok(answer)
}

fn in_words(id: &JobId, answer: &Answer) -> String {
    let status = answer.body.get("status").and_then(Value::as_str).unwrap_or("gone");
    match status {
        _ if answer.status == StatusCode::ACCEPTED => format!("{id} was asked to stop"),
        "CANCELLED" => format!("{id} is CANCELLED"),
        ended => format!("{id} had ended before: {ended}"),
    }
}
