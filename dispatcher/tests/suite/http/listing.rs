//! Listings.

use gantz_testkit::builders::succeeded;
use serde_json::json;

use crate::http::app::{App, echo};

#[tokio::test]
async fn pages_walk_all_jobs_newest_first() {
    let app = App::new();
    let ids: Vec<String> = (0..25).map(|number| format!("job-{number:04}")).collect();
    for id in &ids {
        app.submit(id).await;
    }
    let (mut walked, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = app.get(&format!("/jobs?limit=7{cursor}")).await.json();
        pages += 1;
        let jobs = page["jobs"].as_array().unwrap();
        assert!(jobs.len() <= 7);
        walked.extend(jobs.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    walked.reverse();
    assert_eq!((walked, pages), (ids, 4));
}

#[tokio::test]
async fn filters_combine() {
    let app = App::new();
    for id in ["echo-0001", "echo-0002"] {
        app.submit(id).await;
    }
    app.post("/jobs", json!({"tool": "explore", "job_id": "explore-1"})).await;
    app.finish("echo-0002", succeeded()).await;
    let table: [(&str, &[&str]); 9] = [
        ("?tenant=default&tool=explore", &["explore-1"]),
        ("?tenant=acme", &[]),
        ("", &["explore-1", "echo-0002", "echo-0001"]),
        ("?tool=echo", &["echo-0002", "echo-0001"]),
        ("?status=QUEUED", &["explore-1", "echo-0001"]),
        ("?status=QUEUED&tool=echo", &["echo-0001"]),
        ("?tool=ech%6F&status=SUCCEEDED", &["echo-0002"]),
        ("?tool=gone", &[]),
        ("?batch=batch-0001", &[]),
    ];
    for (query, expect) in table {
        let page = app.get(&format!("/jobs{query}")).await.json();
        let ids: Vec<&str> =
            page["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap()).collect();
        assert_eq!(ids, expect, "{query}");
    }
}

#[tokio::test]
async fn batches_are_listed_newest_first() {
    let app = App::new();
    for id in ["batch-0001", "batch-0002", "batch-0003"] {
        app.post("/batches", json!({"tool": "echo", "items": [], "batch_id": id})).await;
    }
    app.post("/jobs", echo("job-0001")).await;
    let listed = app.get("/batches?limit=2").await.json();
    let ids: Vec<_> =
        listed["batches"].as_array().unwrap().iter().map(|batch| batch["batch_id"].clone()).collect();
    assert_eq!(ids, [json!("batch-0003"), json!("batch-0002")]);
}
