//! Which queue of the fleet a batch comes from.

use gantz_core::ids::{FIFO_SUFFIX, Lane, QueueName};

use super::Duty;
use super::event::EventError;

/// The queue of an ARN, if it is one for this duty: `<prefix>lane-<lane>` or `<prefix>dead-<lane>`, with `.fifo` behind it
/// if it is first in, first out.
pub(super) fn queue(arn: &str, prefix: &str, duty: Duty) -> Result<QueueName, EventError> {
    let kind = match duty {
        Duty::Jobs => "lane-",
        Duty::DeadLetters => "dead-",
    };
    let name = arn.rsplit(':').next().unwrap_or_default();
    let plain = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
    let lane = plain.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(kind));
    let Some(Ok(lane)) = lane.map(Lane::try_new) else {
        let expected = format!("{prefix}{kind}<lane>");
        return Err(EventError::Source { source_arn: arn.to_owned(), expected });
    };
    let queue = match duty {
        Duty::Jobs => QueueName::Lane(lane),
        Duty::DeadLetters => QueueName::Dead(lane),
    };
    // What is postponed or set aside goes by the queue's name, of which this is a part.
    Ok(if plain == name { queue } else { QueueName::Fifo(Box::new(queue)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_known_by_its_name() {
        let check = |name: &str, duty, expected: Option<&str>| {
            let arn = format!("arn:aws:sqs:eu-west-1:123456789012:{name}");
            let found = queue(&arn, "shop-lane-", duty).ok().map(|queue| queue.to_string());
            assert_eq!(found.as_deref(), expected, "{name}");
        };
        check("shop-lane-lane-fast", Duty::Jobs, Some("lane-fast"));
        check("shop-lane-lane-fast.fifo", Duty::Jobs, Some("lane-fast.fifo"));
        check("shop-lane-dead-fast.fifo", Duty::DeadLetters, Some("dead-fast.fifo"));
        check("shop-lane-dead-lane-1", Duty::DeadLetters, Some("dead-lane-1"));
        check("shop-lane-dead-fast", Duty::Jobs, None);
        check("shop-lane-lane-fast", Duty::DeadLetters, None);
        check("shop-lane-plan", Duty::Jobs, None);
        check("other-lane-fast", Duty::Jobs, None);
        check("shop-lane-lane-", Duty::Jobs, None);
    }
}
