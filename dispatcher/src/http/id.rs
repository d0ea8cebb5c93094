//! The id in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use gantz_core::ids::JobId;

use super::Door;
use super::problem::Problem;
use super::problem_kind::ProblemKind;

/// The path's `{id}`.
pub(super) struct Id(pub(super) JobId);

impl FromRequestParts<Door> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Problem> {
        let invalid = |detail: String| Problem::new(ProblemKind::InvalidId, detail);
        let Path(text) = Path::<String>::from_request_parts(parts, door)
            .await
            .map_err(|_| invalid("the id in the path cannot be read".to_owned()))?;
        JobId::try_new(text).map(Self).map_err(|error| invalid(error.to_string()))
    }
}
