//! The Runtime API of AWS Lambda for one program on this machine: it is run as Lambda runs a `bootstrap`, without Lambda.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a busy machine may take for a start or an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// What an invocation may take, unless it is said.
const INVOCATION: Duration = Duration::from_secs(75);

/// A server for one program, which ends with it.
#[derive(Debug)]
pub struct RuntimeApi {
    address: String,
    events: mpsc::UnboundedSender<String>,
    answers: mpsc::UnboundedReceiver<Result<Value, Value>>,
    asked: watch::Receiver<u32>,
    server: JoinHandle<()>,
}

/// What the server's handlers have.
struct Desk {
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    answers: mpsc::UnboundedSender<Result<Value, Value>>,
    /// How often the program has asked for work.
    asked: watch::Sender<u32>,
    /// What an invocation may take.
    allowed: Duration,
}

impl RuntimeApi {
    /// Listens on a free port of the loopback interface.
    pub async fn start() -> Self {
        Self::allowing(INVOCATION).await
    }

    /// As [`RuntimeApi::start`], telling the program that an invocation may take this long. Nobody sees to it.
    pub async fn allowing(allowed: Duration) -> Self {
        let (events, waiting) = mpsc::unbounded_channel();
        let (answering, answers) = mpsc::unbounded_channel();
        let (asking, asked) = watch::channel(0);
        let desk = Arc::new(Desk { events: Mutex::new(waiting), answers: answering, asked: asking, allowed });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(fail))
            .with_state(desk);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, events, answers, asked, server }
    }

    /// The variables that Lambda gives to the program of a function of that name.
    pub fn environment(&self, function: &str) -> [(&'static str, String); 5] {
        [
            ("AWS_LAMBDA_RUNTIME_API", self.address.clone()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{function}")),
        ]
    }

    /// Waits until the program is ready: it asks for its first event.
    pub async fn ready(&mut self) {
        let asked = timeout(PATIENCE, self.asked.wait_for(|times| *times > 0)).await;
        let _ready = asked.expect("the program never asks for an event").unwrap();
    }

    /// What the program answers to an event, or the error that it reports.
    pub async fn invoke(&mut self, event: &Value) -> Result<Value, Value> {
        self.events.send(event.to_string()).unwrap();
        timeout(PATIENCE, self.answers.recv()).await.expect("the program does not answer").unwrap()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "programs compare the deadline with the clock of the machine")]
async fn next(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    desk.asked.send_modify(|times| *times += 1);
    let event = desk.events.lock().await.recv().await.unwrap_or_default();
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + desk.allowed;
    let headers = [
        ("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-000000000001".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        ),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event)
}

async fn respond(State(desk): State<Arc<Desk>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    answer(&desk, Ok(serde_json::from_slice(&body).unwrap()))
}

async fn fail(State(desk): State<Arc<Desk>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    answer(&desk, Err(serde_json::from_slice(&body).unwrap()))
}

fn answer(desk: &Desk, answer: Result<Value, Value>) -> StatusCode {
    match desk.answers.send(answer) {
        Ok(()) => StatusCode::ACCEPTED,
        // Whoever waited has gone.
        Err(_) => StatusCode::GONE,
    }
}
