//! A stack's events as they happen.

use std::collections::HashSet;
use std::time::Duration;

use gantz_aws::stack::{Stack, StackEvent, Stacks};

use crate::args::Format;
use crate::error::CliError;
use crate::view::{moment, note};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What became of a stack.
pub(super) struct End {
    /// `None` if there is no such stack any more.
    pub(super) stack: Option<Stack>,
    /// What failed first, of which all other failures are consequences.
    failed_first: Option<StackEvent>,
}

impl End {
    /// That the stack is not as it should be, and why.
    pub(super) fn failed(&self, name: &str, stack: &Stack) -> CliError {
        let reason = match (&self.failed_first, &stack.reason) {
            (Some(event), _) => format!(": {}", cause(event)),
            (None, Some(reason)) => format!(": {reason}"),
            (None, None) => String::new(),
        };
        CliError::failed(format!("the stack `{name}` is {}{reason}", stack.status))
            .hint(next_step(&stack.status, name))
    }
}

/// What to do about a stack that is not as it should be.
fn next_step(status: &str, name: &str) -> String {
    match status {
        "ROLLBACK_COMPLETE" => "mend what it names and deploy again; what was begun is gone".into(),
        "UPDATE_ROLLBACK_COMPLETE" => {
            "mend what it names and deploy again; what was there before is as it was".into()
        }
        "UPDATE_ROLLBACK_FAILED" => format!(
            "mend what it names, then `aws cloudformation continue-update-rollback --stack-name {name}`, then deploy again"
        ),
        "DELETE_FAILED" => "mend what it names, and `gantz destroy` again".into(),
        _ => "look at its events in CloudFormation; `gantz destroy` removes it, and its data stays".into(),
    }
}

fn cause(event: &StackEvent) -> String {
    let reason = event.reason.as_deref().unwrap_or("no reason was given");
    format!("`{}` ({}) is {}: {reason}", event.resource, event.kind, event.status)
}

/// Shows what happens to the stack until CloudFormation is done with it.
pub(super) async fn until_idle(
    stacks: &Stacks,
    stack: &str,
    since_ms: u64,
    format: Format,
) -> Result<End, CliError> {
    let mut shown = HashSet::new();
    let mut failed_first = None;
    loop {
        // The state first: what happened before it was read is among the events that are read after it.
        let state = stacks.find(stack).await?;
        for event in stacks.events(stack, since_ms).await? {
            if !shown.insert(event.id.clone()) {
                continue;
            }
            if format == Format::Table {
                note(&line(&event));
            }
            if event.status.ends_with("_FAILED") {
                failed_first.get_or_insert(event);
            }
        }
        match state {
            Some(state) if state.is_busy() => tokio::time::sleep(LOOK_EVERY).await,
            stack => return Ok(End { stack, failed_first }),
        }
    }
}

fn line(event: &StackEvent) -> String {
    let reason = event
        .reason
        .as_ref()
        .filter(|reason| !reason.is_empty())
        .map(|reason| format!("  {reason}"))
        .unwrap_or_default();
    let (at, status) = (moment(event.at_ms), &event.status);
    format!("{at}  {status:<28}  {}  {}{reason}", event.resource, event.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_follows_from_what_became_of_it() {
        for (status, says) in [
            ("ROLLBACK_COMPLETE", "deploy again; what was begun is gone"),
            ("UPDATE_ROLLBACK_COMPLETE", "what was there before is as it was"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name tools"),
            ("DELETE_FAILED", "`gantz destroy` again"),
            ("CREATE_FAILED", "`gantz destroy` removes it"),
        ] {
            let told = next_step(status, "tools");
            assert!(told.contains(says), "{status}: {told}");
        }
    }
}
