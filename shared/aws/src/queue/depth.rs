//! How much is on a queue, asked for once in a while however often it is wanted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use gantz_core::ports::{Depth, PortError, PortResult};
use tokio::time::Instant;

use crate::error::port_error;

/// How long an answer is good for. Every submission wants one; SQS's own numbers lag for longer.
const FRESH: Duration = Duration::from_secs(1);

type Known = Arc<tokio::sync::Mutex<Option<(Instant, Depth)>>>;

/// The last known depths, by queue.
#[derive(Debug, Default)]
pub(super) struct Depths {
    known: Mutex<HashMap<String, Known>>,
}

impl Depths {
    /// The depth as it was at most [`FRESH`] ago. Callers at the same time share one call.
    pub(super) async fn depth(&self, client: &Client, url: &str) -> PortResult<Depth> {
        let known = self.of(url);
        let mut known = known.lock().await;
        if let Some((at, depth)) = *known
            && at.elapsed() < FRESH
        {
            return Ok(depth);
        }
        let depth = ask(client, url).await?;
        *known = Some((Instant::now(), depth));
        Ok(depth)
    }

    fn of(&self, url: &str) -> Known {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(url.to_owned()).or_default())
    }
}

async fn ask(client: &Client, url: &str) -> PortResult<Depth> {
    const CALL: &str = "GetQueueAttributes";
    let call = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(Attribute::ApproximateNumberOfMessages)
        .attribute_names(Attribute::ApproximateNumberOfMessagesNotVisible)
        .attribute_names(Attribute::ApproximateNumberOfMessagesDelayed);
    let answer = call.send().await.map_err(|error| port_error(CALL, &error))?;
    let number = |name: Attribute| {
        let number = answer.attributes().and_then(|attributes| attributes.get(&name)?.parse().ok());
        number.ok_or_else(|| PortError::Transient(format!("{CALL}: the answer lacks {name}")))
    };
    Ok(Depth {
        visible: number(Attribute::ApproximateNumberOfMessages)?,
        in_flight: number(Attribute::ApproximateNumberOfMessagesNotVisible)?,
        delayed: number(Attribute::ApproximateNumberOfMessagesDelayed)?,
    })
}
