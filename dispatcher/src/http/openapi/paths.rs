//! Every operation.

use gantz_core::limits::{HTTP_WAIT_MAX_MS, IDEMPOTENCY_KEY_MAX_CHARS, PAGE_MAX};
use serde_json::{Value, json};

use super::super::problem_kind::ProblemKind::{
    self, BackendUnavailable, Backlog, Conflict, InsufficientTime, Internal, InvalidField, InvalidHeader,
    InvalidId, InvalidJson, InvalidParameters, InvalidQuery, NoSuchJob, NotRetried, NotSucceeded, ResultLost,
    TimedOut, TooDeep, TooLarge, ToolFailed, UnknownTool, UnsupportedMediaType,
};
use super::super::routes::HEALTH;
use super::answers::{answers, json_answer, open_answers};
use super::schema;

/// What can be wrong with any submission.
const SUBMISSION: [ProblemKind; 11] = [
    InvalidJson,
    TooDeep,
    InvalidField,
    UnknownTool,
    InvalidHeader,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    Backlog,
    Internal,
    BackendUnavailable,
];

pub(super) fn paths() -> Value {
    json!({
        "/jobs": { "get": list_jobs(), "post": submit_job() },
        "/jobs/{id}": { "get": get_job() },
        "/jobs/{id}/result": { "get": get_result() },
        "/jobs/{id}/cancel": { "post": cancel() },
        "/jobs/{id}/retry": { "post": retry() },
        "/batches": { "get": list_batches(), "post": submit_batch() },
        "/batches/{id}": { "get": get_batch() },
        "/agent": { "post": call_tool() },
        "/tools": { "get": list_tools() },
        HEALTH: { "get": check_health() },
        "/openapi.json": { "get": describe() },
    })
}

fn submit_job() -> Value {
    json!({
        "operationId": "submitJob",
        "summary": "Submit a job",
        "description": "Records the job and queues it. Without an id or a key, every submission is a new job.",
        "parameters": [idempotency_key(), prefer()],
        "requestBody": body("JobSpec"),
        "responses": answers(
            json!({
                "200": json_answer(
                    "The job, which has ended: within the time preferred, or it was submitted before.",
                    &schema("Job"),
                    &["Content-Location", "Preference-Applied"],
                ),
                "202": json_answer(
                    "The job, which has not ended yet. It may have been submitted before.",
                    &schema("Job"),
                    &["Location", "Preference-Applied"],
                ),
            }),
            &[SUBMISSION.as_slice(), &[InvalidParameters]].concat(),
        ),
    })
}

fn list_jobs() -> Value {
    json!({
        "operationId": "listJobs",
        "summary": "List jobs, newest first",
        "parameters": [
            query("status", "Only jobs with this status.", &schema("JobStatus")),
            query("tool", "Only jobs of this tool.", &json!({ "type": "string" })),
            query("tenant", "Only jobs of this tenant.", &json!({ "type": "string" })),
            query("batch", "Only children of this batch.", &schema("Id")),
            limit(),
            query("cursor", "The `next` of the page before.", &json!({ "type": "string" })),
        ],
        "responses": answers(
            json!({ "200": json_answer("A page of jobs.", &schema("JobPage"), &[]) }),
            &[InvalidQuery, BackendUnavailable],
        ),
    })
}

fn get_job() -> Value {
    json!({
        "operationId": "getJob",
        "summary": "Look at a job",
        "parameters": [id(), wait()],
        "responses": answers(
            json!({ "200": json_answer("The job, whether or not it has ended.", &schema("Job"), &[]) }),
            &[InvalidId, InvalidQuery, NoSuchJob, BackendUnavailable],
        ),
    })
}

fn get_result() -> Value {
    json!({
        "operationId": "getResult",
        "summary": "Get what a job produced",
        "parameters": [id()],
        "responses": answers(
            json!({ "200": json_answer("The tool's result itself: any JSON value.", &json!(true), &[]) }),
            &[InvalidId, NoSuchJob, NotSucceeded, ResultLost, BackendUnavailable],
        ),
    })
}

fn cancel() -> Value {
    let record = json!({ "anyOf": [schema("Job"), schema("Batch")] });
    json!({
        "operationId": "cancel",
        "summary": "Cancel a job or a batch",
        "description": "A job that waits ends at once; one that runs is asked to stop. Of a batch no more children \
            are planned, and those that were are cancelled one after another. May be repeated.",
        "parameters": [id()],
        "responses": answers(
            json!({
                "200": json_answer("It has ended, now or before.", &record, &["Content-Location"]),
                "202": json_answer("It was asked to stop.", &record, &["Location"]),
            }),
            &[InvalidId, NoSuchJob, Internal, BackendUnavailable],
        ),
    })
}

