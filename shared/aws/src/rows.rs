//! Reading many rows by their keys.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use gantz_core::ports::{PortError, PortResult};
use tokio::time::sleep;

use crate::error::port_error;
use crate::item::{Item, PK, text};
use crate::session::Session;

/// Keys of one call: what DynamoDB allows.
pub(crate) const KEYS_MAX: u16 = 100;
/// Calls for the same keys. DynamoDB leaves out what would exceed 16 MB or the table's throughput. By then, some two
/// seconds, the caller should hear of it.
const CALLS_MAX: u32 = 7;
/// Doubled with each call.
const FIRST_PAUSE: Duration = Duration::from_millis(30);

/// The rows that there are of these keys, at most [`KEYS_MAX`], in no order; if `consistent`, as they are now.
pub(crate) async fn read(
    session: &Session,
    table: &str,
    keys: impl IntoIterator<Item = String>,
    consistent: bool,
) -> PortResult<Vec<Item>> {
    let keys = keys.into_iter().map(|key| Item::from([(PK.to_owned(), text(key))])).collect();
    let wanted = KeysAndAttributes::builder().consistent_read(consistent).set_keys(Some(keys)).build();
    let mut wanted = wanted.map_err(|error| PortError::Permanent(error.to_string()))?;
    let (mut found, mut pause) = (Vec::new(), FIRST_PAUSE);
    for _ in 0..CALLS_MAX {
        let call = session.dynamodb().batch_get_item().request_items(table, wanted);
        let answer = call.send().await.map_err(|error| port_error("BatchGetItem", &error))?;
        found.extend(answer.responses.into_iter().flat_map(HashMap::into_values).flatten());
        match answer.unprocessed_keys.unwrap_or_default().into_values().next() {
            None => return Ok(found),
            Some(unread) => wanted = unread,
        }
        sleep(pause).await;
        pause *= 2;
    }
    Err(PortError::Throttled(format!("BatchGetItem: {} rows were not read", wanted.keys.len())))
}
