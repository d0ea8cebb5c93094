//! What every [`JobQueue`] must do.

mod bounds;
mod dead_letters;
mod delivery;
mod sharing;
mod visibility;

use std::sync::Arc;

use async_trait::async_trait;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::ports::{JobQueue, Message, NewMessage, Postponed, Receipt, Receive};

use crate::Env;
use crate::suite::{Case, Suite};

/// Invisible for so long that no case ever sees it end.
const HELD_MS: u64 = 600_000;
/// Waits of this many ticks before a message that must come is given up, so that a slow machine fails no case.
const PATIENCE: u32 = 20;

/// Where the suite's queues come from.
#[async_trait]
pub trait Lanes: Send + Sync {
    /// Returns once the lane's queue and its dead-letter queue exist and are empty. No two calls name the same lane.
    async fn create(&self, lane: &Lane);

    /// Receives before a message of these lanes is dead-lettered: a small number, 2 or more.
    fn max_receives(&self) -> u32;

    /// Whether a message is never with two receivers while its visibility lasts. The port does not ask for it, but what
    /// keeps this promise must go on keeping it.
    fn are_exclusive(&self) -> bool {
        true
    }
}

/// Lanes that come into being when they are used.
#[derive(Debug, Clone, Copy)]
pub struct OnDemand {
    /// Receives before a message is dead-lettered.
    pub max_receives: u32,
}

#[async_trait]
impl Lanes for OnDemand {
    async fn create(&self, _: &Lane) {}

    fn max_receives(&self) -> u32 {
        self.max_receives
    }
}

/// Runs every case.
///
/// # Panics
/// When a case fails, naming it.
pub async fn run(queue: Arc<dyn JobQueue>, lanes: Arc<dyn Lanes>, env: Env) {
    let mut suite = Suite::new("job_queue", Backend { queue, lanes }, env);
    delivery::cases(&mut suite).await;
    visibility::cases(&mut suite).await;
    dead_letters::cases(&mut suite).await;
    bounds::cases(&mut suite).await;
    sharing::cases(&mut suite).await;
    suite.finish();
}

#[derive(Clone)]
struct Backend {
    queue: Arc<dyn JobQueue>,
    lanes: Arc<dyn Lanes>,
}

type Input = Case<Backend>;

/// A lane of one case's own.
#[derive(Clone)]
struct Subject {
    port: Arc<dyn JobQueue>,
    env: Env,
    lane: QueueName,
    dead: QueueName,
    max_receives: u32,
    exclusive: bool,
}

impl Subject {
    async fn new(case: &Input) -> Self {
        let lane = Lane::try_new(case.name("q").to_ascii_lowercase()).unwrap();
        case.port.lanes.create(&lane).await;
        Self {
            port: Arc::clone(&case.port.queue),
            env: case.env.clone(),
            max_receives: case.port.lanes.max_receives(),
            exclusive: case.port.lanes.are_exclusive(),
            dead: QueueName::Dead(lane.clone()),
            lane: QueueName::Lane(lane),
        }
    }

    async fn send(&self, bodies: &[&str]) {
        let answers = self.port.send(&self.lane, bodies.iter().map(|body| message(body)).collect()).await;
        assert_eq!(answers.unwrap(), vec![Ok(()); bodies.len()]);
    }

    /// Takes one message that must be there or come, and holds it for `visibility_ms`.
    async fn take(&self, queue: &QueueName, visibility_ms: u64) -> Message {
        for _ in 0..PATIENCE {
            let ask = Receive { max: 1, visibility_ms, wait_ms: self.env.ticks(1) };
            if let Some(message) = self.port.receive(queue, ask).await.unwrap().pop() {
                return message;
            }
            self.env.advance(self.env.ticks(1)).await;
        }
        panic!("no message came on {queue}");
    }

    /// Takes one message from the lane and keeps it.
    async fn hold(&self) -> Message {
        self.take(&self.lane, HELD_MS).await
    }

    /// Takes messages from the lane and keeps them, until there are `count`.
    async fn hold_many(&self, count: usize) -> Vec<Message> {
        let mut held = Vec::new();
        while held.len() < count {
            held.push(self.hold().await);
        }
        held
    }

    async fn assert_empty(&self, queue: &QueueName) {
        let ask = Receive { max: 1, visibility_ms: HELD_MS, wait_ms: 0 };
        assert_eq!(self.port.receive(queue, ask).await.unwrap(), [], "messages on {queue}");
    }

    async fn delete(&self, receipt: &Receipt) {
        assert_eq!(self.port.delete(&self.lane, vec![receipt.clone()]).await.unwrap(), [Ok(())]);
    }

    async fn postpone(&self, receipt: &Receipt, delay_ms: u64) {
        self.port.postpone(&self.lane, receipt, delay_ms, Postponed::Retry).await.unwrap();
    }

    /// Receives a message twice: its first receipt, which is no longer current, and its present delivery.
    async fn outdated(&self) -> (Receipt, Message) {
        let first = self.hold().await;
        self.postpone(&first.receipt, 0).await;
        let second = self.hold().await;
        assert_eq!(second.id, first.id);
        assert_ne!(second.receipt, first.receipt, "each delivery has a receipt of its own");
        (first.receipt, second)
    }
}

fn message(body: &str) -> NewMessage {
    NewMessage::of(body)
}
