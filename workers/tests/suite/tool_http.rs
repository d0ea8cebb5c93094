//! HTTP requests as tools, with servers on the loopback interface.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gantz_core::host::Clock;
use gantz_core::ids::JobId;
use gantz_core::manifest::{HttpBody, HttpSpec};
use gantz_core::outcome::{Effect, ErrorKind, Failure, Outcome, Retry};
use gantz_core::tool::{Call, Tool};
use gantz_workers::tools::http::{HttpClient, HttpSpecError, HttpTool};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::secrets::secrets;

/// Far more than anything here takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(30);
/// 1994-11-06T08:49:37Z
const NOW_MS: u64 = 784_111_777_000;

/// A server that records what it is asked, and answers what it was told to.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` gets a request's first line. Connections are kept alive.
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (recorded, answer) = (Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&recorded), Arc::clone(&answer)));
            }
        });
        Self { address, requests }
    }

    async fn answering(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::start(move |_| answer.clone()).await
    }

    fn url(&self, rest: &str) -> String {
        format!("http://{}{rest}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    requests: Arc<Mutex<Vec<String>>>,
    answer: Arc<impl Fn(&str) -> String>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let request = String::from_utf8_lossy(&bytes).into_owned();
        let complete = request.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.map_or(0, |length| length.parse().expect("a number"))
        });
        if complete {
            bytes.clear();
            let answer = answer(request.lines().next().unwrap_or_default());
            requests.lock().expect("no panic").push(request);
            stream.write_all(answer.as_bytes()).await?;
            if answer.contains("connection: close") {
                return Ok(());
            }
        } else if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}

fn ok(content_type: &str, body: &str) -> String {
    with_status("200 OK", &format!("content-type: {content_type}\r\n"), body)
}

