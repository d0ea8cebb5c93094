//! JSON Lines.

use gantz_core::job::JobStatus;
use gantz_core::limits::PARAMETERS_MAX_BYTES;
use serde_json::json;

use crate::plan::world::World;

#[tokio::test]
async fn a_line_whose_integer_would_lose_digits_fails_alone() {
    let world = World::new();
    let path =
        world.write("ids.jsonl", "{\"text\": \"a\", \"times\": 7}\n{\"times\": 99999999999999999999}\n");
    world.submit(json!({"tool": "echo", "jsonl": path})).await;
    world.plan_all().await;
    let children = world.assert_children(2).await;
    assert_eq!((children[0].status, children[1].status), (JobStatus::Queued, JobStatus::Failed));
    let message = &children[1].error.as_ref().unwrap().message;
    assert!(message.starts_with("line 2, column 11: the integer 99999999999999999999 has more"), "{message}");
}

#[tokio::test]
async fn lines_become_children_blank_ones_aside() {
    let world = World::new();
    let text = "\n{\"text\": \"a\"}\n\n  \t\r\n {\"text\": \"b\"} \r\n[1]\nnot json\n{\"text\": \"c\"\n\"text\"\n\
                \u{feff}{\"text\": \"d\"}\n{\"text\": \"ö\"}{}\n{\"text\": \"last\"}";
    let path = world.write("lines of a file.jsonl", text);
    world.submit(json!({"tool": "echo", "jsonl": path, "tolerate": "100%"})).await;
    world.plan_all().await;
    let children = world.assert_children(9).await;
    let told: Vec<_> = children
        .iter()
        .map(|child| {
            let error = child.error.as_ref().map(|error| error.message.as_str());
            (child.label.as_deref().unwrap(), error.unwrap_or("-"))
        })
        .collect();
    let expected = [
        ("line 2", "-"),
        ("line 5", "-"),
        ("line 6", "line 6 is no JSON object of parameters"),
        ("line 7", "line 7, column 2: not JSON (Syntax error)"),
        ("line 8", "line 8, column 12: not JSON (Eof error)"),
        ("line 9", "line 9 is no JSON object of parameters"),
        ("line 10", "line 10, column 1: not JSON (Syntax error)"),
        ("line 11", "line 11, column 15: not JSON (Syntax error)"),
        ("line 12", "-"),
    ];
    assert_eq!(told, expected);
    let (end, ran) = world.finish().await;
    let texts: Vec<_> = ran.values().map(|parameters| parameters["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["a", "b", "last"]);
    assert_eq!((end.batch.status, end.totals.failed), (JobStatus::Succeeded, 6));
}

#[tokio::test]
async fn lines_that_are_not_utf_8_or_too_long_fail_alone() {
    let world = World::new();
    let mut text = b"{\"text\": \"\xff\"}\n".to_vec();
    text.extend(vec![b'x'; 2 * PARAMETERS_MAX_BYTES]);
    text.extend(b"\n{\"text\": \"after\"}\n");
    // As long as a line may be, without and with its end.
    let frame = "{\"text\": \"\"}".len();
    let longest = format!("{{\"text\": \"{}\"}}", "y".repeat(PARAMETERS_MAX_BYTES - frame));
    text.extend(longest.as_bytes());
    text.push(b'\n');
    text.extend(vec![b'z'; PARAMETERS_MAX_BYTES + 1]);
    let path = world.write("long.jsonl", text);
    world.submit(json!({"tool": "echo", "jsonl": path, "tolerate": 10})).await;
    world.plan_all().await;
    let children = world.assert_children(5).await;
    let errors: Vec<_> =
        children.iter().map(|child| child.error.as_ref().map(|e| e.message.clone())).collect();
    assert!(errors[0].as_ref().unwrap().contains("not JSON"), "{errors:?}");
    for (place, line) in [(1, 2), (4, 5)] {
        assert_eq!(errors[place], Some(format!("line {line} has more than {PARAMETERS_MAX_BYTES} bytes")));
    }
    assert_eq!(errors[2], None);
    // The defaults make it too long to travel.
    assert!(errors[3].as_ref().unwrap().contains("at most"), "{errors:?}");
    let (_, ran) = world.finish().await;
    assert_eq!(ran.into_keys().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn blank_lines_and_bad_lines_at_the_edge_of_a_shard_do_not_shift_it() {
    let world = World::new();
    let mut text = String::new();
    for n in 0..401 {
        if n % 50 == 0 {
            text.push_str("\n \n");
        }
        text.push_str(&if n == 199 || n == 200 {
            "bad\n".into()
        } else {
            format!("{{\"text\": \"{n}\"}}\n")
        });
    }
    text.push_str("\n\n\n");
    let path = world.write("many.jsonl", text);
    world.submit(json!({"tool": "echo", "jsonl": path, "tolerate": 2})).await;
    let (end, ran) = world.finish().await;
    world.assert_children(401).await;
    assert_eq!((end.batch.status, end.totals.failed), (JobStatus::Succeeded, 2));
    assert!(ran.iter().all(|(index, parameters)| parameters["text"] == json!(index.to_string())));
}

#[tokio::test]
async fn a_file_without_lines_is_a_batch_of_nothing() {
    for text in ["", "\n", "\n\n  \n"] {
        let world = World::new();
        let path = world.write("empty.jsonl", text);
        world.submit(json!({"tool": "echo", "jsonl": path})).await;
        let end = world.plan_all().await;
        assert_eq!((end.batch.status, end.batch.planned), (JobStatus::Succeeded, 0), "{text:?}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_the_batch_and_says_why() {
    let world = World::new();
    let missing = world.source().join("missing.jsonl");
    for path in [missing.as_path(), &world.source()] {
        let world = World::new();
        world.submit(json!({"tool": "echo", "jsonl": path, "tolerate": "100%"})).await;
        let end = world.plan_all().await;
        assert_eq!((end.batch.status, end.batch.planned), (JobStatus::Failed, 0));
        let reason = end.batch.planning_error.unwrap();
        assert!(reason.starts_with("cannot "), "{reason}");
    }
}
