//! A long call is a task: one record, polled and cancelled through MCP.

use gantz_core::ids::Tenant;
use gantz_core::job::JobRecord;
use gantz_core::job::{JobResult, JobStatus};
use gantz_core::lifecycle::Ending;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_testkit::builders::{NOW_MS, job_id, new_job};
use rmcp::model::{
    CallToolResponse, CancelTaskParams, DetailedTask, ErrorCode, GetTaskParams, Task, TaskPayload, TaskStatus,
};
use rmcp::service::ServiceError;
use serde_json::json;

use super::{Client, MODERN, WITH_TASKS};
use crate::http::app::App;

async fn begun(client: &Client) -> Task {
    match client.call_once("explore", json!({"path": "long"})).await.unwrap() {
        CallToolResponse::Task(created) => created.task,
        other => panic!("{other:?}"),
    }
}

async fn look(client: &Client, id: &str) -> DetailedTask {
    client.service.get_task(GetTaskParams::new(id)).await.unwrap().task
}

#[tokio::test]
async fn a_long_call_becomes_a_task_that_ends_with_the_result() {
    let app = App::new();
    let client = Client::connect(&app, WITH_TASKS).await;
    let task = begun(&client).await;
    assert_eq!((task.status, task.status_message.as_deref()), (TaskStatus::Working, Some("queued")));
    assert!(task.ttl_ms.unwrap() > 86_400_000 && task.poll_interval_ms.unwrap() >= 500);
    let seen = look(&client, &task.task_id).await;
    assert_eq!((seen.status(), &seen.payload), (TaskStatus::Working, &TaskPayload::Working));

    app.claim(&task.task_id).await;
    let seen = look(&client, &task.task_id).await;
    assert_eq!(seen.task.status_message.as_deref(), Some("attempt 1 of 3 runs"));
    app.end(&task.task_id, Ending::succeeded(JobResult::Inline(json!({"rows": 2})))).await;
    let TaskPayload::Completed { result } = look(&client, &task.task_id).await.payload else {
        panic!("no result")
    };
    assert_eq!((&result["structuredContent"], &result["isError"]), (&json!({"rows": 2}), &json!(false)));
}

#[tokio::test]
async fn a_failed_job_is_a_completed_task_whose_result_is_an_error() {
    let app = App::new();
    let client = Client::connect(&app, WITH_TASKS).await;
    let task = begun(&client).await;
    app.finish(&task.task_id, Ending::failed(JobError::new(ErrorKind::ToolError, "no such table"))).await;
    let TaskPayload::Completed { result } = look(&client, &task.task_id).await.payload else {
        panic!("no result")
    };
    assert_eq!(
        (&result["isError"], &result["structuredContent"]["kind"]),
        (&json!(true), &json!("tool_error"))
    );
}

#[tokio::test]
async fn a_cancelled_task_is_a_cancelled_job() {
    let app = App::new();
    let client = Client::connect(&app, WITH_TASKS).await;
    let task = begun(&client).await;
    for _ in 0..2 {
        client.service.cancel_task(CancelTaskParams::new(&task.task_id)).await.unwrap();
    }
    assert_eq!(look(&client, &task.task_id).await.payload, TaskPayload::Cancelled);
    let row = app.ports.jobs.get(&job_id(&task.task_id)).await.unwrap().unwrap();
    assert_eq!(row.status, JobStatus::Cancelled);
}

#[tokio::test]
async fn tasks_of_nobody_and_of_others_are_not_there() {
    let app = App::new();
    let client = Client::connect(&app, WITH_TASKS).await;
    let mut other = new_job(&job_id("others-job"));
    other.tenant = Tenant::try_new("other").unwrap();
    let _accepted = app.ports.jobs.accept(vec![JobRecord::queued(other)]).await.unwrap();
    for id in ["others-job", "nobodys-job", "no id", ""] {
        let told = [
            client.service.get_task(GetTaskParams::new(id)).await.map(|_| ()),
            client.service.cancel_task(CancelTaskParams::new(id)).await,
        ];
        for told in told {
            match told.unwrap_err() {
                ServiceError::McpError(error) => {
                    assert_eq!(error.code, ErrorCode::INVALID_PARAMS, "{id}: {error}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let row = app.ports.jobs.get(&job_id("others-job")).await.unwrap().unwrap();
    assert_eq!((row.status, row.updated_at_ms), (JobStatus::Queued, NOW_MS));
}

#[tokio::test]
async fn who_did_not_declare_tasks_is_told_so() {
    let app = App::new();
    let client = Client::connect(&app, MODERN).await;
    let told = client.service.get_task(GetTaskParams::new("nobodys-job")).await.unwrap_err();
    assert!(told.to_string().contains("capability"), "{told}");
}