fn with_status(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn redirect(status: &str, location: &str) -> String {
    with_status(status, &format!("location: {location}\r\n"), "")
}

fn get(url: String) -> HttpSpec {
    HttpSpec {
        url,
        method: "GET".to_owned(),
        headers: BTreeMap::new(),
        body: HttpBody::None,
        allow_hosts: vec!["127.0.0.1".to_owned()],
        response: None,
        max_response_bytes: 1024 * 1024,
    }
}

fn client() -> HttpClient {
    HttpClient::new(Clock::new(|| NOW_MS))
}

async fn run_with(client: &HttpClient, spec: HttpSpec, parameters: Value) -> Outcome {
    let tool = HttpTool::new(spec, client.clone(), secrets()).expect("a valid spec");
    let call = Call {
        job_id: JobId::try_new("job-1234").expect("a valid id"),
        effect_key: JobId::try_new("first-of-its-kind").expect("a valid id"),
        tool: "test".to_owned(),
        attempt: 1,
        timeout_ms: 60_000,
        trace: None,
        parameters,
    };
    patiently(tool.run(call)).await
}

async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

async fn run(spec: HttpSpec, parameters: Value) -> Outcome {
    run_with(&client(), spec, parameters).await
}

async fn fail(spec: HttpSpec) -> Failure {
    match run(spec, json!({})).await {
        Outcome::Failed(failure) => failure,
        outcome => unreachable!("{outcome:?}"),
    }
}

fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn gets_json() {
    let extra = "content-type: application/json; charset=utf-8\r\netag: \"7\"\r\nset-cookie: s=1\r\n";
    let server = Server::answering(&with_status("200 OK", extra, r#"{"items": [1, 2]}"#)).await;
    let spec = HttpSpec {
        headers: headers(&[("X-Token", "t {t}"), ("X-Secret", "${env:PATH} {t}")]),
        ..get(server.url("/u/{id}?q={q}#f"))
    };
    let outcome = run(spec.clone(), json!({"id": "a/b", "q": "x&y", "t": "ok"})).await;
    let expect = json!({
        "status": 200,
        "headers": {"content-type": "application/json; charset=utf-8", "etag": "\"7\""},
        "body": {"items": [1, 2]},
    });
    assert_eq!(outcome, Outcome::Done(expect));
    let requests = server.requests();
    assert!(requests[0].starts_with("GET /u/a%2Fb?q=x%26y HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains("\r\nx-token: t ok\r\n"), "{requests:?}");
    let path = std::env::var("PATH").expect("a path");
    assert!(requests[0].contains(&format!("\r\nx-secret: {path} ok\r\n")), "{requests:?}");
    assert!(requests[0].contains("\r\nuser-agent: gantz/"), "{requests:?}");
    assert!(!requests[0].contains("idempotency-key"), "{requests:?}");

    let part = HttpSpec { response: Some("/items/1".to_owned()), ..spec.clone() };
    let parameters = json!({"id": 1, "q": ""});
    assert_eq!(run(part, parameters.clone()).await, Outcome::Done(json!(2)));
    let no_part = HttpSpec { response: Some("/items/2".to_owned()), ..spec };
    let message = format!(
        "GET {}: the answer has nothing at `/items/2`, where the result should be",
        server.url("/u/1")
    );
    assert_eq!(run(no_part, parameters).await, Outcome::permanent(ErrorKind::ToolError, message));
}

#[tokio::test]
async fn gets_text_and_nothing() {
    let server = Server::answering(&ok("text/plain", "hello\n")).await;
    let expect = json!({"status": 200, "headers": {"content-type": "text/plain"}, "body": "hello\n"});
    assert_eq!(run(get(server.url("/")), json!({})).await, Outcome::Done(expect));

    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let expect = json!({"status": 204, "headers": {}, "body": null});
    assert_eq!(run(get(server.url("/")), json!({})).await, Outcome::Done(expect.clone()));

    let head = "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n";
    let server = Server::answering(head).await;
    let spec = HttpSpec { method: "HEAD".to_owned(), response: Some(String::new()), ..get(server.url("/")) };
    assert_eq!(run(spec, json!({})).await, Outcome::Done(Value::Null));
}

#[tokio::test]
async fn sends_bodies() {
    let server = Server::answering(&ok("application/json", "1")).await;
    let post = |body| HttpSpec {
        method: "POST".to_owned(),
        headers: headers(&[("x-a", "{h}")]),
        body,
        ..get(server.url("/u/{id}"))
    };
    let parameters = json!({"id": 7, "h": "v", "n": 1.5, "list": ["a"], "s": "x\r\n"});
    for (body, expect) in [
        (HttpBody::Parameters, r#"{"list":["a"],"n":1.5,"s":"x\r\n"}"#),
        (HttpBody::Template(json!({"typed": "{list}", "id": "no. {id}"})), r#"{"id":"no. 7","typed":["a"]}"#),
        (HttpBody::None, ""),
    ] {
        assert!(matches!(run(post(body), parameters.clone()).await, Outcome::Done(_)));
        let request = server.requests().pop().unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, expect);
        assert!(head.starts_with("POST /u/7 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nidempotency-key: first-of-its-kind"), "{head}");
        assert_eq!(head.contains("\r\ncontent-type: application/json"), !expect.is_empty(), "{head}");
    }
}

#[tokio::test]
async fn refuses_parameters_that_do_not_fit() {
    let server = Server::answering(&ok("text/plain", "")).await;
    let spec = HttpSpec { headers: headers(&[("x-a", "{h}")]), ..get(server.url("/u/{id}")) };
    for parameters in [json!({"id": ".."}), json!({"id": ""}), json!({}), json!({"id": 1, "h": "a\r\nb: c"})]
    {
        let Outcome::Failed(failure) = run(spec.clone(), parameters).await else { unreachable!() };
        assert_eq!((failure.kind, failure.retry), (ErrorKind::Invalid, Retry::Never));
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn statuses_decide_on_retries() {
    let check = async |status: &str, headers: &str, retry| {
        let server = Server::answering(&with_status(status, headers, "  it\r\n broke ")).await;
        let message = format!("GET {} was answered {status}: it broke", server.url("/x"));
        assert_eq!(
            fail(get(server.url("/x?key=secret"))).await,
            Failure::new(ErrorKind::HttpStatus, message, retry)
        );
    };
    check("404 Not Found", "", Retry::Never).await;
    check("401 Unauthorized", "", Retry::Never).await;
    check("422 Unprocessable Entity", "", Retry::Never).await;
    check("500 Internal Server Error", "", Retry::Backoff).await;
    check("429 Too Many Requests", "", Retry::Backoff).await;
    check("429 Too Many Requests", "retry-after: 7\r\n", Retry::After(7_000)).await;
    let date = "retry-after: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
    check("503 Service Unavailable", date, Retry::After(60_000)).await;
    check("302 Found", "", Retry::Never).await;
}

#[tokio::test]
async fn long_answers_are_cut_off() {
    let check = async |answer: String| {
        let server = Server::answering(&answer).await;
        let failure = fail(HttpSpec { max_response_bytes: 1_000, ..get(server.url("/")) }).await;
        assert_eq!((failure.kind, failure.retry), (ErrorKind::ResultTooLarge, Retry::Never));
        assert!(failure.message.ends_with("longer than `max_response_bytes` (1000)"), "{}", failure.message);
    };
    check(ok("text/plain", &"x".repeat(1_001))).await;
    // A chunk, and no end in sight.
    let chunk =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n", "x".repeat(1_001));
    check(chunk).await;

    let server = Server::answering(&ok("text/plain", &"x".repeat(1_000))).await;
    let spec = HttpSpec { max_response_bytes: 1_000, ..get(server.url("/")) };
    assert!(matches!(run(spec, json!({})).await, Outcome::Done(_)));
}

#[tokio::test]
async fn lost_connections_are_transient() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let cut_off = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\nabc";
    let cut_off = Server::answering(cut_off).await;
    let no_http = Server::answering("220 smtp ready\r\nconnection: close\r\n").await;
    for url in
        [format!("http://{closed}/?key=secret"), cut_off.url("/?key=secret"), no_http.url("/?key=secret")]
    {
        let failure = fail(get(url.clone())).await;
        assert_eq!(
            (failure.kind, failure.retry),
            (ErrorKind::Unavailable, Retry::Backoff),
            "{url}: {failure:?}"
        );
        assert!(failure.message.starts_with("GET http://127.0.0.1:"), "{}", failure.message);
        assert!(!failure.message.contains("secret"), "{}", failure.message);
    }
}

/// The service may have done what it was asked to, unless it was never reached.
#[tokio::test]
async fn a_lost_answer_to_what_has_an_effect_is_in_doubt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let no_http = Server::answering("220 smtp ready\r\nconnection: close\r\n").await;
    for (url, effect) in [(format!("http://{closed}/"), Effect::ByKind), (no_http.url("/"), Effect::InDoubt)]
    {
        let failure = fail(HttpSpec { method: "POST".to_owned(), ..get(url.clone()) }).await;
        assert_eq!(failure.kind, ErrorKind::Unavailable, "{url}: {failure:?}");
        assert_eq!((failure.effect, failure.retry), (effect, Retry::Backoff), "{url}: {failure:?}");
    }
}

#[tokio::test]
async fn private_addresses_are_refused_unless_listed() {
    let server = Server::answering(&ok("text/plain", "inside")).await;
    let port = server.address.port();
    let check = async |url: String, allow: &[&str], expect: Result<(), &str>| {
        let allow_hosts = allow.iter().map(|host| (*host).to_owned()).collect();
        match (run(HttpSpec { allow_hosts, ..get(url.clone()) }, json!({})).await, expect) {
            (Outcome::Done(_), Ok(())) => {}
            (Outcome::Failed(failure), Err(part)) => {
                assert_eq!(
                    (failure.kind, failure.retry),
                    (ErrorKind::AccessDenied, Retry::Never),
                    "{failure:?}"
                );
                assert!(failure.message.contains(part), "{}", failure.message);
                assert!(failure.message.contains("`allow_hosts`"), "{}", failure.message);
            }
            (outcome, _) => unreachable!("{url}: {outcome:?}"),
        }
    };
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        check(format!("http://{host}:{port}/"), &[], Err("this machine")).await;
    }
    check(format!("https://localhost:{port}/"), &[], Err("this machine")).await;
    check(
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        &[],
        Err("is 169.254.169.254, the local link"),
    )
    .await;
    check(
        format!("http://localhost:{port}/"),
        &["127.0.0.1", "example.com", "localhost:1"],
        Err("`localhost` is "),
    )
    .await;
    assert_eq!(server.requests(), [""; 0]);

    check(format!("http://localhost:{port}/"), &["localhost"], Ok(())).await;
    check(format!("http://127.1:{port}/"), &[&format!("127.0.0.1:{port}")], Ok(())).await;
}

#[tokio::test]
async fn a_connection_is_not_lent_to_a_tool_that_may_not_make_it() {
    let server = Server::answering(&ok("text/plain", "inside")).await;
    let client = client();
    let url = format!("http://localhost:{}/", server.address.port());
    let listed = HttpSpec { allow_hosts: vec!["localhost".to_owned()], ..get(url.clone()) };
    assert!(matches!(run_with(&client, listed, json!({})).await, Outcome::Done(_)));
    let unlisted = HttpSpec { allow_hosts: vec![], ..get(url) };
    let Outcome::Failed(failure) = run_with(&client, unlisted, json!({})).await else { unreachable!() };
    assert_eq!(failure.kind, ErrorKind::AccessDenied);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn redirects_pass_the_guard_too() {
    let inside = Server::answering(&ok("text/plain", "inside")).await;
    for target in [
        format!("http://localhost:{}/", inside.address.port()),
        format!("http://[::1]:{}/", inside.address.port()),
        format!("http://127.0.0.1:{}/", inside.address.port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let server = Server::answering(&redirect("302 Found", &target)).await;
        let spec = HttpSpec { allow_hosts: vec![server.address.to_string()], ..get(server.url("/")) };
        let failure = fail(spec).await;
        assert_eq!((failure.kind, failure.retry), (ErrorKind::AccessDenied, Retry::Never), "{failure:?}");
    }
    assert_eq!(inside.requests(), [""; 0]);

    let server = Server::answering(&redirect("302 Found", "file:///etc/passwd")).await;
    assert_eq!(fail(get(server.url("/"))).await.kind, ErrorKind::ToolError);
}

#[tokio::test]
async fn follows_redirects() {
    let other = Server::answering(&ok("text/plain", "there")).await;
    let target = other.url("/there");
    let server = Server::start(move |line| match line.split(' ').nth(1) {
        Some("/near") => redirect("307 Temporary Redirect", "/far"),
        Some("/far") => redirect("308 Permanent Redirect", &target),
        Some("/form") => redirect("303 See Other", "done?x=1"),
        Some("/loop") => redirect("302 Found", "/loop"),
        _ => ok("text/plain", "here"),
    })
    .await;
    let post = |path: &str| HttpSpec {
        method: "POST".to_owned(),
        headers: headers(&[("Authorization", "secret"), ("X-Api-Key", "secret"), ("Accept", "text/plain")]),
        body: HttpBody::Parameters,
        response: Some(String::new()),
        ..get(server.url(path))
    };

    assert_eq!(run(post("/near"), json!({"a": 1})).await, Outcome::Done(json!("there")));
    let request = other.requests().pop().unwrap();
    assert!(request.starts_with("POST /there HTTP/1.1\r\n") && request.ends_with("{\"a\":1}"), "{request}");
    assert!(request.contains("\r\naccept: text/plain\r\n") && !request.contains("secret"), "{request}");
    assert!(server.requests().iter().all(|request| request.matches("secret").count() == 2));

    assert_eq!(run(post("/form"), json!({"a": 1})).await, Outcome::Done(json!("here")));
    let request = server.requests().pop().unwrap();
    assert!(request.starts_with("GET /done?x=1 HTTP/1.1\r\n") && request.ends_with("\r\n\r\n"), "{request}");
    assert!(request.contains("\r\nauthorization: secret\r\n") && !request.contains("content-"), "{request}");

    let before = server.requests().len();
    let failure = fail(get(server.url("/loop"))).await;
    assert_eq!((failure.kind, failure.retry), (ErrorKind::ToolError, Retry::Never));
    assert!(failure.message.starts_with("more than 5 redirects"), "{}", failure.message);
    assert_eq!(server.requests().len() - before, 6);
}

#[tokio::test]
async fn parameters_choose_among_listed_hosts_only() {
    let server = Server::answering(&ok("text/plain", "")).await;
    let spec = get(format!("http://{{host}}:{}/", server.address.port()));
    assert!(matches!(run(spec.clone(), json!({"host": "127.0.0.1"})).await, Outcome::Done(_)));
    for host in ["example.com", "localhost", "8.8.8.8"] {
        let message = format!("the host `{host}` is not among the tool's `allow_hosts`");
        let outcome = run(spec.clone(), json!({ "host": host })).await;
        assert_eq!(outcome, Outcome::permanent(ErrorKind::AccessDenied, message));
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_spec_is_checked_when_the_tool_is_made() {
    let check = |spec: HttpSpec, expect: &str| {
        let error = HttpTool::new(spec, client(), secrets()).map(drop).unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    let url = || "https://example.com/".to_owned();
    check(get("https://example.com/{".to_owned()), "`url` is no template");
    check(
        get("ftp://example.com/".to_owned()),
        "`url` cannot be used: it does not start with `https://` or `http://`",
    );
    check(HttpSpec { method: "A B".to_owned(), ..get(url()) }, "`A B` is no HTTP method");
    let host = headers(&[("Host", "evil.example.com")]);
    check(
        HttpSpec { headers: host, ..get(url()) },
        "the header `Host` follows from the request and cannot be set",
    );
    let pointer = Some("items".to_owned());
    check(HttpSpec { response: pointer, ..get(url()) }, "`response` is no JSON pointer (RFC 6901): `items`");
    let entry = "http://a.com".to_owned();
    let expect = HttpSpecError::AllowedHost { entry: entry.clone() };
    check(HttpSpec { allow_hosts: vec![entry], ..get(url()) }, &expect.to_string());
}
