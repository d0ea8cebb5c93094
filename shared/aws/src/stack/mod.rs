//! Stacks of resources: created, changed and deleted through CloudFormation.
//!
//! Every change goes through a change set, so that what will happen can be shown before it does.

mod artifacts;
mod retained;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, Parameter, ResourceChange, Stack as SdkStack,
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gantz_core::ports::{PortError, PortResult};

pub use self::artifacts::Artifacts;
pub use self::retained::Retained;
use crate::error::port_error;
use crate::session::Session;

/// Between two looks at something that CloudFormation works on.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// Working out a change takes seconds. By then, CloudFormation is not going to.
const PREPARE_PATIENCE: Duration = Duration::from_secs(600);
/// What CloudFormation says of a change set that changes nothing.
const NO_CHANGES: [&str; 2] = ["didn't contain changes", "No updates are to be performed"];

/// The stacks of an account and region.
#[derive(Debug, Clone)]
pub struct Stacks {
    client: Client,
}

/// A stack, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its ARN: also of a stack that was deleted, whose name may be used again.
    pub id: String,
    /// CloudFormation's word for where it stands, such as `CREATE_COMPLETE`.
    pub status: String,
    /// Why, where CloudFormation says so.
    pub reason: Option<String>,
    /// Its outputs, by name.
    pub outputs: BTreeMap<String, String>,
    /// The names of its parameters. Their values may be secret.
    pub parameters: BTreeSet<String>,
}

/// What a stack shall be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The stack's name.
    pub name: String,
    /// The address of its template, in S3.
    pub template_url: String,
    /// Values of the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// All parameters that the template has. Those without a value keep the one that the stack has; if it has none, or is
    /// new, the template's default holds.
    pub known_parameters: BTreeSet<String>,
}

/// A change that is ready to be made.
#[derive(Debug, Clone)]
pub struct ChangeSet {
    id: String,
    stack: String,
    /// What it does, resource by resource.
    pub changes: Vec<Change>,
}

/// What a change does to one resource.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// `Add`, `Modify`, `Remove` or `Import`.
    pub action: String,
    /// The resource's name in the template.
    pub resource: String,
    /// Its type, such as `AWS::SQS::Queue`.
    pub kind: String,
    /// Whether it is replaced by a new one: `True`, `False` or `Conditional`.
    pub replacement: Option<String>,
}

/// Something that happened to a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    /// The event's own id.
    pub id: String,
    /// When, milliseconds since the epoch.
    pub at_ms: u64,
    /// The resource's name in the template, or the stack's name.
    pub resource: String,
    /// The resource's type.
    pub kind: String,
    /// CloudFormation's word for what happened.
    pub status: String,
    /// Why, where CloudFormation says so.
    pub reason: Option<String>,
}

impl Stack {
    /// CloudFormation is at work on it.
    pub fn is_busy(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS")
    }

    /// The last operation did what it was asked to.
    pub fn is_well(&self) -> bool {
        matches!(self.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE")
    }

    /// Its creation failed and was rolled back: nothing is in it, and it can only be deleted.
    pub fn is_stillborn(&self) -> bool {
        self.status == "ROLLBACK_COMPLETE"
    }

    /// It exists only as a change set that was never executed.
    fn is_reserved(&self) -> bool {
        self.status == "REVIEW_IN_PROGRESS"
    }
}

impl Stacks {
    /// The stacks that the session reaches.
    pub fn new(session: &Session) -> Self {
        Self { client: Client::new(session.config()) }
    }

    /// The region that they are in, if one is configured.
    pub fn region(&self) -> Option<&str> {
        self.client.config().region().map(AsRef::as_ref)
    }