fn retry() -> Value {
    let record = json!({ "anyOf": [schema("Job"), schema("Batch")] });
    json!({
        "operationId": "retry",
        "summary": "Do a job, or a batch's children, again that ended without success",
        "description": "For a job a new one with the same parameters, for a batch a new one of those children; \
            `retry_of` names the old one. Children that must not run twice and may have run are left out and counted. \
            Asking again gives the same.",
        "parameters": [
            id(),
            query(
                "even_if_it_ran",
                "Also if its tool must not run twice and may have run.",
                &json!({ "type": "boolean", "default": false }),
            ),
        ],
        "responses": answers(
            json!({
                "200": json_answer(
                    "The new one, which was submitted before and has ended.",
                    &record,
                    &["Content-Location"],
                ),
                "202": json_answer("The new one, which has not ended yet.", &record, &["Location"]),
            }),
            &[
                InvalidId, InvalidQuery, InvalidField, UnknownTool, InvalidParameters, NoSuchJob, NotRetried,
                TooLarge, Backlog, Internal, BackendUnavailable,
            ],
        ),
    })
}

fn submit_batch() -> Value {
    json!({
        "operationId": "submitBatch",
        "summary": "Submit a batch",
        "description": "One tool, many parameters. Children are checked as they are planned: one that does not fit \
            is recorded as failed.",
        "parameters": [idempotency_key()],
        "requestBody": body("BatchSpec"),
        "responses": answers(
            json!({
                "200": json_answer(
                    "The batch, which was submitted before and has ended.",
                    &schema("Batch"),
                    &["Content-Location"],
                ),
                "202": json_answer("The batch, which has not ended yet.", &schema("Batch"), &["Location"]),
            }),
            &SUBMISSION,
        ),
    })
}

fn list_batches() -> Value {
    json!({
        "operationId": "listBatches",
        "summary": "List the newest batches, newest first",
        "parameters": [
            query("tenant", "Only batches of this tenant.", &json!({ "type": "string" })),
            limit(),
        ],
        "responses": answers(
            json!({ "200": json_answer("Batches.", &schema("BatchPage"), &[]) }),
            &[InvalidQuery, BackendUnavailable],
        ),
    })
}

fn get_batch() -> Value {
    json!({
        "operationId": "getBatch",
        "summary": "Look at a batch and count its children",
        "parameters": [id(), wait()],
        "responses": answers(
            json!({ "200": json_answer("The batch, whether or not it has ended.", &schema("Batch"), &[]) }),
            &[InvalidId, InvalidQuery, NoSuchJob, BackendUnavailable],
        ),
    })
}

fn call_tool() -> Value {
    json!({
        "operationId": "callTool",
        "summary": "Call a tool and wait for its result",
        "description": "The same job as `POST /jobs` makes, with the bare result as the answer. What takes longer \
            than the call may goes on as a job.",
        "parameters": [
            idempotency_key(),
            header(
                "Gantz-Remaining-Ms",
                "Milliseconds that the caller has left. The answer comes a second before they end.",
                &json!({ "type": "integer", "minimum": 0 }),
            ),
        ],
        "requestBody": body("JobSpec"),
        "responses": answers(
            json!({
                "200": json_answer(
                    "The tool's result itself: any JSON value.",
                    &json!(true),
                    &["Content-Location"],
                ),
            }),
            &[
                SUBMISSION.as_slice(),
                &[InvalidParameters, InsufficientTime, TimedOut, ToolFailed, ResultLost],
            ]
            .concat(),
        ),
    })
}

fn list_tools() -> Value {
    json!({
        "operationId": "listTools",
        "summary": "List the tools that can be called",
        "responses": answers(json!({ "200": json_answer("All tools.", &schema("ToolPage"), &[]) }), &[]),
    })
}

fn check_health() -> Value {
    let health = json!({
        "type": "object",
        "required": ["status"],
        "properties": { "status": { "const": "ok" } },
    });
    json!({
        "operationId": "checkHealth",
        "summary": "Ask whether the backend answers",
        "responses": open_answers(json!({ "200": json_answer("It does.", &health, &[]) }), &[BackendUnavailable]),
    })
}

fn describe() -> Value {
    json!({
        "operationId": "describe",
        "summary": "Get this document",
        "responses": answers(
            json!({ "200": json_answer("OpenAPI 3.1.", &json!({ "type": "object" }), &[]) }),
            &[],
        ),
    })
}

fn body(name: &str) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": schema(name) } } })
}

fn id() -> Value {
    json!({ "name": "id", "in": "path", "required": true, "schema": schema("Id") })
}

fn wait() -> Value {
    let max = HTTP_WAIT_MAX_MS / 1_000;
    let description = format!("Seconds to wait for the end; longer than {max} counts as {max}.");
    query("wait", &description, &json!({ "type": "integer", "minimum": 0, "default": 0 }))
}

fn limit() -> Value {
    let bounds = json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 100 });
    query("limit", "Items of a page.", &bounds)
}

fn idempotency_key() -> Value {
    let bounds = json!({ "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_MAX_CHARS });
    header("Idempotency-Key", "What makes a repeated submission the same one; as `idempotency_key`.", &bounds)
}

fn prefer() -> Value {
    let max = HTTP_WAIT_MAX_MS / 1_000;
    let description = format!("`wait=N`: seconds to wait for the end of the job (RFC 7240), {max} at most.");
    header("Prefer", &description, &json!({ "type": "string", "examples": ["wait=10"] }))
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

fn header(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "header", "description": description, "schema": schema })
}
