//! `tools/list` and `tools/call`.

use gantz_core::envelope::Envelope;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::job::JobResult;
use gantz_core::job::JobStatus;
use gantz_core::lifecycle::Ending;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_core::ports::Receive;
use gantz_core::trace::TraceParent;
use gantz_dispatcher::mcp::{McpServer, serve_stdio};
use rmcp::model::{CallToolRequestParams, CallToolResponse, ErrorCode, MetaObject, RequestMetaObject};
use rmcp::service::ServiceError;
use serde_json::json;

use super::{Client, Era, MODERN, PATIENCE_MS, finish_next, submitted, text};
use crate::http::app::App;

#[tokio::test]
async fn the_manifests_tools_are_listed_in_both_eras() {
    let app = App::new();
    let modern = Client::connect(&app, MODERN).await.service.list_all_tools().await.unwrap();
    let legacy = Client::connect(&app, Era::Legacy).await.service.list_all_tools().await.unwrap();
    assert_eq!(modern, legacy);
    assert!(modern.is_sorted_by_key(|tool| tool.name.clone()));
    insta::assert_json_snapshot!(
        modern
            .iter()
            .filter(|tool| ["echo", "explore", "analyze_file"].contains(&&*tool.name))
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_quick_call_is_a_job_and_answers_its_result() {
    // With tasks the answer is one if the test is slow.
    for era in [MODERN, Era::Legacy] {
        let app = App::new();
        let client = Client::connect(&app, era).await;
        let value = json!({"text": "hello", "times": 1});
        let ending = Ending::succeeded(JobResult::Inline(value.clone()));
        let (result, row) =
            tokio::join!(client.call("echo", json!({"text": "hello"})), finish_next(&app, ending));
        assert_eq!((result.is_error, result.structured_content), (Some(false), Some(value)), "{era:?}");
        assert_eq!((row.tool.as_str(), row.status), ("echo", JobStatus::Queued));
    }
}

#[tokio::test]
async fn a_call_hands_its_trace_on() {
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (said, expected) in [(text, Some(text)), ("no trace", None)] {
        let app = App::new();
        let client = Client::connect(&app, MODERN).await;
        let mut request = CallToolRequestParams::new("echo");
        request.arguments = json!({"text": "hello"}).as_object().cloned();
        let mut meta = MetaObject::new();
        meta.set_traceparent(said);
        request.meta = Some(RequestMetaObject::from(meta.0));
        let ending = Ending::succeeded(JobResult::Inline(json!({})));
        let (answer, _) = tokio::join!(client.service.call_tool_once(request), finish_next(&app, ending));
        answer.unwrap();
        let ask = Receive { max: 1, visibility_ms: 30_000, wait_ms: 0 };
        let lane = QueueName::Lane(Lane::default_lane());
        let messages = app.ports.queue.receive(&lane, ask).await.unwrap();
        let trace = Envelope::parse(&messages[0].body).unwrap().trace;
        assert_eq!(trace.as_ref().map(TraceParent::as_str), expected);
    }
}

#[tokio::test]
async fn a_job_that_failed_is_an_error_of_the_tool() {
    let app = App::new();
    let client = Client::connect(&app, MODERN).await;
    let ending = Ending::failed(JobError::new(ErrorKind::Timeout, "it took 30 s"));
    let (result, row) =
        tokio::join!(client.call("echo", json!({"text": "hello"})), finish_next(&app, ending));
    assert_eq!((result.is_error, text(&result)), (Some(true), "it took 30 s"));
    let fields = json!({"kind": "timeout", "message": "it took 30 s", "job_id": row.id, "status": "FAILED"});
    assert_eq!(result.structured_content, Some(fields));
}

#[tokio::test]
async fn bad_parameters_are_named_and_make_no_job() {
    let app = App::new();
    let client = Client::connect(&app, MODERN).await;
    let result = client.call("echo", json!({"times": "three", "loud": true})).await;
    assert_eq!(result.is_error, Some(true));
    let fields = result.structured_content.unwrap();
    assert_eq!(fields["kind"], "invalid");
    let mut pointers: Vec<_> =
        fields["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    pointers.sort_by_key(ToString::to_string);
    assert_eq!(pointers, [&json!("/loud"), &json!("/text"), &json!("/times")]);
    app.assert_untouched("bad parameters").await;
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_call() {
    let app = App::new();
    for era in [MODERN, Era::Legacy] {
        match Client::connect(&app, era).await.call_once("eco", json!({})).await.unwrap_err() {
            ServiceError::McpError(error) => {
                assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
                assert!(error.message.contains("there is no tool `eco`"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_names_its_job_where_there_are_no_tasks() {
    let app = App::new();
    for era in [MODERN, Era::Legacy] {
        let client = Client::patient(&app, era, 20).await;
        let result = client.call("explore", json!({})).await;
        assert_eq!(result.is_error, Some(true));
        let fields = result.structured_content.unwrap();
        assert_eq!((&fields["kind"], &fields["status"]), (&json!("not_ended"), &json!("QUEUED")));
    }
}

#[tokio::test]
async fn whoever_withdraws_a_call_cancels_its_job() {
    for era in [MODERN, Era::Legacy] {
        let app = App::new();
        let client = Client::connect(&app, era).await;
        let call = client.begin("explore").await;
        let row = submitted(&app).await;
        call.cancel(Some("no longer needed".into())).await.unwrap();
        let row = app.until_finished(row.id.as_str()).await;
        assert_eq!(row.status, JobStatus::Cancelled, "{era:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_nothing() {
    let app = App::new();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (input, output) = tokio::io::split(theirs);
    let server = McpServer::new(app.dispatcher.clone(), PATIENCE_MS);
    let served = tokio::spawn(serve_stdio(server, input, output));
    let client = Client::over(ours, MODERN).await;
    let call = client.begin("explore").await;
    let row = submitted(&app).await;
    drop((call, client));
    // By then the SDK has cancelled what was open.
    served.await.unwrap().unwrap();
    let changed = app.ports.jobs.changed(&row.id, row.updated_at_ms, 500).await.unwrap().unwrap();
    assert_eq!(changed, row);
}

#[tokio::test]
async fn a_result_in_mcps_own_words_is_answered_as_it_is() {
    let app = App::new();
    let client = Client::connect(&app, MODERN).await;
    let content = json!([{"type": "image", "data": "aGk=", "mimeType": "image/png"}]);
    let ending = Ending::succeeded(JobResult::Inline(json!({"content": content})));
    let (answer, _) = tokio::join!(client.call_once("explore", json!({})), finish_next(&app, ending));
    let CallToolResponse::Complete(result) = answer.unwrap() else { panic!("no result") };
    assert_eq!(serde_json::to_value(&result.content).unwrap(), content);
    assert_eq!(result.structured_content, None);
}
