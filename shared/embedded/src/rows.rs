//! A job's record as a row, and back.

use gantz_core::envelope::Parameters;
use gantz_core::history::HistoryEntry;
use gantz_core::ids::{JobId, Lane, NameError, Tenant};
use gantz_core::job::{JobRecord, JobResult, JobStatus};
use gantz_core::outcome::JobError;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use crate::process::{self, Epoch};

/// A row and its place in the table.
pub(crate) struct Located {
    pub(crate) seq: i64,
    pub(crate) record: JobRecord,
}

macro_rules! columns {
    () => {
        "seq, id, tool, tenant, lane, params_hash, max_attempts, deadline, parent, child_index, label, created_at, \
         status, attempt, deferrals, clean_attempt, owner, lease_until, lease_epoch, cancel_requested_at, result, \
         result_ref, error_kind, error_message, finished_by, updated_at, started_at, retry_at, finished_at, \
         expires_at, attempts, effects, effect_key, retry_of, token, parameters, parameters_ref, history, \
         child_events"
    };
}
pub(crate) use columns;

/// The row as the protocol must see it: the lease of a process that ended has ended with it.
pub(crate) fn find(connection: &Connection, id: &JobId, epoch: Epoch) -> rusqlite::Result<Option<Located>> {
    let mut statement =
        connection.prepare_cached(concat!("SELECT ", columns!(), " FROM jobs WHERE id = ?1"))?;
    let found = statement
        .query_row([id.as_str()], |row| {
            let granted = row.get::<_, Option<i64>>(18)?.map(Epoch);
            Ok((Located { seq: row.get(0)?, record: read(row)? }, granted))
        })
        .optional()?;
    let Some((mut located, granted)) = found else { return Ok(None) };
    if let Some(granted) = granted.filter(|&granted| granted != epoch)
        && !process::is_alive(connection, granted)?
    {
        located.record.lease_until_ms = located.record.lease_until_ms.map(|_| 0);
    }
    Ok(Some(located))
}

/// The row as it stands, for readers.
pub(crate) fn get(connection: &Connection, id: &JobId) -> rusqlite::Result<Option<JobRecord>> {
    let mut statement =
        connection.prepare_cached(concat!("SELECT ", columns!(), " FROM jobs WHERE id = ?1"))?;
    statement.query_row([id.as_str()], read).optional()
}

pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    let result = match (row.get_ref(20)?.as_str_or_null()?, row.get::<_, Option<String>>(21)?) {
        (Some(text), _) => Some(JobResult::Inline(json(20, text)?)),
        (None, Some(reference)) => Some(JobResult::Ref(reference)),
        (None, None) => None,
    };
    let parameters = match (row.get_ref(35)?.as_str_or_null()?, row.get::<_, Option<String>>(36)?) {
        (Some(text), _) => Some(Parameters::Inline(json(35, text)?)),
        (None, Some(reference)) => Some(Parameters::Ref(reference)),
        (None, None) => None,
    };
    let error = match (row.get_ref(22)?.as_str_or_null()?, row.get::<_, Option<String>>(23)?) {
        (Some(kind), Some(message)) => Some(JobError { kind: json(22, &format!("\"{kind}\""))?, message }),
        _ => None,
    };
    let status = row.get_ref(12)?.as_str()?;
    Ok(JobRecord {
        id: name(1, JobId::try_new(row.get::<_, String>(1)?))?,
        tool: row.get(2)?,
        tenant: name(3, Tenant::try_new(row.get::<_, String>(3)?))?,
        lane: name(4, Lane::try_new(row.get::<_, String>(4)?))?,
        params_hash: row.get(5)?,
        max_attempts: row.get(6)?,
        deadline_ms: row.get(7)?,
        parent: optional_id(row, 8)?,
        index: row.get(9)?,
        label: row.get(10)?,
        created_at_ms: row.get(11)?,
        status: JobStatus::from_wire(status)
            .ok_or_else(|| damaged(12, format!("`{status}` is no status").into()))?,
        attempt: row.get(13)?,
        deferrals: row.get(14)?,
        clean_attempt: row.get(15)?,
        owner: row.get(16)?,
        lease_until_ms: row.get(17)?,
        cancel_requested_at_ms: row.get(19)?,
        result,
        parameters,
        error,
        finished_by: row.get(24)?,
        updated_at_ms: row.get(25)?,
        started_at_ms: row.get(26)?,
        retry_at_ms: row.get(27)?,
        finished_at_ms: row.get(28)?,
        expires_at_s: row.get(29)?,
        attempts: match row.get_ref(30)?.as_str_or_null()? {
            Some(text) => json(30, text)?,
            None => Vec::new(),
        },
        history: match row.get_ref(37)?.as_str_or_null()? {
            Some(text) => json(37, text)?,
            // A job that has only been accepted, which its other columns tell.
            None => vec![HistoryEntry { status: JobStatus::Queued, attempt: 0, at_ms: row.get(11)? }],
        },
        effects: json(31, &format!("\"{}\"", row.get_ref(31)?.as_str()?))?,
        effect_key: optional_id(row, 32)?,
        retry_of: optional_id(row, 33)?,
        token: row.get(34)?,
        child_events: row.get(38)?,
    })
}

