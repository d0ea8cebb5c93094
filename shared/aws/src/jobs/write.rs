//! Conditional writes of rows: an update whose condition says what the domain would, and the replacement of a row that
//! was read.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure,
};
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{self, AcceptVerdict, Verdict};
use gantz_core::ports::{PortError, PortResult};

use super::{Jobs, row};
use crate::error::port_error;
use crate::item::{FREE, Item, PK, names, number, text};

/// Times to decide again because the row changed in between. Each time somebody else's write went through, and few
/// have business with one job.
const TRIES: usize = 10;
/// `updated_at` grows with every change, so it tells all states of a row apart; the attempt is compared because every
/// state write is fenced.
const UNCHANGED: &str = "#updated_at = :seen_at AND #attempt = :seen_attempt";

/// An update and its condition, in which attributes are `#name` and values `:name`.
pub(super) struct Update {
    pub(super) expression: String,
    pub(super) condition: String,
    pub(super) values: Item,
}

/// What came of a conditional write.
pub(super) enum Written<T> {
    /// The condition held.
    Done(T),
    /// It did not hold. This is the row, if there is one.
    Refused(Option<Box<JobRecord>>),
}

impl Jobs {
    /// Updates the row and gives it as it is now.
    pub(super) async fn update(&self, id: &JobId, update: Update) -> PortResult<Written<Box<JobRecord>>> {
        let call = self.client().update_item().table_name(&self.settings.table).key(PK, text(id.as_str()));
        let answer = call
            .set_expression_attribute_names(Some(names([&*update.expression, &*update.condition])))
            .set_expression_attribute_values(Some(update.values))
            .update_expression(update.expression)
            .condition_expression(update.condition)
            .return_values(ReturnValue::AllNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => {
                note_cost("UpdateItem", id, answer.consumed_capacity());
                let row = row::read(answer.attributes.unwrap_or_default())?;
                return Ok(Written::Done(Box::new(row)));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => refused(failed.item()),
            _ => Err(port_error("UpdateItem", &error)),
        }
    }

    /// Records a new job where there is no row, or one whose time is up.
    pub(super) async fn accept_one(&self, new: &JobRecord) -> PortResult<AcceptVerdict> {
        let now_s = vec![("now", number(new.created_at_ms / 1_000))];
        match self.put(new, FREE, now_s).await? {
            Written::Refused(old) => Ok(lifecycle::accept(old.as_deref(), new)),
            Written::Done(()) => Ok(AcceptVerdict::Created),
        }
    }

    /// Applies the domain's decision on the row, given as it was `seen`, atomically: where the row has changed since,
    /// the decision is made again.
    pub(super) async fn settle<V: Verdict>(
        &self,
        mut seen: Option<Box<JobRecord>>,
        decide: impl Fn(Option<&JobRecord>) -> V + Sync,
    ) -> PortResult<V> {
        for _ in 0..TRIES {
            let verdict = decide(seen.as_deref());
            let new = match verdict.row_to_write() {
                Some(new) if seen.as_deref() != Some(new) => new,
                _ => return Ok(verdict),
            };
            match self.replace(seen.as_deref(), new).await? {
                Written::Done(()) => return Ok(verdict),
                Written::Refused(old) => seen = old,
            }
        }
        Err(PortError::Transient(format!("the row changed {TRIES} times while it was being written")))
    }

    async fn replace(&self, seen: Option<&JobRecord>, new: &JobRecord) -> PortResult<Written<()>> {
        match seen {
            None => self.put(new, "attribute_not_exists(#pk)", vec![]).await,
            Some(seen) => Ok(match self.update(&new.id, change(seen, new)?).await? {
                Written::Done(_) => Written::Done(()),
                Written::Refused(old) => Written::Refused(old),
            }),
        }
    }

    async fn put(
        &self,
        new: &JobRecord,
        condition: &str,
        in_condition: Vec<(&'static str, AttributeValue)>,
    ) -> PortResult<Written<()>> {
        let call = self.client().put_item().table_name(&self.settings.table);
        let answer = call
            .set_item(Some(row::to_item(new)?))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names([condition])))
            .set_expression_attribute_values((!in_condition.is_empty()).then(|| values(in_condition)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => {
                note_cost("PutItem", &new.id, answer.consumed_capacity());
                return Ok(Written::Done(()));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => refused(failed.item()),
            _ => Err(port_error("PutItem", &error)),
        }
    }
}

/// What makes the row that was seen the new one. Attributes that this version does not know stay as they are.
fn change(seen: &JobRecord, new: &JobRecord) -> PortResult<Update> {
    let (old, mut new) = (row::to_item(seen)?, row::to_item(new)?);
    new.remove(PK);
    let gone: Vec<_> = old
        .keys()
        .filter(|name| *name != PK && !new.contains_key(*name))
        .map(|name| format!("#{name}"))
        .collect();
    let sets: Vec<_> = new.keys().map(|name| format!("#{name} = :{name}")).collect();
    let mut expression = format!("SET {}", sets.join(", "));
    if !gone.is_empty() {
        expression = format!("{expression} REMOVE {}", gone.join(", "));
    }
    let mut all: Item = new.into_iter().map(|(name, value)| (format!(":{name}"), value)).collect();
    all.extend(values(vec![("seen_at", number(seen.updated_at_ms)), ("seen_attempt", number(seen.attempt))]));
    Ok(Update { expression, condition: UNCHANGED.into(), values: all })
}

fn refused<T>(old: Option<&Item>) -> PortResult<Written<T>> {
    Ok(Written::Refused(old.cloned().map(row::read).transpose()?.map(Box::new)))
}

/// For those who wonder what they pay for. The service says nothing of the cost of a write that it refused.
fn note_cost(call: &'static str, id: &JobId, capacity: Option<&ConsumedCapacity>) {
    if let Some(write_units) = capacity.and_then(ConsumedCapacity::capacity_units) {
        tracing::trace!(call, job_id = %id, write_units, "wrote a row");
    }
}

/// The values of an expression, each under its name.
pub(super) fn values(values: Vec<(&'static str, AttributeValue)>) -> Item {
    values.into_iter().map(|(name, value)| (format!(":{name}"), value)).collect()
}
