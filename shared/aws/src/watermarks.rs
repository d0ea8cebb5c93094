//! `Watermarks` over the table: a row for each scan.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use gantz_core::ports::{PortError, PortResult, Watermark, Watermarks as Port};

use crate::error::port_error;
use crate::item::{Item, PK, names, number, text, whole};
use crate::session::Session;
use crate::settings::Settings;

const UNTIL: &str = "until";
const CURSOR: &str = "cursor";
const RUNNING_UNTIL: &str = "running_until";

/// The watermarks in the table.
pub struct Watermarks {
    session: Arc<Session>,
    settings: Arc<Settings>,
}

impl fmt::Debug for Watermarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watermarks").field("table", &self.settings.table).finish_non_exhaustive()
    }
}

impl Watermarks {
    /// The watermarks in the table that `settings` name.
    pub fn new(session: Arc<Session>, settings: Arc<Settings>) -> Self {
        Self { session, settings }
    }
}

#[async_trait]
impl Port for Watermarks {
    async fn get(&self, name: &str) -> PortResult<Option<Watermark>> {
        let output = self
            .session
            .dynamodb()
            .get_item()
            .table_name(&self.settings.table)
            .key(PK, text(key(name)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error("GetItem", &error))?;
        let unreadable = || PortError::Permanent(format!("the row `{}` is no watermark", key(name)));
        output.item.map(|item| watermark(&item).ok_or_else(unreadable)).transpose()
    }

    async fn save(&self, name: &str, expected: Option<&Watermark>, new: &Watermark) -> PortResult<bool> {
        let put = self
            .session
            .dynamodb()
            .put_item()
            .table_name(&self.settings.table)
            .set_item(Some(item(new)))
            .item(PK, text(key(name)));
        match if_it_is(put, expected).send().await {
            Ok(_) => Ok(true),
            // Also if it was our own write, its answer lost: the caller reads where the scan stands and goes on.
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(PutItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(port_error("PutItem", &error)),
        }
    }
}

/// Writes only over the row that was seen. Its content is its version, because no content of it ever comes back.
fn if_it_is(put: PutItemFluentBuilder, expected: Option<&Watermark>) -> PutItemFluentBuilder {
    let Some(expected) = expected else {
        let condition = "attribute_not_exists(#pk)";
        return put.condition_expression(condition).set_expression_attribute_names(Some(names([condition])));
    };
    let seen = item(expected);
    let conditions: Vec<String> = [UNTIL, CURSOR, RUNNING_UNTIL]
        .map(|name| match seen.contains_key(name) {
            true => format!("#{name} = :{name}"),
            false => format!("attribute_not_exists(#{name})"),
        })
        .into();
    let condition = conditions.join(" AND ");
    let values = seen.into_iter().map(|(name, value)| (format!(":{name}"), value)).collect();
    put.set_expression_attribute_names(Some(names([condition.as_str()])))
        .set_expression_attribute_values(Some(values))
        .condition_expression(condition)
}

fn key(name: &str) -> String {
    format!("watermark#{name}")
}

fn item(mark: &Watermark) -> Item {
    let until = [(UNTIL.to_owned(), number(mark.until_ms))];
    let cursor = mark.cursor.as_ref().map(|cursor| (CURSOR.to_owned(), text(cursor)));
    let running = mark.running_until_ms.map(|ms| (RUNNING_UNTIL.to_owned(), number(ms)));
    until.into_iter().chain(cursor).chain(running).collect()
}

/// `None` for a row of another kind.
fn watermark(item: &Item) -> Option<Watermark> {
    let cursor = match item.get(CURSOR) {
        None => None,
        Some(AttributeValue::S(cursor)) => Some(cursor.clone()),
        Some(_) => return None,
    };
    let running_until_ms = match item.get(RUNNING_UNTIL) {
        None => None,
        Some(attribute) => Some(whole(attribute)?),
    };
    Some(Watermark { until_ms: whole(item.get(UNTIL)?)?, cursor, running_until_ms })
}
