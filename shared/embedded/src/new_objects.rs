//! `NewObjects` over two tables: what the runs of schedules have taken, and how far each schedule has looked.

use async_trait::async_trait;
use gantz_core::ids::JobId;
use gantz_core::ports::{NewObjects, PortResult};
use rusqlite::{OptionalExtension, params};

use crate::open::Embedded;

#[async_trait]
impl NewObjects for Embedded {
    async fn looked_at_until_ms(&self, schedule: &str) -> PortResult<u64> {
        let schedule = schedule.to_owned();
        self.view
            .readers()
            .call(move |connection| {
                connection
                    .prepare_cached("SELECT until FROM schedules WHERE name = ?1")?
                    .query_row([schedule], |row| row.get(0))
                    .optional()
                    .map(Option::unwrap_or_default)
            })
            .await
    }

    async fn take(
        &self,
        schedule: &str,
        batch: &JobId,
        marks: Vec<String>,
        expires_at_s: u64,
    ) -> PortResult<Vec<bool>> {
        let (schedule, batch) = (schedule.to_owned(), batch.clone());
        self.writer
            .call(move |connection| {
                let mut take = connection.prepare_cached(
                    "INSERT INTO taken (schedule, mark, batch, expires_at) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (schedule, mark) DO UPDATE SET expires_at = excluded.expires_at \
                     WHERE batch = excluded.batch",
                )?;
                let taken = marks.iter().map(|mark| {
                    let rows = take.execute(params![schedule, mark, batch.as_str(), expires_at_s])?;
                    Ok(rows == 1)
                });
                taken.collect()
            })
            .await
    }

    async fn looked_at(&self, schedule: &str, until_ms: u64) -> PortResult<()> {
        let schedule = schedule.to_owned();
        self.writer
            .call(move |connection| {
                connection
                    .prepare_cached(
                        "INSERT INTO schedules (name, until) VALUES (?1, ?2) \
                         ON CONFLICT (name) DO UPDATE SET until = max(until, excluded.until)",
                    )?
                    .execute(params![schedule, until_ms])
                    .map(|_| ())
            })
            .await
    }
}
