//! Standard queues keep the port's contract, and cost no more calls than they need.

use gantz_testkit::fault_table::{Level, fault};
use std::sync::Arc;

use crate::support::{Fleet, env};
use async_trait::async_trait;
use aws_sdk_sqs::types::{MessageSystemAttributeName as Received, QueueAttributeName as Attribute};
use futures_util::future::join_all;
use gantz_aws::{Queue, Session, Settings};
use gantz_core::ids::{Lane, QueueName};
use gantz_core::ports::{JobQueue, Message, NewMessage, Postponed, Receipt, Receive};
use gantz_testkit::job_queue::{self, Lanes};
use gantz_testkit::wire::Relay;

const MAX_RECEIVES: u32 = 3;
/// Longer than any test waits.
const HELD_MS: u64 = 600_000;

/// Queues as a stack has them: each lane's with its dead-letter queue.
struct Queues {
    client: aws_sdk_sqs::Client,
    prefix: String,
}

impl Queues {
    fn of(fleet: &Fleet) -> Self {
        let settings = fleet.settings();
        let prefix = settings.queue_url_prefix.rsplit('/').next().unwrap().to_owned();
        Self { client: fleet.sqs(), prefix }
    }

    async fn create_queue(&self, queue: &QueueName, redrive: Option<String>) -> String {
        let call = self.client.create_queue().queue_name(format!("{}{queue}", self.prefix));
        let call = match redrive {
            Some(policy) => call.attributes(Attribute::RedrivePolicy, policy),
            None => call,
        };
        call.send().await.unwrap().queue_url.unwrap()
    }

    /// A lane's queues as somebody makes them who wants an order kept.
    async fn create_fifo(&self, lane: &Lane) {
        for queue in
            [QueueName::Parked(lane.clone()), QueueName::Dead(lane.clone()), QueueName::Lane(lane.clone())]
        {
            let call = self.client.create_queue().queue_name(format!("{}{}", self.prefix, fifo(queue)));
            call.attributes(Attribute::FifoQueue, "true").send().await.unwrap();
        }
    }

    async fn arn(&self, url: &str) -> String {
        let call = self.client.get_queue_attributes().queue_url(url).attribute_names(Attribute::QueueArn);
        let mut attributes = call.send().await.unwrap().attributes.unwrap();
        attributes.remove(&Attribute::QueueArn).unwrap()
    }
}

