//! `postgres.query` on a real server.

mod server;

use std::time::Duration;

use gantz_core::ids::JobId;
use gantz_core::outcome::{ErrorKind, Failure, Outcome, Retry};
use gantz_core::tool::{Call, Tool};
use gantz_workers::tools::postgres::{PostgresQuery, PostgresSettings};
use serde_json::{Value, json};
use server::Server;

fn tool(url: &str, writes: bool) -> PostgresQuery {
    PostgresQuery::new(PostgresSettings::read(|variable| match variable {
        PostgresSettings::URL => Some(url.to_owned()),
        PostgresSettings::WRITES => Some(writes.to_string()),
        _ => None,
    }))
}

async fn within(tool: &PostgresQuery, timeout_ms: u64, parameters: Value) -> Result<Value, Failure> {
    let call = Call {
        job_id: JobId::try_new("job-00001").unwrap(),
        effect_key: JobId::try_new("job-00001").unwrap(),
        tool: "query".into(),
        attempt: 1,
        timeout_ms,
        trace: None,
        parameters: serde_json::from_value(parameters).unwrap(),
    };
    match tool.run(call).await {
        Outcome::Done(value) => Ok(value),
        Outcome::Failed(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

async fn query(tool: &PostgresQuery, sql: &str, params: Value) -> Result<Value, Failure> {
    within(tool, 60_000, json!({ "sql": sql, "params": params })).await
}

fn check(result: Result<Value, Failure>, kind: ErrorKind, retry: Retry, part: &str) {
    let failure = result.unwrap_err();
    assert_eq!((failure.kind, failure.retry), (kind, retry), "{}", failure.message);
    assert!(failure.message.contains(part), "{}", failure.message);
}

#[tokio::test]
async fn values_come_back_as_they_are() {
    let server = Server::start().await;
    server
        .execute("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN small AS int CHECK (VALUE < 10)")
        .await;
    let tool = tool(&server.url(), false);
    let cases = [
        ("true", json!(true)),
        ("NULL::int", json!(null)),
        ("9223372036854775807", json!(i64::MAX)),
        ("-7::smallint", json!(-7)),
        ("0.1::real", json!(0.1)),
        ("1e300::float8", json!(1e300)),
        ("'NaN'::float8", json!("NaN")),
        ("12345678901234567890.0123456789", json!("12345678901234567890.0123456789")),
        ("-0.00012::numeric", json!("-0.00012")),
        ("100000000::numeric(20,2)", json!("100000000.00")),
        ("'ä'::text", json!("ä")),
        ("'x'::char(3)", json!("x  ")),
        ("'{\"a\": [1, null]}'::jsonb", json!({ "a": [1, null] })),
        ("'[1.5]'::json", json!([1.5])),
        ("timestamptz '2026-11-23 12:00:00.5+02'", json!("2026-11-23T10:00:00.5Z")),
        ("timestamp '1999-12-31 23:59:59'", json!("1999-12-31T23:59:59")),
        ("date '1969-07-20'", json!("1969-07-20")),
        ("time '04:05:06.789'", json!("04:05:06.789")),
        ("interval '1 year 3 days 1.5 seconds'", json!("P12M3DT1.5S")),
        ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("'\\x00ff'::bytea", json!("AP8=")),
        ("ARRAY[1, NULL, 3]", json!([1, null, 3])),
        ("ARRAY['a', 'b']", json!(["a", "b"])),
        ("'happy'::mood", json!("happy")),
        ("ARRAY['sad'::mood]", json!(["sad"])),
        ("7::small", json!(7)),
    ];
    for (sql, expect) in cases {
        let result = query(&tool, &format!("SELECT {sql} AS v"), json!([])).await.unwrap();
        assert_eq!(result["rows"], json!([{ "v": expect }]), "{sql}");
    }
    let result = query(&tool, "SELECT 1 AS one, 'x'::text AS two", json!([])).await.unwrap();
    let expect = json!({
        "row_count": 1,
        "columns": [{ "name": "one", "type": "int4" }, { "name": "two", "type": "text" }],
        "rows": [{ "one": 1, "two": "x" }],
        "truncated": false,
    });
    assert_eq!(result, expect);
}

#[tokio::test]
async fn parameters_become_what_the_statement_needs() {
    let server = Server::start().await;
    let tool = tool(&server.url(), false);
    let cases = [
        ("$1::int + 1", json!(41), json!(42)),
        ("$1::int + 1", json!("41"), json!(42)),
        ("$1::bigint", json!(i64::MIN), json!(i64::MIN)),
        ("$1::numeric * 2", json!("0.10"), json!("0.20")),
        ("$1::text", json!("'; DROP TABLE x; --"), json!("'; DROP TABLE x; --")),
        ("$1::boolean", json!(false), json!(false)),
        ("$1::text IS NULL", json!(null), json!(true)),
        ("$1::jsonb", json!({ "a": "b" }), json!({ "a": "b" })),
        ("2 = ANY($1::int[])", json!([1, 2]), json!(true)),
        ("$1::text[]", json!(["a,\"b\\", null, "{}"]), json!(["a,\"b\\", null, "{}"])),
        ("$1::timestamptz", json!("2026-11-23T10:00:00Z"), json!("2026-11-23T10:00:00Z")),
    ];
    for (sql, param, expect) in cases {
        let result = query(&tool, &format!("SELECT {sql} AS v"), json!([param])).await.unwrap();
        assert_eq!(result["rows"], json!([{ "v": expect }]), "{sql}");
    }
    let wrong = query(&tool, "SELECT $1::int", json!(["many"])).await;
    check(wrong, ErrorKind::Invalid, Retry::Never, "22P02: invalid input syntax for type integer");
    let wrong = query(&tool, "SELECT $1::int", json!([])).await;
    check(wrong, ErrorKind::Invalid, Retry::Never, "1 parameters, `params` has 0");
}

#[tokio::test]
async fn errors_say_where_and_whether_to_try_again() {
    let server = Server::start().await;
    let tool = tool(&server.url(), false);
    let refused = |kind, part: &'static str| (kind, Retry::Never, part);
    let cases = [
        ("SELEC 1", refused(ErrorKind::Invalid, "42601: syntax error at or near \"SELEC\" (at character 1)")),
        ("SELECT 1; SELECT 2", refused(ErrorKind::Invalid, "multiple commands")),
        ("SELECT * FROM nothing", refused(ErrorKind::Invalid, "42P01")),
        ("SELECT 1 / 0", refused(ErrorKind::Invalid, "22012: division by zero")),
        ("SELECT 1 AS a, 2 AS a", refused(ErrorKind::Invalid, "two columns are named `a`")),
        ("SELECT '10.0.0.1'::inet AS ip", refused(ErrorKind::Invalid, "`ip` is of type `inet`: cast it")),
        ("SELECT ARRAY[[1, 2]] AS v", refused(ErrorKind::Invalid, "dimensions")),
    ];
    for (sql, (kind, retry, part)) in cases {
        check(query(&tool, sql, json!([])).await, kind, retry, part);
        assert!(query(&tool, "SELECT 1", json!([])).await.is_ok(), "after {sql}");
    }
    let slow = within(&tool, 3_000, json!({ "query": "SELECT pg_sleep(60)" })).await;
    check(slow, ErrorKind::Timeout, Retry::Backoff, "57014: canceling statement due to statement timeout");
    let many = within(&tool, 1_000, json!({ "sql": "SELECT 1", "max_rows": 10_001 })).await;
    check(many, ErrorKind::Invalid, Retry::Never, "`max_rows` is 10001");
}

#[tokio::test]
async fn nothing_is_written_unless_it_is_allowed() {
    let server = Server::start().await;
    server.execute("CREATE TABLE kept (n int); CREATE SEQUENCE s").await;
    let reading = tool(&server.url(), false);
    let escapes = [
        "INSERT INTO kept VALUES (1)",
        "WITH w AS (INSERT INTO kept VALUES (1) RETURNING n) SELECT n FROM w",
        "CREATE TABLE escaped (n int)",
        "SELECT nextval('s')",
        "DO $$ BEGIN SET TRANSACTION READ WRITE; INSERT INTO kept VALUES (1); END $$",
        "DO $$ BEGIN COMMIT; INSERT INTO kept VALUES (1); END $$",
        "SELECT 1; COMMIT; INSERT INTO kept VALUES (1)",
    ];
    for sql in escapes {
        let failure = query(&reading, sql, json!([])).await.unwrap_err();
        assert_eq!(failure.retry, Retry::Never, "{sql}: {}", failure.message);
    }
    // What a statement does to its session is undone before the next one.
    for sql in [
        "COMMIT",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET default_transaction_read_only = off",
    ] {
        query(&reading, sql, json!([])).await.ok();
        let result = query(&reading, "INSERT INTO kept VALUES (1)", json!([])).await;
        check(result, ErrorKind::AccessDenied, Retry::Never, "25006");
    }
    let result = query(&reading, "INSERT INTO kept VALUES (1)", json!([])).await;
    check(result, ErrorKind::AccessDenied, Retry::Never, "`GANTZ_POSTGRES_WRITES=true` would allow it");
    assert_eq!(server.count("SELECT count(*) FROM kept").await, 0);

    let writing = tool(&server.url(), true);
    let result =
        query(&writing, "INSERT INTO kept SELECT generate_series(1, $1::int)", json!([3])).await.unwrap();
    assert_eq!(result["rows_affected"], 3);
    let result = query(&writing, "INSERT INTO kept VALUES (4) RETURNING n", json!([])).await.unwrap();
    assert_eq!(result["rows"], json!([{ "n": 4 }]));
    assert_eq!(server.count("SELECT count(*) FROM kept").await, 4);
}

#[tokio::test]
async fn results_are_bounded() {
    let server = Server::start().await;
    let tool = tool(&server.url(), false);
    for (rows, max_rows, expect) in [
        (0, 5, (0, false)),
        (5, 5, (5, false)),
        (6, 5, (5, true)),
        (600, 600, (600, false)),
        (1_000_000, 600, (600, true)),
    ] {
        let parameters = json!({ "sql": "SELECT generate_series(1, $1::int) AS n", "params": [rows], "max_rows": max_rows });
        let result = within(&tool, 60_000, parameters).await.unwrap();
        assert_eq!(
            (result["row_count"].clone(), result["truncated"].clone()),
            (json!(expect.0), json!(expect.1)),
            "{rows}"
        );
        assert_eq!(result["rows"].as_array().unwrap().len(), expect.0);
    }
    let result = query(&tool, "SELECT generate_series(1, 5000) AS n", json!([])).await.unwrap();
    assert_eq!((&result["row_count"], &result["truncated"]), (&json!(1_000), &json!(true)));
    let wide = "SELECT repeat('x', 1000000) AS wide FROM generate_series(1, 100)";
    let result = query(&tool, wide, json!([])).await.unwrap();
    assert_eq!((&result["row_count"], &result["truncated"]), (&json!(4), &json!(true)));
    let result = query(&tool, "SELECT repeat('x', 5000000) AS wide", json!([])).await;
    check(result, ErrorKind::ResultTooLarge, Retry::Never, "one row is more than");
}

#[tokio::test]
async fn connections_are_used_again_and_replaced_when_they_died() {
    let server = Server::start().await;
    let tool = tool(&server.url(), false);
    let pid = async || {
        query(&tool, "SELECT pg_backend_pid() AS pid", json!([])).await.unwrap()["rows"][0]["pid"].clone()
    };
    let first = pid().await;
    assert_eq!(pid().await, first);
    server.execute(&format!("SELECT pg_terminate_backend({first}, 10000)")).await;
    let second = pid().await;
    assert_ne!(second, first);
    assert_eq!(pid().await, second);
}

#[tokio::test]
async fn a_dropped_call_stops_its_statement() {
    let server = Server::start().await;
    let tool = tool(&server.url(), false);
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
    let call = tokio::spawn(async move { query(&tool, "SELECT pg_sleep(600)", json!([])).await });
    until(&server, sleeping, 1).await;
    call.abort();
    until(&server, sleeping, 0).await;
}

async fn until(server: &Server, statement: &str, count: i64) {
    let look = async {
        while server.count(statement).await != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_tried_again() {
    let free = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let tool = tool(&format!("postgres://u:secret@{free}/d"), false);
    let failure = query(&tool, "SELECT 1", json!([])).await.unwrap_err();
    assert_eq!((failure.kind, failure.retry), (ErrorKind::Unavailable, Retry::Backoff));
    assert!(!failure.message.contains("secret"), "{}", failure.message);
    let none = PostgresQuery::new(PostgresSettings::default());
    check(query(&none, "SELECT 1", json!([])).await, ErrorKind::ToolError, Retry::Never, "`DATABASE_URL`");
}