    /// A stack by its name or ARN, or `None` if there is none. By its ARN, a deleted stack is found too.
    ///
    /// # Errors
    /// When CloudFormation fails; so do all methods below.
    pub async fn find(&self, name: &str) -> PortResult<Option<Stack>> {
        match self.client.describe_stacks().stack_name(name).send().await {
            Ok(answer) => Ok(answer.stacks.unwrap_or_default().first().map(stack)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(port_error("DescribeStacks", &error)),
        }
    }

    /// Prepares what makes the stack as wanted out of what it is `now`, creating it if there is none. `None` if nothing is
    /// to be changed.
    ///
    /// # Errors
    /// Also when CloudFormation refuses the template or a parameter, with its reason.
    pub async fn prepare(
        &self,
        wanted: &Wanted,
        now: Option<&Stack>,
        change_name: &str,
    ) -> PortResult<Option<ChangeSet>> {
        let stack = now.filter(|stack| !stack.is_reserved());
        let kind = if stack.is_some() { ChangeSetType::Update } else { ChangeSetType::Create };
        let given = wanted.parameters.iter().map(|(key, value)| {
            Parameter::builder().parameter_key(key.as_str()).parameter_value(value.as_str()).build()
        });
        let has = stack.map(|stack| &stack.parameters);
        let kept = has.into_iter().flatten().filter(|key| {
            wanted.known_parameters.contains(*key) && !wanted.parameters.contains_key(key.as_str())
        });
        let kept =
            kept.map(|key| Parameter::builder().parameter_key(key.as_str()).use_previous_value(true).build());
        let created = self
            .client
            .create_change_set()
            .stack_name(&wanted.name)
            .change_set_name(change_name)
            .change_set_type(kind)
            .template_url(&wanted.template_url)
            .set_parameters(Some(given.chain(kept).collect()))
            // Functions have roles of their own.
            .capabilities(Capability::CapabilityIam)
            .send()
            .await
            .map_err(|error| port_error("CreateChangeSet", &error))?;
        let missing = || PortError::Transient("CreateChangeSet: the answer names no change set".into());
        let id = created.id.ok_or_else(missing)?;
        let mut change = ChangeSet { id, stack: wanted.name.clone(), changes: Vec::new() };
        let end = tokio::time::timeout(PREPARE_PATIENCE, self.worked_out(&mut change)).await;
        let unfinished = || PortError::Transient("CloudFormation did not work out the change in time".into());
        let end = end.unwrap_or_else(|_| Err(unfinished()));
        if !matches!(end, Ok(true)) {
            // Left there, it would stand in the way: of a new stack, the empty shell too.
            let discarded = self.discard(&change).await;
            if let (Err(error), Err(_)) = (&discarded, &end) {
                tracing::warn!(stack = change.stack, %error, "failed to discard a change set");
            } else {
                discarded?;
            }
        }
        Ok(end?.then_some(change))
    }

    /// Waits until CloudFormation has worked a change out, and adds what it does. False if that is nothing.
    async fn worked_out(&self, set: &mut ChangeSet) -> PortResult<bool> {
        let describe = || self.client.describe_change_set().stack_name(&set.stack).change_set_name(&set.id);
        loop {
            let answer = describe().send().await.map_err(|error| port_error("DescribeChangeSet", &error))?;
            match answer.status() {
                Some(ChangeSetStatus::CreateComplete) => break,
                Some(ChangeSetStatus::Failed) => {
                    let reason = answer.status_reason().unwrap_or("no reason was given");
                    if NO_CHANGES.iter().any(|text| reason.contains(text)) {
                        return Ok(false);
                    }
                    return Err(PortError::Permanent(format!("the change was refused: {reason}")));
                }
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        let mut changes = Vec::new();
        let mut token = None;
        loop {
            let answer = describe().set_next_token(token).send().await;
            let answer = answer.map_err(|error| port_error("DescribeChangeSet", &error))?;
            changes.extend(answer.changes().iter().filter_map(|entry| entry.resource_change().map(change)));
            token = answer.next_token;
            if token.is_none() {
                break;
            }
        }
        set.changes = changes;
        Ok(true)
    }

    /// Begins to make a change. A new stack that fails is rolled back, as is an update.
    ///
    /// # Errors
    /// See [`Stacks::find`].
    pub async fn execute(&self, change: &ChangeSet) -> PortResult<()> {
        let call = self.client.execute_change_set().stack_name(&change.stack).change_set_name(&change.id);
        call.send().await.map(|_| ()).map_err(|error| port_error("ExecuteChangeSet", &error))
    }

    /// Forgets a change that will not be made, and the empty stack that a first change set leaves.
    ///
    /// # Errors
    /// See [`Stacks::find`].
    pub async fn discard(&self, change: &ChangeSet) -> PortResult<()> {
        let call = self.client.delete_change_set().stack_name(&change.stack).change_set_name(&change.id);
        call.send().await.map_err(|error| port_error("DeleteChangeSet", &error))?;
        match self.find(&change.stack).await? {
            Some(stack) if stack.is_reserved() => self.delete(&change.stack).await,
            _ => Ok(()),
        }
    }

    /// Begins to delete a stack.
    ///
    /// # Errors
    /// See [`Stacks::find`].
    pub async fn delete(&self, name: &str) -> PortResult<()> {
        let call = self.client.delete_stack().stack_name(name);
        call.send().await.map(|_| ()).map_err(|error| port_error("DeleteStack", &error))
    }

    /// What happened to the stack since `since_ms`, oldest first.
    ///
    /// # Errors
    /// See [`Stacks::find`].
    pub async fn events(&self, stack_id: &str, since_ms: u64) -> PortResult<Vec<StackEvent>> {
        let mut events = Vec::new();
        let mut token = None;
        loop {
            let call = self.client.describe_stack_events().stack_name(stack_id).set_next_token(token);
            let answer = match call.send().await {
                Ok(answer) => answer,
                Err(error) if is_missing(&error) => break,
                Err(error) => return Err(port_error("DescribeStackEvents", &error)),
            };
            let page = answer.stack_events.unwrap_or_default();
            let new: Vec<_> = page.iter().map(event).take_while(|event| event.at_ms >= since_ms).collect();
            // Newest first: the rest lies before `since_ms`.
            let exhausted = new.len() < page.len();
            events.extend(new);
            token = answer.next_token;
            if exhausted || token.is_none() {
                break;
            }
        }
        events.reverse();
        Ok(events)
    }
}

fn stack(stack: &SdkStack) -> Stack {
    let outputs = stack
        .outputs()
        .iter()
        .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())));
    let parameters = stack.parameters().iter().filter_map(Parameter::parameter_key);
    Stack {
        id: stack.stack_id().unwrap_or_default().to_owned(),
        status: stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: stack.stack_status_reason().map(str::to_owned),
        outputs: outputs.collect(),
        parameters: parameters.map(str::to_owned).collect(),
    }
}

fn change(change: &ResourceChange) -> Change {
    Change {
        action: change.action().map(|action| action.as_str().to_owned()).unwrap_or_default(),
        resource: change.logical_resource_id().unwrap_or_default().to_owned(),
        kind: change.resource_type().unwrap_or_default().to_owned(),
        replacement: change.replacement().map(|replacement| replacement.as_str().to_owned()),
    }
}

fn event(event: &aws_sdk_cloudformation::types::StackEvent) -> StackEvent {
    let at_ms = event.timestamp().and_then(|at| at.to_millis().ok()).and_then(|at| u64::try_from(at).ok());
    StackEvent {
        id: event.event_id().unwrap_or_default().to_owned(),
        at_ms: at_ms.unwrap_or_default(),
        resource: event.logical_resource_id().unwrap_or_default().to_owned(),
        kind: event.resource_type().unwrap_or_default().to_owned(),
        status: event.resource_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: event.resource_status_reason().map(str::to_owned),
    }
}

/// CloudFormation says in words that there is no such stack.
fn is_missing<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ValidationError")
        && error.message().is_some_and(|message| message.contains("does not exist"))
}
