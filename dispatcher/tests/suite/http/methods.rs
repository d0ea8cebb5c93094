//! Methods beside `GET` and `POST`, and paths that lead nowhere.

use crate::http::app::{App, Ask};

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = App::new();
    for target in ["/jobs", "/tools", "/healthz", "/openapi.json", "/jobs/unknown-01"] {
        let (head, get) = (app.call(Ask::new("HEAD", target)).await, app.get(target).await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{target}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{target}");
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()), "{target}");
    }
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let app = App::new();
    let table = [
        ("OPTIONS", "/jobs", 204, "POST,GET,HEAD"),
        ("OPTIONS", "/agent", 204, "POST"),
        ("DELETE", "/jobs", 405, "POST,GET,HEAD"),
        ("PUT", "/jobs/job-0001", 405, "GET,HEAD"),
        ("GET", "/agent", 405, "POST"),
        ("GET", "/jobs/job-0001/cancel", 405, "POST"),
        ("POST", "/tools", 405, "GET,HEAD"),
        ("BREW", "/jobs", 405, "POST,GET,HEAD"),
    ];
    for (method, target, status, allow) in table {
        let answer = app.call(Ask::new(method, target)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (status, Some(allow)),
            "{method} {target}"
        );
        if status == 405 {
            assert_eq!(answer.problem(), "method_not_allowed");
        }
    }
}

#[tokio::test]
async fn paths_that_lead_nowhere_are_not_found() {
    let app = App::new();
    for target in
        ["/", "/jobs/", "/job", "/jobs/job-0001/", "/jobs/job-0001/results", "//jobs", "/JOBS", "/mcp/x"]
    {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = app.call(Ask::new(method, target)).await;
            assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not_found"), "{target}");
        }
    }
}
