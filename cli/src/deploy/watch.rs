//! A stack's events as they happen.

use std::collections::HashSet;
use std::time::Duration;

use gantz_aws::stack::{Stack, StackEvent, Stacks};

use crate::args::Format;
use crate::error::CliError;
use crate::view::{moment, note};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Shows what happens to the stack until CloudFormation is done with it. `None` once there is no such stack.
pub(super) async fn until_idle(
    stacks: &Stacks,
    stack: &str,
    since_ms: u64,
    format: Format,
) -> Result<Option<Stack>, CliError> {
    let mut shown = HashSet::new();
    loop {
        // The state first: what happened before it was read is among the events that are read after it.
        let state = stacks.find(stack).await?;
        for event in stacks.events(stack, since_ms).await? {
            if shown.insert(event.id.clone()) && format == Format::Table {
                note(&line(&event));
            }
        }
        match state {
            Some(state) if state.is_busy() => tokio::time::sleep(LOOK_EVERY).await,
            ended => return Ok(ended),
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
