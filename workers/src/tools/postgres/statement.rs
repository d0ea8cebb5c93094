//! One statement in a transaction of its own.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Transaction};
use futures_util::TryStreamExt;
use gantz_core::outcome::{ErrorKind, Failure};
use serde_json::{Map, Value, json};
use tokio_postgres::{Column, Row, Statement};

use super::cell::{Cell, is_supported};
use super::error::{QueryError, invalid};
use super::param::Param;

/// Rows that are asked for at once: what comes after the last one that is wanted is waste.
const PORTION: usize = 256;
/// Bytes of rows in a result, as JSON. A quarter of what a result may be.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What to run.
pub(super) struct Query {
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
    pub(super) max_rows: usize,
    pub(super) timeout: Duration,
    pub(super) writes: bool,
}

impl Query {
    /// Runs the statement, to its end or until there are rows enough.
    pub(super) async fn run(self, client: &mut ClientWrapper) -> Result<Value, QueryError> {
        let transaction = client.build_transaction().read_only(!self.writes).start().await?;
        // This is also the transaction's first query, after which it cannot be made writable any more.
        let timeout_ms = i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX).max(1).to_string();
        let limit = "SELECT set_config('statement_timeout', $1, true)";
        transaction.execute_raw(limit, [Param(timeout_ms.into())]).await?;
        let statement = transaction.prepare(&self.sql).await?;
        check(&statement, self.params.len())?;
        let Query { params, max_rows, writes, .. } = self;
        let result = collect(&transaction, &statement, params, max_rows).await?;
        if writes {
            transaction.commit().await.map_err(|error| match error.code() {
                Some(_) => QueryError::Database(error),
                None => QueryError::InDoubt(error),
            })?;
        } else {
            transaction.rollback().await?;
        }
        Ok(result)
    }
}

/// What can be said before the statement runs.
fn check(statement: &Statement, params: usize) -> Result<(), QueryError> {
    let refused = |message: String| Err(QueryError::Refused(invalid(message)));
    let needed = statement.params().len();
    if needed != params {
        return refused(format!("the statement has {needed} parameters, `params` has {params}"));
    }
    let mut names = HashSet::new();
    for column in statement.columns() {
        let (name, ty) = (column.name(), column.type_());
        if !is_supported(ty) {
            return refused(format!("the column `{name}` is of type `{ty}`: cast it to `text`"));
        }
        if !names.insert(name) {
            return refused(format!(
                "two columns are named `{name}`: give one of them another name with `AS`"
            ));
        }
    }
    Ok(())
}

async fn collect(
    transaction: &Transaction<'_>,
    statement: &Statement,
    params: Vec<Value>,
    max_rows: usize,
) -> Result<Value, QueryError> {
    let portal = transaction.bind_raw(statement, params.into_iter().map(Param)).await?;
    let mut rows = Rows { max_rows, bytes: 0, rows: Vec::new(), truncated: false };
    let mut affected = None;
    loop {
        // One more than is wanted tells whether there are more.
        let portion = PORTION.min(max_rows + 1 - rows.rows.len());
        let size = i32::try_from(portion).unwrap_or(i32::MAX);
        let mut stream = pin!(transaction.query_portal_raw(&portal, size).await?);
        let mut came = 0;
        while let Some(row) = stream.try_next().await? {
            came += 1;
            rows.push(&row)?;
        }
        affected = stream.rows_affected().or(affected);
        if rows.truncated || came < portion {
            break;
        }
    }
    let reads = !statement.columns().is_empty();
    Ok(rows.into_result(statement.columns(), affected.filter(|_| !reads)))
}

/// The rows so far, as long as they fit.
struct Rows {
    max_rows: usize,
    bytes: usize,
    rows: Vec<Value>,
    truncated: bool,
}

impl Rows {
    fn push(&mut self, row: &Row) -> Result<(), QueryError> {
        if self.truncated || self.rows.len() == self.max_rows {
            self.truncated = true;
            return Ok(());
        }
        let object = Value::Object(object(row)?);
        self.bytes += object.to_string().len();
        if self.bytes > BYTES_MAX {
            if self.rows.is_empty() {
                let message = format!("one row is more than {BYTES_MAX} bytes");
                return Err(QueryError::Refused(Failure::permanent(ErrorKind::ResultTooLarge, message)));
            }
            self.truncated = true;
            return Ok(());
        }
        self.rows.push(object);
        Ok(())
    }

    fn into_result(self, columns: &[Column], affected: Option<u64>) -> Value {
        let columns: Vec<Value> = columns
            .iter()
            .map(|column| json!({ "name": column.name(), "type": column.type_().name() }))
            .collect();
        let mut result = json!({
            "row_count": self.rows.len(),
            "columns": columns,
            "rows": self.rows,
            "truncated": self.truncated,
        });
        if let Some(affected) = affected {
            result["rows_affected"] = affected.into();
        }
        result
    }
}

fn object(row: &Row) -> Result<Map<String, Value>, QueryError> {
    let columns = row.columns().iter().enumerate();
    columns.map(|(index, column)| Ok((column.name().to_owned(), row.try_get::<_, Cell>(index)?.0))).collect()
}
