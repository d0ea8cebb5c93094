//! `Limits` over a table.

use async_trait::async_trait;
use gantz_core::limiter::{self, RateLimit, Taken};
use gantz_core::ports::{BreakerState, Limits, PortResult};
use rusqlite::{Connection, OptionalExtension, params};

use crate::open::Embedded;

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    tat_us: u64,
    open_until_ms: u64,
    probe_until_ms: u64,
}

#[async_trait]
impl Limits for Embedded {
    async fn take(&self, key: &str, limit: &RateLimit, tokens: u32, now_ms: u64) -> PortResult<Taken> {
        let (key, limit) = (key.to_owned(), *limit);
        self.writer
            .call(move |connection| {
                let row = read(connection, &key)?;
                let taken = limiter::take(row.tat_us, &limit, tokens, now_ms);
                if let Taken::Granted { tat_us, .. } = taken {
                    write(connection, &key, Row { tat_us, ..row })?;
                }
                Ok(taken)
            })
            .await
    }

    async fn breaker(&self, key: &str) -> PortResult<BreakerState> {
        let key = key.to_owned();
        let row = self.view.readers().call(move |connection| read(connection, &key)).await?;
        Ok(match row.open_until_ms {
            0 => BreakerState::Closed,
            until_ms => BreakerState::OpenUntil { until_ms },
        })
    }

    async fn trip(&self, key: &str, until_ms: u64) -> PortResult<()> {
        self.change_limit(key, move |row| Row {
            open_until_ms: row.open_until_ms.max(until_ms),
            probe_until_ms: 0,
            ..row
        })
        .await
    }

    async fn open(&self, key: &str, until_ms: u64) -> PortResult<()> {
        self.change_limit(key, move |row| Row { open_until_ms: until_ms, probe_until_ms: 0, ..row }).await
    }

    async fn probe(&self, key: &str, until_ms: u64, now_ms: u64) -> PortResult<bool> {
        let key = key.to_owned();
        self.writer
            .call(move |connection| {
                let row = read(connection, &key)?;
                let due =
                    row.open_until_ms > 0 && row.open_until_ms <= now_ms && row.probe_until_ms <= now_ms;
                if due {
                    write(connection, &key, Row { probe_until_ms: until_ms, ..row })?;
                }
                Ok(due)
            })
            .await
    }

    async fn reset(&self, key: &str) -> PortResult<()> {
        self.change_limit(key, |row| Row { open_until_ms: 0, probe_until_ms: 0, ..row }).await
    }
}

impl Embedded {
    async fn change_limit(
        &self,
        key: &str,
        change: impl FnOnce(Row) -> Row + Send + 'static,
    ) -> PortResult<()> {
        let key = key.to_owned();
        self.writer
            .call(move |connection| {
                let row = read(connection, &key)?;
                write(connection, &key, change(row))
            })
            .await
    }
}

fn read(connection: &Connection, key: &str) -> rusqlite::Result<Row> {
    let mut statement =
        connection.prepare_cached("SELECT tat_us, open_until, probe_until FROM limits WHERE key = ?1")?;
    let row = statement
        .query_row([key], |row| {
            Ok(Row { tat_us: row.get(0)?, open_until_ms: row.get(1)?, probe_until_ms: row.get(2)? })
        })
        .optional()?;
    Ok(row.unwrap_or_default())
}

fn write(connection: &Connection, key: &str, row: Row) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO limits (key, tat_us, open_until, probe_until) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![key, row.tat_us, row.open_until_ms, row.probe_until_ms])?;
    Ok(())
}
