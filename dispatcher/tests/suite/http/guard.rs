//! Whose requests are let in.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use gantz_dispatcher::http::{BearerToken, HttpSettings, WebOrigin, router_with};
use tower::ServiceExt;

use crate::http::app::{App, Ask, echo};

/// A check of one header: its name, its value, and whether the request is let in.
type Case = (&'static str, &'static str, bool);

#[tokio::test]
async fn only_loopback_names_by_default() {
    let table = [
        ("host", "localhost", true),
        ("host", "LocalHost:8080", true),
        ("host", "127.0.0.1:3000", true),
        ("host", "[::1]:3000", true),
        ("host", "localhost.evil.example", false),
        ("host", "localhost@evil.example", false),
        ("host", "evil.example", false),
        ("host", "", false),
        ("host", "localhost, evil.example", false),
        ("origin", "http://localhost:5173", true),
        ("origin", "http://[::1]", true),
        ("origin", "https://evil.example", false),
        ("origin", "http://localhost.evil.example", false),
        ("origin", "null", false),
        ("origin", "", false),
    ];
    check(&App::new(), &table).await;
}

#[tokio::test]
async fn other_names_when_told_so() {
    let allowed_hosts = Some(vec!["gantz.example".to_owned()]);
    let app = App::with(HttpSettings { allowed_hosts, ..HttpSettings::default() }, |dispatcher| dispatcher);
    let table = [("host", "gantz.example:443", true), ("host", "localhost", false)];
    check(&app, &table).await;
}

#[tokio::test]
async fn every_name_behind_a_gateway_that_checks() {
    let settings = HttpSettings { allowed_hosts: None, ..HttpSettings::default() };
    let app = App::with(settings, |dispatcher| dispatcher);
    check(&app, &[("host", "any.example", true), ("origin", "https://any.example", true)]).await;
    assert_eq!(app.call(Ask::get("/jobs").without("host")).await.status, 200);
}

#[tokio::test]
async fn a_host_must_be_there_and_only_once() {
    let app = App::new();
    assert_eq!(app.call(Ask::get("/jobs").without("host")).await.status, 403);
    assert_eq!(app.call(Ask::get("/jobs").header("host", "evil.example")).await.status, 403);
    assert_eq!(app.call(Ask::get("/nowhere").without("host")).await.status, 403);
    assert_eq!(app.call(Ask::get("http://localhost:80/jobs").without("host")).await.status, 200);
}

#[tokio::test]
async fn a_stranger_writes_nothing() {
    let app = App::new();
    let ask = Ask::post("/jobs", &echo("job-0001")).header("origin", "https://evil.example");
    let answer = app.call(ask).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (403, "forbidden"));
    assert!(answer.header("access-control-allow-origin").is_none());
    app.assert_untouched("a stranger").await;
}

#[tokio::test]
async fn routes_of_the_callers_own_are_behind_it_too() {
    let app = App::new();
    let more = Router::new().route("/extra", get(async || "here"));
    let router = router_with(app.dispatcher.clone(), HttpSettings::default(), more);
    for (host, status) in [("localhost", 200), ("evil.example", 403)] {
        let request = Request::get("/extra").header("host", host).body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn pages_of_sites_that_were_named_may_ask_and_read() {
    let web_origins = vec!["https://app.example".parse().unwrap(), "http://localhost:5173".parse().unwrap()];
    let token = Some(BearerToken::new("s3cret-t0ken"));
    let app =
        App::with(HttpSettings { web_origins, token, ..HttpSettings::default() }, |dispatcher| dispatcher);
    let allowed = "access-control-allow-origin";
    for (origin, status, expected) in [
        ("https://app.example", 200, Some("https://app.example")),
        ("http://localhost:5173", 200, Some("http://localhost:5173")),
        // This machine's own, which may ask and need not read.
        ("http://localhost:5174", 200, None),
        ("https://app.example.evil.example", 403, None),
        ("http://app.example", 403, None),
        ("null", 403, None),
    ] {
        let ask = Ask::get("/jobs").header("origin", origin);
        let answer = app.call(ask.header("authorization", "Bearer s3cret-t0ken")).await;
        assert_eq!((answer.status.as_u16(), answer.header(allowed)), (status, expected), "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    let ask = Ask::new("OPTIONS", "/jobs").header("origin", "https://app.example");
    let ask = ask.header("access-control-request-method", "POST");
    let answer = app.call(ask.header("access-control-request-headers", "authorization, content-type")).await;
    assert_eq!((answer.status.as_u16(), answer.header(allowed)), (200, Some("https://app.example")));
    let headers = answer.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization") && headers.contains("idempotency-key"), "{headers}");
}

#[test]
fn origins_are_written_as_browsers_write_them() {
    for good in ["https://app.example", "http://localhost:5173", "http://[::1]:3000"] {
        assert!(good.parse::<WebOrigin>().is_ok(), "{good}");
    }
    for bad in [
        "*",
        "app.example",
        "https://app.example/",
        "https://APP.example",
        "https://*.example",
        "null",
        "https://a@b",
        "",
    ] {
        assert!(bad.parse::<WebOrigin>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_server_with_a_token_asks_for_it() {
    let token = Some(BearerToken::new("s3cret-t0ken"));
    let app = App::with(HttpSettings { token, ..HttpSettings::default() }, |dispatcher| dispatcher);
    for (value, let_in) in [
        ("Bearer s3cret-t0ken", true),
        ("bearer  s3cret-t0ken ", true),
        ("Bearer s3cret-t0ke", false),
        ("Bearer s3cret-t0kenn", false),
        ("Bearer S3CRET-T0KEN", false),
        ("Basic s3cret-t0ken", false),
        ("s3cret-t0ken", false),
        ("Bearer", false),
        ("", false),
    ] {
        let answer = app.call(Ask::get("/jobs").header("authorization", value)).await;
        assert_eq!(answer.status.as_u16(), if let_in { 200 } else { 401 }, "{value}");
    }
    let twice = Ask::get("/jobs").header("authorization", "Bearer s3cret-t0ken");
    let twice = app.call(twice.header("authorization", "Bearer s3cret-t0ken")).await;
    assert_eq!(twice.status, 401, "one of two may be somebody else's");
    for path in ["/jobs", "/mcp", "/openapi.json", "/nowhere"] {
        let answer = app.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (401, "unauthorized"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
    }
    assert_eq!(app.get("/healthz").await.status, 200, "whoever asks may know that it is there");
    let stranger = Ask::get("/jobs").header("authorization", "Bearer s3cret-t0ken");
    assert_eq!(app.call(stranger.header("origin", "https://evil.example")).await.status, 403);
}

async fn check(app: &App, table: &[Case]) {
    for (name, value, let_in) in table {
        let status = app.call(Ask::get("/jobs").without(name).header(name, value)).await.status;
        assert_eq!(status.as_u16(), if *let_in { 200 } else { 403 }, "{name}: {value}");
    }
}
