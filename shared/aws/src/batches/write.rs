//! The writes, each conditional on what it expects to find.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use gantz_core::batch::{BatchRecord, PlannedShard};
use gantz_core::ids::JobId;
use gantz_core::ports::{PortError, PortResult};

use super::Batches;
use super::row::Row;
use super::shard::{self, ShardRow};
use crate::error::port_error;
use crate::item::{FREE, Item, PK, names, number, text};

/// Each try lost is another writer's step done, and a batch has one such step per 200 children: so many within one
/// try's few milliseconds are more than any fleet completes.
const TRIES: u32 = 30;
/// Before a row that is locked by a transaction is tried again, growing each time.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(80);

const UNCHANGED: &str = "#version = :seen";
const IS_PENDING: &str = "contains(#pending, :offset)";

/// What came of replacing a row.
enum Replaced {
    Done,
    /// Somebody changed it first, or is just changing it; this is what it is now, if the failure said so.
    Overtaken(Option<Item>),
}

impl Batches {
    /// Writes a new batch's row, or returns the one that is there.
    pub(super) async fn create(&self, batch: BatchRecord) -> PortResult<Option<BatchRecord>> {
        let put = self
            .session
            .dynamodb()
            .put_item()
            .table_name(&self.settings.table)
            .expression_attribute_values(":now", number(batch.created_at_ms / 1_000))
            .set_item(Some(Row::new(batch).to_item()?))
            .condition_expression(FREE)
            .set_expression_attribute_names(Some(names([FREE])))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(None),
            Err(error) => match found(&error) {
                Some(item) => Row::read(item).map(|row| Some(row.record)),
                None => Err(port_error("PutItem", &error)),
            },
        }
    }

    /// Changes a batch's row, if there is one, and returns it as it is then. `change` may be called again for a newer
    /// row, and for one that it has already changed if the answer got lost.
    pub(super) async fn change(&self, id: &JobId, change: impl Fn(&mut Row)) -> PortResult<Option<Row>> {
        let change = |row: &mut Row| {
            change(row);
            None
        };
        self.change_with_shard(id, change).await
    }

    /// As [`Batches::change`], writing the row of the shard that `change` says it opened in the same transaction.
    pub(super) async fn change_with_shard<'a>(
        &self,
        id: &JobId,
        change: impl Fn(&mut Row) -> Option<&'a PlannedShard>,
    ) -> PortResult<Option<Row>> {
        let mut seen = self.read(id).await?;
        let mut pause = PAUSE;
        for _ in 0..TRIES {
            let Some(row) = seen else { return Ok(None) };
            let mut next = row.clone();
            let opened = change(&mut next);
            if next == row {
                return Ok(Some(row));
            }
            next.version += 1;
            let replaced = match opened {
                None => self.replace(&row, &next).await?,
                Some(shard) => self.replace_and_open(&row, &next, shard).await?,
            };
            seen = match replaced {
                Replaced::Done => return Ok(Some(next)),
                // At once: the longer it is kept, the surer it is out of date.
                Replaced::Overtaken(Some(newer)) => Some(Row::read(newer)?),
                Replaced::Overtaken(None) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                    self.read(id).await?
                }
            };
        }
        Err(PortError::Transient(format!(
            "the row of batch {id} changed {TRIES} times before it could be written"
        )))
    }

    async fn replace(&self, seen: &Row, next: &Row) -> PortResult<Replaced> {
        let put = self
            .session
            .dynamodb()
            .put_item()
            .table_name(&self.settings.table)
            .set_item(Some(next.to_item()?))
            .condition_expression(UNCHANGED)
            .set_expression_attribute_names(Some(names([UNCHANGED])))
            .expression_attribute_values(":seen", number(seen.version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(Replaced::Done) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Replaced::Overtaken(failed.item.clone()))
            }
            Some(PutItemError::TransactionConflictException(_)) => Ok(Replaced::Overtaken(None)),
            _ => Err(port_error("PutItem", &error)),
        }
    }

    async fn replace_and_open(&self, seen: &Row, next: &Row, shard: &PlannedShard) -> PortResult<Replaced> {
        let batch = self
            .put(next.to_item()?)
            .condition_expression(UNCHANGED)
            .set_expression_attribute_names(Some(names([UNCHANGED])))
            .expression_attribute_values(":seen", number(seen.version));
        let shard = self.put(shard::opened(&next.record, shard));
        let mut writes = Vec::with_capacity(2);
        for put in [batch, shard] {
            let put = put.build().map_err(|error| PortError::Permanent(error.to_string()))?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        let written =
            self.session.dynamodb().transact_write_items().set_transact_items(Some(writes)).send().await;
        let Err(error) = written else { return Ok(Replaced::Done) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Err(port_error("TransactWriteItems", &error));
        };
        let codes = cancelled.cancellation_reasons().iter().filter_map(CancellationReason::code);
        match why_cancelled(codes) {
            Cancelled::Overtaken => Ok(Replaced::Overtaken(None)),
            Cancelled::Throttled => Err(PortError::Throttled(format!("TransactWriteItems: {cancelled}"))),
            Cancelled::Refused => Err(port_error("TransactWriteItems", &error)),
        }
    }

    fn put(&self, item: Item) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder().table_name(&self.settings.table).set_item(Some(item))
    }

    /// Moves a child from the pending ones to those that ended so, unless it was moved before. Returns the shard's row as
    /// it is then; `None` if there is no such shard.
    pub(super) async fn mark_in_shard(
        &self,
        id: &JobId,
        shard: u32,
        offset: u32,
        ending: &str,
    ) -> PortResult<Option<ShardRow>> {
        let update = format!("DELETE #pending :child ADD #{ending} :child");
        let marked = self
            .session
            .dynamodb()
            .update_item()
            .table_name(&self.settings.table)
            .key(PK, text(shard::key(id, shard)))
            .set_expression_attribute_names(Some(names([&*update, IS_PENDING])))
            .expression_attribute_values(":child", AttributeValue::Ns(vec![offset.to_string()]))
            .expression_attribute_values(":offset", number(offset))
            .update_expression(update)
            .condition_expression(IS_PENDING)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match marked {
            Ok(output) => Ok(output.attributes.map(ShardRow)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(failed.item.clone().map(ShardRow))
                }
                _ => Err(port_error("UpdateItem", &error)),
            },
        }
    }
}

