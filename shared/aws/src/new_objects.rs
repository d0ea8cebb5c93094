//! `NewObjects` over the table: a row for each object that a schedule has taken, and one for how far it has looked.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use gantz_core::ids::JobId;
use gantz_core::ports::{NewObjects as Port, PortError, PortResult};

use crate::error::port_error;
use crate::item::{PK, names, number, text, whole};
use crate::session::Session;
use crate::settings::Settings;

const UNTIL: &str = "until";
const BATCH: &str = "batch";
const EXPIRES_AT: &str = "expires_at";
/// Rows written side by side.
const TAKEN_AT_ONCE: usize = 50;

/// The marks in the table.
pub struct NewObjects {
    session: Arc<Session>,
    settings: Arc<Settings>,
}

impl fmt::Debug for NewObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewObjects").field("table", &self.settings.table).finish_non_exhaustive()
    }
}

impl NewObjects {
    /// The marks in the table that `settings` name.
    pub fn new(session: Arc<Session>, settings: Arc<Settings>) -> Self {
        Self { session, settings }
    }

    async fn take_one(&self, key: String, batch: &JobId, expires_at_s: u64) -> PortResult<bool> {
        let condition = "attribute_not_exists(#pk) OR #batch = :batch";
        let put = self.session.dynamodb().put_item().table_name(&self.settings.table);
        let written = put
            .item(PK, text(key))
            .item(BATCH, text(batch.as_str()))
            .item(EXPIRES_AT, number(expires_at_s))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names([condition])))
            .expression_attribute_values(":batch", text(batch.as_str()))
            .send()
            .await;
        match written {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(port_error("PutItem", &error)),
            },
        }
    }
}

#[async_trait]
impl Port for NewObjects {
    async fn looked_at_until_ms(&self, schedule: &str) -> PortResult<u64> {
        let key = schedule_key(schedule);
        let get = self.session.dynamodb().get_item().table_name(&self.settings.table);
        let answer = get.key(PK, text(key.as_str())).consistent_read(true).send().await;
        let Some(item) = answer.map_err(|error| port_error("GetItem", &error))?.item else { return Ok(0) };
        let unreadable = || PortError::Permanent(format!("the row `{key}` tells no time"));
        item.get(UNTIL).and_then(whole).ok_or_else(unreadable)
    }

    async fn take(
        &self,
        schedule: &str,
        batch: &JobId,
        marks: Vec<String>,
        expires_at_s: u64,
    ) -> PortResult<Vec<bool>> {
        let key = |mark: String| format!("object#{schedule}#{mark}");
        stream::iter(marks)
            .map(|mark| self.take_one(key(mark), batch, expires_at_s))
            .buffered(TAKEN_AT_ONCE)
            .try_collect()
            .await
    }

    async fn looked_at(&self, schedule: &str, until_ms: u64) -> PortResult<()> {
        let (expression, condition) =
            ("SET #until = :until", "attribute_not_exists(#until) OR #until < :until");
        let update = self.session.dynamodb().update_item().table_name(&self.settings.table);
        let written = update
            .key(PK, text(schedule_key(schedule)))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names([expression, condition])))
            .expression_attribute_values(":until", number(until_ms))
            .send()
            .await;
        match written {
            Ok(_) => Ok(()),
            // A later run was there first.
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(port_error("UpdateItem", &error)),
            },
        }
    }
}

fn schedule_key(schedule: &str) -> String {
    format!("schedule#{schedule}")
}
