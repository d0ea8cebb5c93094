//! Calls of Gantz's own tools.

use std::fmt;

use gantz_core::admit_batch::BatchSpec;
use gantz_core::batch::{BatchReport, BatchView};
use gantz_core::ids::JobId;
use gantz_core::spec::JobSpec;
use gantz_core::trace::TraceParent;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Answered, CallError, ORIGIN};
use super::progress::Listener;
use super::{McpServer, answer};
use crate::failures;
use crate::to_the_end::to_the_end;
use crate::wait;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmitJob {
    tool: String,
    #[serde(default)]
    parameters: JsonObject,
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfId {
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    id: String,
    wait_seconds: Option<f64>,
}

impl McpServer {
    pub(super) async fn submit_job(
        &self,
        arguments: JsonObject,
        trace: Option<TraceParent>,
    ) -> Answered<CallToolResult> {
        let asked: SubmitJob = read(arguments)?;
        let mut spec = JobSpec::new(asked.tool, asked.parameters.into());
        spec.idempotency_key = asked.idempotency_key;
        spec.traceparent = trace;
        Ok(shown(&self.submit(spec).await?))
    }

    pub(super) async fn submit_batch(
        &self,
        arguments: JsonObject,
        trace: Option<TraceParent>,
    ) -> Answered<CallToolResult> {
        // Files of the machine that plans are not an agent's to name.
        if let Some(name) = ["files", "as", "tenant"].into_iter().find(|name| arguments.contains_key(*name)) {
            return Err(invalid(&format!("`/{name}` cannot be given here, send `items`, `s3` or `jsonl`")));
        }
        if ["items", "s3", "jsonl"].into_iter().filter(|name| arguments.contains_key(*name)).count() != 1 {
            return Err(invalid("expected exactly one of `/items`, `/s3` and `/jsonl`"));
        }
        let mut spec: BatchSpec = read(arguments)?;
        spec.refuse_local_sources().map_err(|rejection| invalid(&rejection.to_string()))?;
        spec.tenant = Some(self.tenant.to_string());
        spec.traceparent = spec.traceparent.or(trace);
        let dispatcher = self.dispatcher.clone();
        let batch = to_the_end(async move { dispatcher.submit_batch(spec, &ORIGIN).await }).await??.record;
        Ok(shown(&BatchView::from(&batch)))
    }

    pub(super) async fn job_status(&self, arguments: JsonObject) -> Answered<CallToolResult> {
        let OfId { id } = read(arguments)?;
        match self.find(&id).await? {
            Some(row) => Ok(shown(&row)),
            None => Ok(shown(&self.batch(&id, 0).await?)),
        }
    }

    pub(super) async fn job_result(
        &self,
        arguments: JsonObject,
        mut listener: Listener,
    ) -> Answered<CallToolResult> {
        let Wait { id, wait_seconds } = read(arguments)?;
        let wait_ms = wait_seconds.map_or(self.wait_max_ms, |seconds| (seconds.max(0.0) * 1_000.0) as u64);
        let wait_ms = wait_ms.min(self.wait_max_ms);
        let Some(row) = self.find(&id).await? else {
            return Ok(shown(&self.batch(&id, wait_ms).await?));
        };
        let row = listener.wait(&*self.dispatcher.ports.jobs, row, wait::until(wait_ms)).await?;
        Ok(if row.is_finished() { self.result(&row).await? } else { answer::not_yet(&row) })
    }

    pub(super) async fn cancel_job(&self, arguments: JsonObject) -> Answered<CallToolResult> {
        let OfId { id } = read(arguments)?;
        if let Some(row) = self.find(&id).await? {
            return Ok(shown(&self.cancel(&row.id).await?.unwrap_or(row)));
        }
        let batch = self.batch(&id, 0).await?.batch.batch_id;
        let dispatcher = self.dispatcher.clone();
        let row = to_the_end(async move { dispatcher.cancel_batch(&batch).await }).await??;
        row.map(|row| shown(&BatchView::from(&row))).ok_or_else(|| unknown(&id))
    }

    /// The caller's batch of that id, once it has ended or the time is over.
    async fn batch(&self, id: &str, wait_ms: u64) -> Answered<BatchReport> {
        let batch = JobId::try_new(id).map_err(|_| unknown(id))?;
        let ports = &self.dispatcher.ports;
        let progress = wait::for_batch(&*ports.batches, &batch, wait::until(wait_ms)).await?;
        let own = progress.filter(|progress| progress.batch.tenant == self.tenant);
        Ok(failures::report(ports, &own.ok_or_else(|| unknown(id))?).await?)
    }
}

fn read<T: DeserializeOwned>(arguments: JsonObject) -> Answered<T> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let path = error.path().to_string();
        match path.as_str() {
            "." => invalid(&error.inner().to_string()),
            path => invalid(&format!("`/{}`: {}", path.replace('.', "/"), error.inner())),
        }
    })
}

fn invalid(message: &str) -> CallError {
    CallError::Told(message.to_owned(), json!({ "kind": "invalid", "message": message }))
}

fn unknown(id: impl fmt::Display) -> CallError {
    let id: String = id.to_string().chars().take(80).collect();
    let message = format!("there is no job and no batch `{id}`");
    let fields = json!({ "kind": "not_found", "message": message });
    CallError::Told(message, fields)
}

fn shown(record: &impl Serialize) -> CallToolResult {
    match serde_json::to_value(record) {
        Ok(value) => CallToolResult::structured(value),
        Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
    }
}
