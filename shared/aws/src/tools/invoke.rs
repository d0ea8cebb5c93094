//! `aws_lambda.invoke`: calls a Lambda function, and either waits for its answer or leaves it to run.

use std::time::Duration;

use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::types::InvocationType;
use aws_smithy_types::{Blob, base64};
use gantz_core::limits::JSON_DEPTH_MAX;
use gantz_core::outcome::{ErrorKind, Failure, Outcome, truncate};
use gantz_core::tool::{Call, Tool};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::{effect_failure, invalid};
use crate::session::LazySession;

/// What Lambda takes and gives when the caller waits: 6 MB each way.
const SYNC_MAX_BYTES: usize = 6 * 1024 * 1024;
/// What Lambda takes when nobody waits.
const ASYNC_MAX_BYTES: usize = 1024 * 1024;
/// Above the callee's longest run of 15 minutes: whoever gives up earlier leaves a run behind, and its answer is lost. The
/// call's own timeout still bounds it, by dropping it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(16 * 60);
/// An error's own words, as far as they help. The rest of a stack trace is in the function's log.
const QUOTE_MAX_BYTES: usize = 1_024;

/// The tool `aws_lambda.invoke`.
///
/// The job's id travels in the client context (`custom.gantz_job_id`), so that a function can recognise a repetition. The
/// SDK never repeats the call by itself. A function that answers with an error fails the job, and the job is tried again as
/// the tool's retry policy says: whether the callee's fault passes is not ours to know, and Lambda does the same for
/// functions that are invoked without waiting.
#[derive(Debug, Clone)]
pub struct Invoke {
    session: LazySession,
}

/// The parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct InvokeParameters {
    /// The function's name or ARN, perhaps with a version or alias.
    pub function_name: String,
    /// What the function is given.
    pub payload: Value,
    /// Whether to wait.
    #[serde(default)]
    pub invocation_type: Invocation,
}

/// Whether to wait for the function's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Invocation {
    /// Wait for it.
    #[default]
    RequestResponse,
    /// Have it queued; Lambda runs it later.
    Event,
}

impl Invoke {
    /// Invokes functions in the session's region and account.
    pub fn new(session: impl Into<LazySession>) -> Self {
        Self { session: session.into() }
    }

    async fn invoke(&self, call: Call<InvokeParameters>) -> Result<Value, Failure> {
        let Call { job_id, tool, attempt, parameters, .. } = call;
        let InvokeParameters { function_name, payload, invocation_type } = parameters;
        let payload = checked_payload(&payload, invocation_type)?;
        let context = json!({ "custom": { "gantz_job_id": job_id.as_str(), "gantz_tool": tool, "gantz_attempt": attempt } });
        let session = self.session.get().await;
        let request = session
            .lambda()
            .invoke()
            .function_name(&function_name)
            .invocation_type(match invocation_type {
                Invocation::RequestResponse => InvocationType::RequestResponse,
                Invocation::Event => InvocationType::Event,
            })
            .client_context(base64::encode(context.to_string()))
            .payload(Blob::new(payload));
        let answer = request.customize().config_override(once_and_patiently()).send().await;
        let answer = answer.map_err(|error| effect_failure("Invoke", &error))?;
        match invocation_type {
            Invocation::RequestResponse => answered(&answer),
            Invocation::Event => Ok(json!({
                "status_code": answer.status_code,
                "message": format!("Function {function_name} invoked asynchronously"),
            })),
        }
    }
}

impl Tool for Invoke {
    const HANDLER: &'static str = "aws_lambda.invoke";

    type Parameters = InvokeParameters;

    async fn run(&self, call: Call<InvokeParameters>) -> Outcome {
        self.invoke(call).await.map_or_else(Outcome::Failed, Outcome::Done)
    }
}