/// Adds a row. The caller knows that there is none with this id.
pub(crate) fn insert(connection: &Connection, record: &JobRecord, epoch: Epoch) -> rusqlite::Result<()> {
    let seq = {
        let mut statement = connection.prepare_cached(
            "INSERT INTO jobs (id, tool, tenant, lane, params_hash, max_attempts, deadline, parent, child_index, \
             label, created_at, status, attempt, deferrals, clean_attempt, updated_at, expires_at, effects, \
             effect_key, retry_of, token, child_events) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
             ?22)",
        )?;
        statement.insert(params![
            record.id.as_str(),
            record.tool,
            record.tenant.as_str(),
            record.lane.as_str(),
            record.params_hash,
            record.max_attempts,
            record.deadline_ms,
            record.parent.as_ref().map(JobId::as_str),
            record.index,
            record.label,
            record.created_at_ms,
            record.status.as_str(),
            record.attempt,
            record.deferrals,
            record.clean_attempt,
            record.updated_at_ms,
            record.expires_at_s,
            record.effects.as_str(),
            record.effect_key.as_ref().map(JobId::as_str),
            record.retry_of.as_ref().map(JobId::as_str),
            record.token,
            record.child_events,
        ])?
    };
    // A row that is born queued, as most are, has nothing more to say.
    if record.status == JobStatus::Queued { Ok(()) } else { update(connection, seq, record, epoch) }
}

/// Writes what can change of a row.
pub(crate) fn update(
    connection: &Connection,
    seq: i64,
    record: &JobRecord,
    epoch: Epoch,
) -> rusqlite::Result<()> {
    let (result, result_ref) = match &record.result {
        Some(JobResult::Inline(value)) => (Some(value.to_string()), None),
        Some(JobResult::Ref(reference)) => (None, Some(reference)),
        None => (None, None),
    };
    let (parameters, parameters_ref) = match &record.parameters {
        Some(Parameters::Inline(value)) => (Some(value.to_string()), None),
        Some(Parameters::Ref(reference)) => (None, Some(reference)),
        None => (None, None),
    };
    let attempts = match record.attempts.as_slice() {
        [] => None,
        attempts => Some(to_json(attempts)?),
    };
    let error_kind = record.error.as_ref().map(|error| to_json(&error.kind)).transpose()?;
    let mut statement = connection.prepare_cached(
        "UPDATE jobs SET status = ?2, attempt = ?3, deferrals = ?4, clean_attempt = ?5, owner = ?6, \
         lease_until = ?7, lease_epoch = ?8, cancel_requested_at = ?9, result = ?10, result_ref = ?11, \
         error_kind = ?12, error_message = ?13, finished_by = ?14, updated_at = ?15, started_at = ?16, \
         retry_at = ?17, finished_at = ?18, expires_at = ?19, attempts = ?20, \
         parameters = ?21, parameters_ref = ?22, history = ?23 WHERE seq = ?1",
    )?;
    statement.execute(params![
        seq,
        record.status.as_str(),
        record.attempt,
        record.deferrals,
        record.clean_attempt,
        record.owner,
        record.lease_until_ms,
        record.lease_until_ms.map(|_| epoch.0),
        record.cancel_requested_at_ms,
        result,
        result_ref,
        error_kind.as_deref().map(|kind| kind.trim_matches('"')),
        record.error.as_ref().map(|error| error.message.as_str()),
        record.finished_by,
        record.updated_at_ms,
        record.started_at_ms,
        record.retry_at_ms,
        record.finished_at_ms,
        record.expires_at_s,
        attempts,
        parameters,
        parameters_ref,
        to_json(&record.history)?,
    ])?;
    Ok(())
}

fn optional_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<JobId>> {
    row.get::<_, Option<String>>(column)?.map(|id| name(column, JobId::try_new(id))).transpose()
}

fn name<T>(column: usize, name: Result<T, NameError>) -> rusqlite::Result<T> {
    name.map_err(|error| damaged(column, error.into()))
}

pub(crate) fn json<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| damaged(column, error.into()))
}

pub(crate) fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn damaged(column: usize, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
}