fn found<R>(error: &SdkError<PutItemError, R>) -> Option<Item> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => failed.item.clone(),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Cancelled {
    /// Another writer was faster.
    Overtaken,
    /// There is too much to do.
    Throttled,
    /// It will be the next time too.
    Refused,
}

/// Why a transaction was cancelled, from the codes of its writes: `None` for one that was not the reason.
fn why_cancelled<'a>(codes: impl Iterator<Item = &'a str>) -> Cancelled {
    let mut why = Cancelled::Refused;
    for code in codes.filter(|code| *code != "None") {
        why = match code {
            "ConditionalCheckFailed" | "TransactionConflict" if why != Cancelled::Throttled => {
                Cancelled::Overtaken
            }
            "ConditionalCheckFailed"
            | "TransactionConflict"
            | "ThrottlingError"
            | "ProvisionedThroughputExceeded" => Cancelled::Throttled,
            _ => return Cancelled::Refused,
        };
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_reason_counts() {
        let table = [
            (vec!["ConditionalCheckFailed", "None"], Cancelled::Overtaken),
            (vec!["None", "TransactionConflict"], Cancelled::Overtaken),
            (vec!["TransactionConflict", "ThrottlingError"], Cancelled::Throttled),
            (vec!["ProvisionedThroughputExceeded", "ConditionalCheckFailed"], Cancelled::Throttled),
            (vec!["ConditionalCheckFailed", "ValidationError"], Cancelled::Refused),
            (vec!["ItemCollectionSizeLimitExceeded", "ThrottlingError"], Cancelled::Refused),
            (vec![], Cancelled::Refused),
        ];
        for (codes, expected) in table {
            assert_eq!(why_cancelled(codes.iter().copied()), expected, "{codes:?}");
        }
    }
}
