//! What an MCP server's answer means for the job. Pure.
//!
//! | the server | the job |
//! |---|---|
//! | answered | its result: structured content, else a single text, else MCP's content as it is |
//! | answered with `isError` | failed as `tool_error`, may be tried again |
//! | refused the arguments, or has no such tool | failed for good |
//! | answered with another error | failed, may be tried again |
//! | ended, or hung up | failed in doubt: the call may have been carried out |

use gantz_core::outcome::{ErrorKind, Failure, Outcome};
use rmcp::model::{CallToolResponse, CallToolResult, ErrorCode};
use rmcp::service::ServiceError;
use serde_json::{Value, json};

pub(super) fn answered(response: CallToolResponse) -> Outcome {
    match response {
        CallToolResponse::Complete(result) if result.is_error == Some(true) => {
            Outcome::transient(ErrorKind::ToolError, words(&result))
        }
        CallToolResponse::Complete(result) => Outcome::Done(value(result)),
        _ => Outcome::permanent(
            ErrorKind::ToolError,
            "the server asks for what no job can give: input of a person, or patience for a task",
        ),
    }
}

pub(super) fn failed(server: &str, error: ServiceError) -> Outcome {
    match error {
        ServiceError::McpError(error) => {
            let message = format!("the MCP server `{server}` refused the call: {}", error.message);
            match error.code {
                ErrorCode::INVALID_PARAMS => Outcome::permanent(ErrorKind::Invalid, message),
                ErrorCode::METHOD_NOT_FOUND => Outcome::permanent(ErrorKind::NotFound, message),
                _ => Outcome::transient(ErrorKind::ToolError, message),
            }
        }
        error => {
            let message = format!("the MCP server `{server}` was lost while it had the call: {error}");
            Outcome::Failed(Failure::transient(ErrorKind::Unavailable, message).in_doubt())
        }
    }
}

fn value(result: CallToolResult) -> Value {
    if let Some(value) = result.structured_content {
        return value;
    }
    match result.content.as_slice() {
        [only] if only.as_text().is_some() => json!(only.as_text().map(|content| &content.text)),
        content => json!({ "content": content }),
    }
}

/// An error's texts, for people.
fn words(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(|content| content.as_text());
    let words = texts.map(|content| content.text.as_str()).collect::<Vec<_>>().join("\n");
    if words.is_empty() { "the tool failed without a word".into() } else { words }
}

#[cfg(test)]
mod tests {
    use gantz_core::outcome::{Effect, Retry};
    use rmcp::ErrorData;
    use rmcp::model::ContentBlock;

    use super::*;

    #[test]
    fn answers_become_results() {
        let text = |text: &str| ContentBlock::text(text);
        for (result, expected) in [
            (CallToolResult::structured(json!({"rows": 2})), json!({"rows": 2})),
            (CallToolResult::success(vec![text("hello")]), json!("hello")),
            (CallToolResult::success(vec![]), json!({"content": []})),
            (
                CallToolResult::success(vec![text("a"), text("b")]),
                json!({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
            ),
        ] {
            assert_eq!(answered(result.into()), Outcome::Done(expected));
        }
        let error = CallToolResult::error(vec![text("no such table"), text("try another")]);
        assert_eq!(
            answered(error.into()),
            Outcome::transient(ErrorKind::ToolError, "no such table\ntry another")
        );
    }

    #[test]
    fn errors_say_whether_to_try_again() {
        let mcp = |code| ServiceError::McpError(ErrorData::new(code, "no", None));
        for (error, kind, retry, effect) in [
            (mcp(ErrorCode::INVALID_PARAMS), ErrorKind::Invalid, Retry::Never, Effect::ByKind),
            (mcp(ErrorCode::METHOD_NOT_FOUND), ErrorKind::NotFound, Retry::Never, Effect::ByKind),
            (mcp(ErrorCode::INTERNAL_ERROR), ErrorKind::ToolError, Retry::Backoff, Effect::ByKind),
            (ServiceError::TransportClosed, ErrorKind::Unavailable, Retry::Backoff, Effect::InDoubt),
        ] {
            let Outcome::Failed(failure) = failed("files", error) else { panic!("no failure") };
            assert_eq!(
                (failure.kind, failure.retry, failure.effect),
                (kind, retry, effect),
                "{}",
                failure.message
            );
        }
    }
}