#[async_trait]
impl Lanes for Queues {
    async fn create(&self, lane: &Lane) {
        let dead = self.create_queue(&QueueName::Dead(lane.clone()), None).await;
        let arn = self.arn(&dead).await;
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"{MAX_RECEIVES}"}}"#);
        self.create_queue(&QueueName::Lane(lane.clone()), Some(policy)).await;
    }

    fn max_receives(&self) -> u32 {
        MAX_RECEIVES
    }

    /// SQS's standard queues promise no more than at least one delivery.
    fn are_exclusive(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_keep_their_contract() {
    let fleet = Fleet::start().await;
    let queue = Arc::new(Queue::new(fleet.session(), fleet.settings()));
    job_queue::run(queue, Arc::new(Queues::of(&fleet)), env()).await;
}

/// A lane behind a relay.
struct Subject {
    _fleet: Fleet,
    relay: Relay,
    queue: Arc<Queue>,
    lane: QueueName,
    dead: QueueName,
}

impl Subject {
    async fn start() -> Self {
        let fleet = Fleet::start().await;
        let relay = Relay::before(fleet.endpoint());
        let queue =
            Arc::new(Queue::new(Arc::new(Session::emulated(relay.endpoint.clone()).await), fleet.settings()));
        let lane = Lane::try_new("one").unwrap();
        Queues::of(&fleet).create(&lane).await;
        Self { _fleet: fleet, relay, queue, lane: QueueName::Lane(lane.clone()), dead: QueueName::Dead(lane) }
    }

    async fn send(&self, bodies: &[&str]) {
        let messages = bodies.iter().map(|body| message(body)).collect();
        let answers = self.queue.send(&self.lane, messages).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }

    async fn receive(&self, queue: &QueueName, wait_ms: u64) -> Vec<Message> {
        let ask = Receive { max: 10, visibility_ms: HELD_MS, wait_ms };
        self.queue.receive(queue, ask).await.unwrap()
    }

    /// Calls of one kind that were made.
    fn calls(&self, action: &str) -> usize {
        self.relay.count(&format!("AmazonSQS.{action}\r"))
    }
}

fn message(body: &str) -> NewMessage {
    NewMessage::of(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_as_few_as_may_be() {
    let shown = fault(6, Level::Wire);
    let q = Subject::start().await;
    deletes_are_gathered(&q).await;
    depth_is_asked_for_once(&q).await;
    a_refused_character_costs_no_call(&q).await;
    bodies_are_spread_over_calls(&q).await;
    shown.in_runs(1, "bodies spread over calls by count and bytes");
}

async fn deletes_are_gathered(q: &Subject) {
    let bodies: Vec<_> = (0..40).map(|n| format!("{n}")).collect();
    for ten in bodies.chunks(10) {
        q.send(&ten.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let mut held = Vec::new();
    while held.len() < 40 {
        held.extend(q.receive(&q.lane, 1_000).await);
    }
    let answers = join_all(held.iter().map(|held| q.queue.delete(&q.lane, vec![held.receipt.clone()]))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == [Ok(())]));
    assert_eq!(q.calls("DeleteMessageBatch"), 4, "40 deletes at once");
    // Answered means done.
    for held in held {
        assert!(!q.queue.extend(&q.lane, &held.receipt, HELD_MS).await.unwrap());
    }
    let answers = q.queue.delete(&q.lane, vec![Receipt(String::new()), Receipt("nonsense".to_owned())]).await;
    let [Err(empty), Ok(())] = &answers.unwrap()[..] else { panic!("an empty receipt is no receipt") };
    assert!(empty.sender_fault, "{empty}");
}

async fn depth_is_asked_for_once(q: &Subject) {
    let depths = join_all((0..20).map(|_| q.queue.depth(&q.lane))).await;
    assert!(depths.into_iter().all(|depth| depth.is_ok()));
    assert_eq!(q.calls("GetQueueAttributes"), 1);
}

async fn a_refused_character_costs_no_call(q: &Subject) {
    let before = q.calls("SendMessageBatch");
    let answers = q.queue.send(&q.lane, vec![message("a\u{0}b")]).await.unwrap();
    let [Err(error)] = &answers[..] else { panic!("{answers:?}") };
    assert!(error.sender_fault && error.message.contains("U+0000"), "{error}");
    assert_eq!(q.calls("SendMessageBatch"), before);
    let answers = q.queue.send(&q.lane, vec![message("a"), message("\u{FFFF}"), message("b")]).await.unwrap();
    assert!(matches!(&answers[..], [Ok(()), Err(_), Ok(())]), "{answers:?}");
    let mut received = Vec::new();
    while received.len() < 2 {
        received.extend(q.receive(&q.lane, 1_000).await);
    }
    assert_eq!(q.calls("SendMessageBatch"), before + 1);
}

async fn bodies_are_spread_over_calls(q: &Subject) {
    let before = q.calls("SendMessageBatch");
    let third = "x".repeat(q.queue.limits().body_bytes / 3);
    q.send(&[third.as_str(); 8]).await;
    assert_eq!(q.calls("SendMessageBatch"), before + 3);
}

/// Returns once `condition` holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let env = env();
    let deadline_ms = env.now_ms() + env.ticks(60);
    while !condition() {
        assert!(env.now_ms() < deadline_ms, "waited in vain until {what}");
        env.advance(env.ticks(1) / 20).await;
    }
}

/// A receiver that goes away must not take messages along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_is_handed_back() {
    let q = Subject::start().await;
    let receiver = tokio::spawn({
        let (queue, lane) = (Arc::clone(&q.queue), q.lane.clone());
        let ask = Receive { max: 10, visibility_ms: HELD_MS, wait_ms: 20_000 };
        async move { queue.receive(&lane, ask).await }
    });
    until("the poll begins", || q.calls("ReceiveMessage") == 1).await;
    receiver.abort();
    assert!(receiver.await.unwrap_err().is_cancelled());
    q.send(&["a", "b"]).await;
    until("messages are handed back", || q.calls("ChangeMessageVisibilityBatch") == 1).await;
    let mut received = q.receive(&q.lane, 10_000).await;
    if received.len() < 2 {
        received.extend(q.receive(&q.lane, 10_000).await);
    }
    assert_eq!(received.len(), 2);
    assert!(received.iter().any(|message| message.receives == 2), "{received:?}");
}

/// A poll whose answer was lost may have received: a second one would only hide that from the caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_poll_is_not_repeated() {
    let q = Subject::start().await;
    q.send(&["a"]).await;
    q.relay.break_after(0);
    let ask = Receive { max: 1, visibility_ms: 1, wait_ms: 0 };
    let error = q.queue.receive(&q.lane, ask).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(q.calls("ReceiveMessage"), 1);
    // Its visibility, rounded up to a second, ends.
    let again = q.receive(&q.lane, 10_000).await;
    assert!(matches!(&again[..], [message] if message.receives == 2), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_aside_tells_why() {
    let q = Subject::start().await;
    q.send(&["no envelope"]).await;
    let [held] = &q.receive(&q.lane, 1_000).await[..] else { panic!("one message") };
    q.queue.quarantine(&q.lane, held, &format!("bad \u{1B} {}", "ö".repeat(300))).await.unwrap();
    let [dead] = &q.receive(&q.dead, 1_000).await[..] else { panic!("one dead letter") };
    let expect = format!("bad \u{FFFD} {}", "ö".repeat(250));
    assert_eq!((dead.body.as_str(), dead.dead_reason.as_ref()), ("no envelope", Some(&expect)));
    // Once more is in vain, and makes no second copy.
    q.queue.quarantine(&q.lane, held, "again").await.unwrap();
    assert_eq!(q.receive(&q.dead, 0).await, []);
    let error = q.queue.quarantine(&QueueName::Plan, held, "nowhere to go").await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("`plan`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_back_stays_with_its_group() {
    let q = Subject::start().await;
    q.send(&["of a tenant"]).await;
    let [held] = &q.receive(&q.lane, HELD_MS).await[..] else { panic!("one message") };
    q.queue.put_back(&q.dead, held, None).await.unwrap();
    assert_eq!(q.relay.count("MessageGroupId"), 0, "nobody in particular asked for it");
    q.queue.put_back(&q.dead, held, Some("tenant-1")).await.unwrap();
    assert_eq!(q.relay.count(r#""MessageGroupId":"tenant-1""#), 1);
    assert_eq!(q.relay.count("MessageDeduplicationId"), 0, "only an ordered queue has it");
}

fn fifo(queue: QueueName) -> QueueName {
    QueueName::Fifo(Box::new(queue))
}

/// The groups and bodies that a queue has, as another client sees them.
async fn groups(client: &aws_sdk_sqs::Client, url: &str) -> Vec<(String, String)> {
    let receive = client.receive_message().queue_url(url).max_number_of_messages(10);
    let receive = receive.message_system_attribute_names(Received::MessageGroupId).visibility_timeout(0);
    let messages = receive.send().await.unwrap().messages.unwrap_or_default();
    let group = |message: &aws_sdk_sqs::types::Message| {
        message.attributes().unwrap()[&Received::MessageGroupId].clone()
    };
    messages.iter().map(|message| (group(message), message.body().unwrap().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_keeps_an_order_is_found_by_its_whole_name() {
    let fleet = Fleet::start().await;
    let queue = Queue::new(fleet.session(), fleet.settings());
    let lane = Lane::try_new("ordered").unwrap();
    Queues::of(&fleet).create_fifo(&lane).await;
    let (home, dead) = (fifo(QueueName::Lane(lane.clone())), fifo(QueueName::Dead(lane.clone())));
    let sqs = fleet.sqs();
    let url = |queue: &QueueName| fleet.settings().queue_url(queue);
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        let send = sqs.send_message().queue_url(url(&home)).message_body(body);
        send.message_group_id(group).message_deduplication_id(body).send().await.unwrap();
    }

    let ask = Receive { max: 1, visibility_ms: HELD_MS, wait_ms: 1_000 };
    let [a1] = &queue.receive(&home, ask).await.unwrap()[..] else { panic!("one message") };
    assert_eq!(a1.body, "a1");
    assert!(queue.extend(&home, &a1.receipt, HELD_MS).await.unwrap());
    queue.postpone(&home, &a1.receipt, 0, Postponed::HandedBack).await.unwrap();
    let [a1] = &queue.receive(&home, ask).await.unwrap()[..] else { panic!("it came back") };
    assert_eq!((a1.body.as_str(), a1.receives), ("a1", 2), "its group waited for it");

    queue.quarantine(&home, a1, "no envelope").await.unwrap();
    let [letter] = &queue.receive(&dead, ask).await.unwrap()[..] else { panic!("one dead letter") };
    assert_eq!((letter.body.as_str(), letter.dead_reason.as_deref()), ("a1", Some("no envelope")));
    // Repeated, as after a crash, it still comes back once, behind the others of its group.
    for _ in 0..2 {
        queue.put_back(&dead, letter, Some("a")).await.unwrap();
    }
    let mut left = groups(&sqs, &url(&home)).await;
    left.sort();
    let expected = [("a", "a1"), ("a", "a2"), ("b", "b1")];
    assert_eq!(left, expected.map(|(group, body)| (group.to_owned(), body.to_owned())));
    queue.quarantine(&dead, letter, "again").await.unwrap();
    let parked = fifo(QueueName::Parked(lane));
    assert_eq!(groups(&sqs, &url(&parked)).await, [(letter.id.clone(), "a1".to_owned())]);

    let later = NewMessage { delay_ms: 1_000, ..message("later") };
    let answers = queue.send(&home, vec![message("now"), later]).await.unwrap();
    let [Ok(()), Err(error)] = &answers[..] else { panic!("{answers:?}") };
    assert!(error.sender_fault && error.message.contains("delays no single message"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_gone_is_a_permanent_error() {
    let fleet = Fleet::start().await;
    let settings = Settings {
        queue_url_prefix: "http://127.0.0.1/000000000000/none-".into(),
        ..(*fleet.settings()).clone()
    };
    let queue = Queue::new(fleet.session(), Arc::new(settings));
    let lane = QueueName::Lane(Lane::default_lane());
    let ask = Receive { max: 1, visibility_ms: 1_000, wait_ms: 0 };
    let receipt = Receipt("r".into());
    let errors = [
        queue.send(&lane, vec![message("a")]).await.unwrap_err(),
        queue.receive(&lane, ask).await.unwrap_err(),
        queue.delete(&lane, vec![receipt.clone()]).await.unwrap_err(),
        queue.extend(&lane, &receipt, 1_000).await.unwrap_err(),
        queue.depth(&lane).await.unwrap_err(),
    ];
    for error in errors {
        assert!(!error.is_transient(), "{error}");
    }
}
