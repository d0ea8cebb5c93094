//! `tools/call`: from a tool's name and its arguments to a job, and back to an answer.

use gantz_core::admit::Origin;
use gantz_core::ids::JobId;
use gantz_core::job::{JobRecord, JobResult, JobStatus};
use gantz_core::lifecycle::CancelVerdict;
use gantz_core::limits::{MCP_RESULT_MAX_BYTES, RESULT_MAX_BYTES};
use gantz_core::ports::{PortError, PortResult};
use gantz_core::spec::JobSpec;
use gantz_core::trace::TraceParent;
use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, CallToolResult, CreateTaskResult, JsonObject};
use serde_json::{Value, json};

use super::progress::Listener;
use super::{McpServer, answer, failed, own};
use crate::http::told;
use crate::submit::SubmitError;
use crate::to_the_end::{CutShort, to_the_end};
use crate::wait;

pub(super) const ORIGIN: Origin = Origin { source: "mcp", occurrence: None };
/// A tool that ends so soon answers in the call; for a client that takes tasks any other call is one.
const QUICK_MS: u64 = 500;

/// What a request says of itself besides its tool and the arguments.
pub(super) struct Asked {
    pub(super) trace: Option<TraceParent>,
    pub(super) takes_tasks: bool,
    pub(super) listener: Listener,
}

/// What a call comes to that is no answer of a job.
pub(super) enum CallError {
    /// The caller can mend it, and is told as a tool's error.
    Told(String, Value),
    /// Nobody can be served at the moment.
    Port(PortError),
}

pub(super) type Answered<T> = Result<T, CallError>;

impl From<PortError> for CallError {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl From<CutShort> for CallError {
    fn from(error: CutShort) -> Self {
        Self::Port(PortError::Transient(error.to_string()))
    }
}

impl From<SubmitError> for CallError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Port(error) => Self::Port(error),
            error => {
                let (message, fields) = told(error);
                Self::Told(message, fields)
            }
        }
    }
}

impl McpServer {
    pub(super) async fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        asked: Asked,
        cancelled: impl Future<Output = ()> + Send,
    ) -> Result<CallToolResponse, ErrorData> {
        let Asked { trace, takes_tasks, listener } = asked;
        let answered = match name {
            _ if self.dispatcher.manifest.tool(name).is_some() => {
                let spec = JobSpec { traceparent: trace, ..JobSpec::new(name, arguments.into()) };
                self.call_tool(spec, takes_tasks, listener, cancelled).await
            }
            own::SUBMIT_JOB => self.submit_job(arguments, trace).await.map(Into::into),
            own::SUBMIT_BATCH => self.submit_batch(arguments, trace).await.map(Into::into),
            own::JOB_STATUS => self.job_status(arguments).await.map(Into::into),
            own::JOB_RESULT => self.job_result(arguments, listener).await.map(Into::into),
            own::CANCEL_JOB => self.cancel_job(arguments).await.map(Into::into),
            _ => {
                let name: String = name.chars().take(80).collect();
                let message = format!("there is no tool `{name}`; `tools/list` names those that there are");
                return Err(ErrorData::invalid_params(message, None));
            }
        };
        match answered {
            Ok(response) => Ok(response),
            Err(CallError::Told(message, fields)) => Ok(answer::error(&message, fields).into()),
            Err(CallError::Port(error)) => Err(failed(&error)),
        }
    }

    async fn call_tool(
        &self,
        spec: JobSpec,
        takes_tasks: bool,
        mut listener: Listener,
        cancelled: impl Future<Output = ()> + Send,
    ) -> Answered<CallToolResponse> {
        let row = self.submit(spec).await.map_err(of_arguments)?;
        let wait_ms = if takes_tasks { QUICK_MS.min(self.wait_max_ms) } else { self.wait_max_ms };
        let jobs = &*self.dispatcher.ports.jobs;
        let row = tokio::select! {
            row = listener.wait(jobs, row.clone(), wait::until(wait_ms)) => row?,
            () = cancelled => {
                // Nobody waits for the answer any more.
                self.cancel(&row.id).await?;
                row
            }
        };
        Ok(match row.is_finished() {
            true => self.result(&row).await?.into(),
            false if takes_tasks => CreateTaskResult::new(self.task_of(&row)).into(),
            false => answer::not_yet(&row).into(),
        })
    }

    /// What a job that has ended came to.
    pub(super) async fn result(&self, row: &JobRecord) -> PortResult<CallToolResult> {
        if row.status != JobStatus::Succeeded {
            return Ok(answer::failure(row));
        }
        let value = match &row.result {
            Some(JobResult::Inline(value)) => value.clone(),
            Some(JobResult::Ref(reference)) => {
                let bytes = self.dispatcher.ports.blobs.get(reference, RESULT_MAX_BYTES).await?;
                if bytes.len() > MCP_RESULT_MAX_BYTES {
                    return Ok(answer::too_large(row, bytes.len()));
                }
                let damaged =
                    |error| PortError::Permanent(format!("the result of `{}` is damaged: {error}", row.id));
                serde_json::from_slice(&bytes).map_err(damaged)?
            }
            None => Value::Null,
        };
        Ok(answer::success(value))
    }

    pub(super) async fn submit(&self, mut spec: JobSpec) -> Answered<JobRecord> {
        spec.tenant = Some(self.tenant.to_string());
        let dispatcher = self.dispatcher.clone();
        Ok(to_the_end(async move { dispatcher.submit(spec, &ORIGIN).await }).await??.record)
    }

    /// The job's row as it is then.
    pub(super) async fn cancel(&self, id: &JobId) -> PortResult<Option<JobRecord>> {
        Ok(match self.dispatcher.cancel(id).await? {
            CancelVerdict::Ended(row) | CancelVerdict::Requested(row) | CancelVerdict::Finished(row) => {
                Some(*row)
            }
            CancelVerdict::Unknown => None,
        })
    }
}

/// A tool's arguments are the parameters themselves: what is wrong with them is found one step higher.
fn of_arguments(error: CallError) -> CallError {
    let CallError::Told(message, mut fields) = error else { return error };
    let errors = fields.get_mut("errors").and_then(Value::as_array_mut);
    for pointer in errors.into_iter().flatten().filter_map(|error| error.get_mut("pointer")) {
        if let Some(own) = pointer.as_str().and_then(|pointer| pointer.strip_prefix("/parameters")) {
            *pointer = json!(own);
        }
    }
    CallError::Told(message, fields)
}
