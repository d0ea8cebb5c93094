//! `dlq`.

use gantz_core::host::Clock;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::ports::{JobQueue, NewMessage};
use gantz_embedded::{Directory, Embedded, Settings};

use crate::support::{Dev, Project, until};

#[tokio::test]
async fn what_nobody_can_read_is_kept_with_the_reason() {
    let project = Project::trial();
    put_in_lane(&project, "{\"v\": 1, hello").await;
    assert_eq!(project.gantz(&["dlq", "ls"]).await.ok(), "no dead letters\n");
    assert_eq!(project.gantz(&["dlq", "ls", "-o", "json"]).await.ok(), "[]\n");

    // Who works on a job of their own leaves it alone; with whoever works on everything, its neighbour is none the worse.
    assert_eq!(project.gantz(&["run", "say", "--what", "hello"]).await.ok(), "hello\n");
    assert_eq!(project.gantz(&["dlq", "ls"]).await.ok(), "no dead letters\n");
    let dev = Dev::start(&project).await;
    assert_eq!(project.gantz(&["run", "say", "--what", "hello"]).await.ok(), "hello\n");
    until("it is set aside", async || dev.stderr().contains("set a message aside").then_some(())).await;
    dev.stop().await.failed(130);
    let ran = project.gantz(&["dlq", "ls", "-o", "json"]).await;
    ran.ok();
    let letters = ran.json();
    assert_eq!(letters.as_array().map(Vec::len), Some(1), "{letters}");
    assert_eq!(letters[0]["body"], "{\"v\": 1, hello");
    assert_eq!(letters[0]["sent_at_ms"], SENT_AT_MS);
    let reason = letters[0]["reason"].as_str().expect("a text").to_owned();

    let ran = project.gantz(&["dlq", "ls"]).await;
    assert!(ran.ok().starts_with("MESSAGE      SENT                      WHY"), "{ran}");
    assert!(ran.stdout.contains(&reason[..30]), "{ran}");
    assert!(ran.stdout.contains("2023-11-14T22:13:20.000Z"), "{ran}");

    let id = letters[0]["message_id"].as_str().expect("a text");
    let ran = project.gantz(&["dlq", "show", id]).await;
    assert!(ran.ok().ends_with("\n\n{\"v\": 1, hello\n") && ran.stdout.contains(&reason), "{ran}");
    assert_eq!(project.gantz(&["dlq", "show", id, "-o", "json"]).await.json(), letters[0]);
    let ran = project.gantz(&["dlq", "show", "nobody"]).await;
    assert!(ran.failed(1).contains("lane `fast` has no dead letter `nobody`"), "{ran}");

    assert_eq!(project.gantz(&["dlq", "redrive"]).await.ok(), "sent to lane `fast` again: 1 message\n");
    assert_eq!(project.gantz(&["dlq", "ls"]).await.ok(), "no dead letters\n");
    assert_eq!(
        project.gantz(&["dlq", "redrive", "-o", "json"]).await.json(),
        serde_json::json!({"redriven": 0})
    );

    // Still unreadable: with a fleet at work, it comes back.
    let _dev = Dev::start(&project).await;
    let listed = async || {
        let letters = project.gantz(&["dlq", "ls", "-o", "json"]).await.json();
        (letters[0]["reason"] == reason.as_str()).then_some(())
    };
    until("it is a dead letter again", listed).await;
    assert_eq!(project.gantz(&["dlq", "redrive"]).await.ok(), "sent to lane `fast` again: 1 message\n");
    until("it is a dead letter once more", listed).await;
}

#[tokio::test]
async fn lanes_have_names() {
    let project = Project::trial();
    project.gantz(&["run", "say", "--what", "x"]).await.ok();
    for words in [["dlq", "ls", "--lane", "My Lane"], ["dlq", "redrive", "--lane", "My Lane"]] {
        let ran = project.gantz(&words).await;
        assert_eq!(ran.refused(2), "error: `My Lane` is no lane: expected 1 to 40 of a-z 0-9 -\n");
    }
}

#[tokio::test]
async fn lanes_are_those_of_the_manifest() {
    let project = Project::trial();
    project.gantz(&["run", "say", "--what", "x"]).await.ok();
    for words in [["dlq", "ls", "--lane", "fats"], ["dlq", "redrive", "--lane", "fats"]] {
        let ran = project.gantz(&words).await;
        assert_eq!(ran.refused(2), "error: there is no lane `fats`\nhint: did you mean `fast`?\n");
    }
    let ran = project.gantz(&["dlq", "ls", "--lane", "nope"]).await;
    assert_eq!(ran.refused(2), "error: there is no lane `nope`\nhint: the manifest has bulk, fast\n");
}

/// A moment like any other.
const SENT_AT_MS: u64 = 1_700_000_000_000;

async fn put_in_lane(project: &Project, body: &str) {
    let directory = Directory::create(&project.path(".gantz")).expect("the data directory");
    let clock = Clock::new(|| SENT_AT_MS);
    let embedded = Embedded::open(directory, clock, Settings::default()).expect("the database");
    let lane = QueueName::Lane(Lane::try_new("fast").expect("a lane"));
    let sent = embedded.send(&lane, vec![NewMessage::of(body)]).await;
    assert_eq!(sent.expect("the queue"), [Ok(())]);
}
