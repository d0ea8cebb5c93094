//! `events`, and the same over HTTP.

use crate::support::{Dev, Project};

#[tokio::test]
async fn each_end_is_told_in_order() {
    let project = Project::trial();
    project.gantz(&["run", "say", "--what", "x", "--job-id", "said-one"]).await.ok();
    project.gantz(&["run", "broken", "--job-id", "broken-1"]).await.failed(1);
    let lines = "{\"what\": \"a\"}\n{\"what\": \"b\"}\n";
    project.gantz_with(lines, &["batch", "say", "--jsonl", "-", "--id", "sayings-1"]).await.ok();

    let events = project.gantz(&["events", "-o", "jsonl"]).await.json_lines();
    let told: Vec<_> = events.iter().filter_map(|event| event["detail_type"].as_str()).collect();
    assert_eq!(told, ["Gantz Job Succeeded", "Gantz Job Failed", "Gantz Batch Succeeded"]);
    let first = events[0]["seq"].to_string();
    let rest = project.gantz(&["events", "--after", &first, "-o", "json"]).await.json();
    assert_eq!(rest.as_array().map(|rest| &rest[..]), Some(&events[1..]));
    let table = project.gantz(&["events", "--limit", "1"]).await;
    assert_eq!(table.ok().lines().count(), 2, "{table}");
    assert_eq!(project.gantz(&["events", "--after", "1000"]).await.ok(), "no such events\n");

    let dev = Dev::start(&project).await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let get = async |query: &str| {
        let answer = http.get(format!("{}/events{query}", dev.url)).send().await.expect("an answer");
        let text = answer.text().await.expect("its body");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["events"].clone()
    };
    assert_eq!(get("").await.as_array(), Some(&events));
    assert_eq!(get(&format!("?after={first}&limit=1")).await, serde_json::json!([events[1]]));
}

#[tokio::test]
async fn children_tell_their_ends_where_their_batch_asks_for_it() {
    let project = Project::trial();
    let lines = "{\"what\": \"a\"}\n{\"wat\": \"b\"}\n";
    let batch = ["batch", "say", "--jsonl", "-", "--id", "sayings-1", "--child-events"];
    project.gantz_with(lines, &batch).await.failed(1);

    let events = project.gantz(&["events", "-o", "jsonl"]).await.json_lines();
    let told = events.iter().map(|event| {
        let detail = &event["detail"];
        (event["detail_type"].as_str().expect("a type"), detail["parent"].as_str(), detail["index"].as_u64())
    });
    let mut told: Vec<_> = told.collect();
    assert_eq!(told.pop(), Some(("Gantz Batch Failed", None, None)), "its children end before it");
    told.sort_unstable();
    let children = [
        ("Gantz Job Rejected", Some("sayings-1"), Some(1)),
        ("Gantz Job Succeeded", Some("sayings-1"), Some(0)),
    ];
    assert_eq!(told, children, "also the one that was never sent to a worker");
}
