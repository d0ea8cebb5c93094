//! What an error of the database means for the job.

use std::error::Error as _;

use gantz_core::outcome::{ErrorKind, Failure, Retry};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

/// Why a statement has no result.
#[derive(Debug)]
pub(super) enum QueryError {
    /// The server or the way to it failed.
    Database(Error),
    /// The end of a transaction that wrote is not known.
    InDoubt(Error),
    /// The statement cannot be run as it is, or its result not be shown.
    Refused(Failure),
}

impl From<Error> for QueryError {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl QueryError {
    /// Whether the connection may be used again.
    pub(super) fn connection_is_good(&self) -> bool {
        match self {
            // A statement that the driver prepared is gone: somebody deallocated it.
            Self::Database(error) => {
                !error.is_closed()
                    && error.code().is_some_and(|code| *code != SqlState::INVALID_SQL_STATEMENT_NAME)
            }
            Self::InDoubt(_) => false,
            Self::Refused(_) => true,
        }
    }

    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Database(error) => of_statement(&error),
            Self::InDoubt(error) => Failure::permanent(
                ErrorKind::Unavailable,
                format!(
                    "the connection broke when the statement was committed; it may or may not have been: {}",
                    whole(&error)
                ),
            )
            .in_doubt(),
            Self::Refused(failure) => failure,
        }
    }
}

/// A failure to connect.
pub(super) fn of_connecting(error: &Error) -> Failure {
    let message = format!("failed to connect to the database: {}", shown(error));
    match error.code() {
        Some(code) => {
            let (kind, retry) = classify(code.code());
            Failure::new(kind, message, retry)
        }
        None => Failure::transient(ErrorKind::Unavailable, message),
    }
}

fn of_statement(error: &Error) -> Failure {
    match error.code() {
        Some(code) => {
            let (kind, retry) = classify(code.code());
            let hint = if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
                "; the worker's `GANTZ_POSTGRES_WRITES=true` would allow it"
            } else {
                ""
            };
            Failure::new(kind, format!("{}{hint}", shown(error)), retry)
        }
        // A value that the driver could not send or read will not fare better the next time.
        None if !error.is_closed() && error.source().is_some_and(|source| !source.is::<std::io::Error>()) => {
            Failure::permanent(ErrorKind::Invalid, whole(error))
        }
        None => Failure::transient(ErrorKind::Unavailable, format!("lost the connection: {}", whole(error))),
    }
}

/// By the classes of appendix A of PostgreSQL's manual.
fn classify(sqlstate: &str) -> (ErrorKind, Retry) {
    match (sqlstate.get(..2).unwrap_or_default(), sqlstate) {
        (_, "57014") => (ErrorKind::Timeout, Retry::Backoff),
        // Deadlocks and serialization failures, locks, prepared statements that are gone: all pass.
        (_, "40001" | "40P01" | "55P03" | "55006" | "26000") => (ErrorKind::Unavailable, Retry::Backoff),
        // Lost connections, missing resources, a server that starts or stops, failing disks.
        ("08" | "53" | "57" | "58", _) => (ErrorKind::Unavailable, Retry::Backoff),
        ("28", _) | (_, "42501" | "25006") => (ErrorKind::AccessDenied, Retry::Never),
        ("22" | "42", _) => (ErrorKind::Invalid, Retry::Never),
        _ => (ErrorKind::ToolError, Retry::Never),
    }
}

fn shown(error: &Error) -> String {
    error.as_db_error().map_or_else(|| whole(error), of_server)
}

/// The server's words: state, message, and where to look.
fn of_server(error: &DbError) -> String {
    let mut text = format!("{}: {}", error.code().code(), error.message());
    if let Some(ErrorPosition::Original(position)) = error.position() {
        text += &format!(" (at character {position})");
    }
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        text += &format!("; {more}");
    }
    text
}

fn whole(error: &Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::permanent(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifies_states() {
        let check = |states: &[&str], kind, retry| {
            for state in states {
                assert_eq!(classify(state), (kind, retry), "{state}");
            }
        };
        check(&["57014"], ErrorKind::Timeout, Retry::Backoff);
        check(
            &["40001", "40P01", "53300", "57P01", "57P03", "08006", "58030", "55P03"],
            ErrorKind::Unavailable,
            Retry::Backoff,
        );
        check(&["28P01", "42501", "25006"], ErrorKind::AccessDenied, Retry::Never);
        check(&["42601", "42P01", "42703", "22P02", "22012"], ErrorKind::Invalid, Retry::Never);
        check(&["23505", "3D000", "0A000", "P0001", "XX000", ""], ErrorKind::ToolError, Retry::Never);
    }
}
