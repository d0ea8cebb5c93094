//! Whether the door can do its work: whether its backend answers.

use axum::Json;
use axum::extract::State;
use gantz_core::ids::JobId;
use serde_json::{Value, json};

use super::Door;
use super::problem::Problem;

/// Nobody's job: reading it costs one look-up.
const NOBODY: &str = "health-check";

pub(super) async fn check(State(door): State<Door>) -> Result<Json<Value>, Problem> {
    if let Ok(id) = JobId::try_new(NOBODY) {
        let _row = door.dispatcher.ports.jobs.get(&id).await?;
    }
    Ok(Json(json!({ "status": "ok" })))
}