/// One try, as long as the callee may take. An answer that is silent for minutes is no stalled one.
fn once_and_patiently() -> Builder {
    aws_sdk_lambda::Config::builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

fn checked_payload(payload: &Value, invocation_type: Invocation) -> Result<Vec<u8>, Failure> {
    let bytes = payload.to_string().into_bytes();
    let max_bytes = match invocation_type {
        Invocation::RequestResponse => SYNC_MAX_BYTES,
        Invocation::Event => ASYNC_MAX_BYTES,
    };
    if bytes.len() > max_bytes {
        let size = bytes.len();
        return Err(invalid(format!("the payload is {size} bytes, `{invocation_type:?}` takes {max_bytes}")));
    }
    Ok(bytes)
}

fn answered(answer: &InvokeOutput) -> Result<Value, Failure> {
    let payload = answer.payload().map(AsRef::as_ref).unwrap_or_default();
    if let Some(handled) = answer.function_error() {
        return Err(function_error(handled, payload));
    }
    if payload.len() > SYNC_MAX_BYTES {
        let message =
            format!("the function answered {} bytes, at most {SYNC_MAX_BYTES} are taken", payload.len());
        return Err(Failure::permanent(ErrorKind::ResultTooLarge, message));
    }
    let response = read_response(payload);
    if !fits(&response, JSON_DEPTH_MAX - 1) {
        let message = format!("the function's answer is nested more than {} deep", JSON_DEPTH_MAX - 1);
        return Err(Failure::permanent(ErrorKind::ToolError, message));
    }
    Ok(json!({
        "status_code": answer.status_code,
        "function_error": null,
        "executed_version": answer.executed_version(),
        "response": response,
    }))
}

/// A JSON document where it is one, else the text.
fn read_response(payload: &[u8]) -> Value {
    if payload.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(payload).unwrap_or_else(|_| String::from_utf8_lossy(payload).into())
}

/// `handled` is Lambda's word: `Handled` or `Unhandled`.
fn function_error(handled: &str, payload: &[u8]) -> Failure {
    let error = read_response(payload);
    let said = |name| error.get(name).and_then(Value::as_str);
    let mut message = match (said("errorType"), said("errorMessage")) {
        (Some(class), Some(message)) => format!("{class}: {message}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => error.to_string(),
    };
    truncate(&mut message, QUOTE_MAX_BYTES);
    let message = format!("the function failed ({}): {message}", handled.to_ascii_lowercase());
    Failure::transient(ErrorKind::FunctionError, message)
}

/// Whether containers are nested at most `depth` deep: a result is stored inside other documents.
fn fits(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| fits(item, depth - 1)),
        Value::Object(members) => depth > 0 && members.values().all(|member| fits(member, depth - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use gantz_core::outcome::Retry;

    use super::*;

    #[test]
    fn bounds_payloads_by_how_they_are_sent() {
        let payload = json!("x".repeat(ASYNC_MAX_BYTES - 2));
        assert_eq!(checked_payload(&payload, Invocation::Event).unwrap().len(), ASYNC_MAX_BYTES);
        let payload = json!("x".repeat(ASYNC_MAX_BYTES - 1));
        assert!(checked_payload(&payload, Invocation::RequestResponse).is_ok());
        let failure = checked_payload(&payload, Invocation::Event).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Invalid);
        assert_eq!(failure.message, "the payload is 1048577 bytes, `Event` takes 1048576");
    }

    #[test]
    fn reads_answers_as_json_or_text() {
        assert_eq!(read_response(b""), Value::Null);
        assert_eq!(read_response(b"{\"a\": 1}"), json!({ "a": 1 }));
        assert_eq!(read_response(b"<html>"), json!("<html>"));
    }

    #[test]
    fn refuses_answers_that_could_not_be_read_back() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let answer = |text: String| InvokeOutput::builder().status_code(200).payload(Blob::new(text)).build();
        assert!(answered(&answer(nested(JSON_DEPTH_MAX - 1))).is_ok());
        let failure = answered(&answer(nested(JSON_DEPTH_MAX))).unwrap_err();
        assert_eq!((failure.kind, failure.retry), (ErrorKind::ToolError, Retry::Never));
    }

    #[test]
    fn names_a_functions_error() {
        let check = |payload: &str, expect: &str| {
            let failure = function_error("Unhandled", payload.as_bytes());
            assert_eq!(failure.message, format!("the function failed (unhandled): {expect}"));
            assert_eq!((failure.kind, failure.retry), (ErrorKind::FunctionError, Retry::Backoff));
        };
        check(r#"{"errorMessage": "no", "errorType": "ValueError", "stackTrace": []}"#, "ValueError: no");
        check(
            r#"{"errorMessage": "Task timed out after 3.00 seconds"}"#,
            "Task timed out after 3.00 seconds",
        );
        check(r#"{"oops": 1}"#, r#"{"oops":1}"#);
        check("gone", "\"gone\"");
    }
}
