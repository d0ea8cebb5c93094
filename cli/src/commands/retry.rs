//! `gantz retry`: a job that ended without success, again.

use serde_json::json;

use super::call::{Wish, leave, submit, work_and_follow};
use super::{Outcome, job_id};
use crate::args::Format;
use crate::error::{CliError, INTERRUPTED};
use crate::project::Project;
use crate::session::Session;
use crate::signals::Signals;

pub(super) struct Options {
    pub(super) even_if_it_ran: bool,
    pub(super) wait: bool,
}

pub(super) async fn run(project: &Project, id: &str, options: Options, format: Format) -> Outcome {
    let id = job_id(id)?;
    let path = match options.even_if_it_ran {
        true => format!("/jobs/{id}/retry?even_if_it_ran=true"),
        false => format!("/jobs/{id}/retry"),
    };
    let mut signals = Signals::listen()?;
    let mut session = Session::open(project, project.manifest()?).await?;
    let nothing = json!({});
    let accepted = tokio::select! {
        accepted = submit(&session, &path, &nothing) => accepted,
        () = signals.next() => Err(CliError::with_code(INTERRUPTED, "interrupted")),
    };
    let outcome = match accepted {
        Ok((again, _)) if options.wait => {
            work_and_follow(&mut session, &again, Wish::Id, &mut signals, format).await
        }
        Ok((again, answer)) => leave(&session, &again, &answer, format).await,
        Err(error) => Err(error),
    };
    session.close(signals.next()).await;
    outcome
}
