//! The tool `postgres.query`: one parameterised statement, read-only unless the process allows writes.
//!
//! The database is `DATABASE_URL`. Connections are made when the tool is first called, pooled, and used again by later
//! calls; one that died meanwhile, perhaps because the process was frozen, is noticed and replaced before a statement is
//! sent over it.
//!
//! Each statement runs in a transaction of its own, with the call's remaining time as its timeout. Where writes are not
//! allowed the transaction is read-only and is rolled back. That protects tables, not the server: give the tool a role
//! that has no more rights than its callers should.

mod cell;
mod error;
mod numeric;
mod param;
mod pool;
mod settings;
mod statement;
mod time;
mod tls;

use std::time::Duration;

use gantz_core::outcome::{ErrorKind, Failure, Outcome};
use gantz_core::tool::{Call, Tool};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use self::error::{QueryError, invalid};
use self::pool::Database;
pub use self::settings::PostgresSettings;
use self::statement::Query;

/// Rows of a result when the call does not say.
const ROWS_DEFAULT: usize = 1_000;
/// Rows of a result at most.
const ROWS_MAX: usize = 10_000;
/// Kept of a call's time for the way there and back, so that the server's timeout comes first and says why.
const MARGIN: Duration = Duration::from_millis(500);

/// The tool `postgres.query`. Clones share their connections.
#[derive(Clone)]
pub struct PostgresQuery {
    /// What is wrong with the settings is told to whoever calls the tool; other tools do not need them.
    database: Result<Database, String>,
}

/// The parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct Parameters {
    /// One SQL statement, with `$1`, `$2` … for its parameters.
    #[serde(alias = "query")]
    pub sql: String,
    /// Their values. Text, numbers and booleans become what the statement needs there; arrays become arrays where an array
    /// is needed; anything becomes `json`.
    #[serde(default)]
    pub params: Vec<Value>,
    /// Rows to return, 1 to 10,000.
    #[serde(default)]
    pub max_rows: Option<usize>,
}

impl PostgresQuery {
    /// Queries the database of the settings. Nothing is connected before the first call.
    pub fn new(settings: PostgresSettings) -> Self {
        Self { database: Database::open(settings) }
    }

    async fn query(&self, call: Call<Parameters>) -> Result<Value, Failure> {
        let started = Instant::now();
        let Call { parameters, timeout_ms, .. } = call;
        let max_rows = parameters.max_rows.unwrap_or(ROWS_DEFAULT);
        if !(1..=ROWS_MAX).contains(&max_rows) {
            return Err(invalid(format!("`max_rows` is {max_rows}, expected 1 to {ROWS_MAX}")));
        }
        let database =
            self.database.as_ref().map_err(|problem| Failure::permanent(ErrorKind::ToolError, problem))?;
        let mut lease = database.lease().await?;
        let left = Duration::from_millis(timeout_ms).saturating_sub(started.elapsed() + MARGIN);
        if left.is_zero() {
            return Err(Failure::transient(
                ErrorKind::Timeout,
                "no time was left when the database could be reached",
            ));
        }
        let Parameters { sql, params, .. } = parameters;
        let query = Query { sql, params, max_rows, timeout: left, writes: database.writes() };
        let result = query.run(lease.client()).await;
        // What failed as the server says leaves a good connection; anything else does not.
        if result.as_ref().err().is_none_or(QueryError::connection_is_good) {
            lease.give_back();
        }
        result.map_err(QueryError::into_failure)
    }
}

impl Tool for PostgresQuery {
    const HANDLER: &'static str = "postgres.query";

    type Parameters = Parameters;

    async fn run(&self, call: Call<Parameters>) -> Outcome {
        self.query(call).await.map_or_else(Outcome::Failed, Outcome::Done)
    }
}
