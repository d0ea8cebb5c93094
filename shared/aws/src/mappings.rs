//! The event source mappings that feed a lane's queue to its function, switched on and off.

use aws_sdk_sqs::types::QueueAttributeName;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::ports::{PortError, PortResult};

use crate::error::port_error;
use crate::{Session, Settings};

/// Switches what feeds a lane to functions. Lambda takes up to a minute for it.
///
/// # Errors
/// When a call fails; also while Lambda is still about an earlier switch, which passes.
pub async fn switch(session: &Session, settings: &Settings, lane: &Lane, on: bool) -> PortResult<()> {
    let queue = session
        .sqs()
        .get_queue_attributes()
        .queue_url(settings.queue_url(&QueueName::Lane(lane.clone())))
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .map_err(|error| port_error("GetQueueAttributes", &error))?;
    let arn = queue.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
    let arn = arn.ok_or_else(|| PortError::Permanent(format!("the queue of lane `{lane}` has no ARN")))?;
    let mut mappings =
        session.lambda().list_event_source_mappings().event_source_arn(arn).into_paginator().send();
    while let Some(page) = mappings.next().await {
        let page = page.map_err(|error| port_error("ListEventSourceMappings", &error))?;
        for mapping in page.event_source_mappings.unwrap_or_default() {
            let update = session.lambda().update_event_source_mapping().set_uuid(mapping.uuid).enabled(on);
            update.send().await.map_err(|error| port_error("UpdateEventSourceMapping", &error))?;
        }
    }
    Ok(())
}
