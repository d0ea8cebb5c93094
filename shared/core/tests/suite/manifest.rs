//! What a good manifest becomes.

use gantz_core::breaker::BreakerPolicy;
use gantz_core::ids::Lane;
use gantz_core::limits;
use gantz_core::manifest::{CommandOutput, Handler, HttpBody, LaneSpec, Manifest, ParameterType, ToolSpec};
use gantz_core::policy::{
    BreakerRule, ConcurrencyRule, Effects, LimitKey, RateLimit, RateRule, RetryPolicy, Scope,
};
use gantz_core::time::parse_duration_ms;
use serde_json::json;

const SEED: &str = include_str!("../fixtures/seed.yaml");
const SHOP: &str = include_str!("../fixtures/shop.yaml");

#[test]
fn the_seeds_manifest_loads_unchanged() {
    let manifest = parse(SEED);
    assert_eq!((manifest.name(), manifest.version()), ("lambda-mcp-tools", "1.0.0"));
    let names: Vec<_> = manifest.tools().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["create_function", "get_function_logs", "invoke_lambda", "list_functions"]);

    let invoke = tool(&manifest, "invoke_lambda");
    assert_eq!(invoke.description, "Invoke AWS Lambda function with payload");
    assert_eq!(invoke.handler, Handler::Builtin("aws_lambda.invoke".to_owned()));
    let parameters: Vec<_> =
        invoke.parameters.iter().map(|spec| (spec.name.as_str(), spec.value.kind, spec.required)).collect();
    assert_eq!(
        parameters,
        [
            ("function_name", ParameterType::String, true),
            ("payload", ParameterType::Object, true),
            ("invocation_type", ParameterType::String, false),
        ]
    );
    let effects: Vec<_> = manifest.tools().map(|tool| tool.policy.effects).collect();
    assert_eq!(effects, [Effects::Keyed, Effects::ReadOnly, Effects::Keyed, Effects::ReadOnly]);
}

#[test]
fn a_tool_that_says_nothing_gets_the_documented_policy() {
    let manifest = parse(SEED);
    let policy = &tool(&manifest, "invoke_lambda").policy;
    assert_eq!(policy.timeout_ms, 60_000);
    assert_eq!(policy.retry, RetryPolicy::DEFAULT);
    assert_eq!((&policy.rate_limit, &policy.concurrency, &policy.breaker), (&None, &None, &None));
    assert_eq!(policy.lane, Lane::default_lane());
    let default = LaneSpec::DEFAULT.concurrency;
    assert_eq!(lanes(&manifest), [("bulk", default), ("fast", default)]);
}

fn breaker(policy: BreakerPolicy) -> BreakerRule {
    BreakerRule { policy, key: LimitKey::Tool }
}

fn rate(per_second: f64, burst: u32) -> RateRule {
    let limit = RateLimit::try_new(per_second, burst).unwrap();
    RateRule { limit, scope: Scope::Process, key: LimitKey::Tool }
}

#[test]
fn limits_say_whose_calls_they_count_together() {
    let text = "\
name: n
version: 1.0.0
defaults:
  concurrency: 4
  breaker: {open: 1m, key: tenant}
tools:
  fetch:
    description: Fetches
    parameters: {host: {type: string, required: true}}
    handler: test.fetch
    rate_limit: {rate: 100/s, burst: 20, scope: fleet, key: 'param:host'}
    concurrency: {max: 10, key: 'param:host'}
    breaker: {minimum: 5}
  look:
    description: Looks
    handler: test.look
    breaker: {key: tool}
  free:
    description: Is free
    handler: test.free
    concurrency: false
    breaker: false
";
    let manifest = parse(text);
    let host = || LimitKey::Parameter("host".into());
    let fetch = &tool(&manifest, "fetch").policy;
    let limit = RateLimit::try_new(100.0, 20).unwrap();
    assert_eq!(fetch.rate_limit, Some(RateRule { limit, scope: Scope::Fleet, key: host() }));
    assert_eq!(fetch.concurrency, Some(ConcurrencyRule { max: 10, key: host() }));
    let policy = BreakerPolicy::try_new(0.5, 5, 60_000, 60_000).unwrap();
    assert_eq!(fetch.breaker, Some(BreakerRule { policy, key: LimitKey::Tenant }));
    let look = &tool(&manifest, "look").policy;
    assert_eq!(look.concurrency, Some(ConcurrencyRule { max: 4, key: LimitKey::Tool }));
    assert_eq!(look.breaker.as_ref().map(|rule| &rule.key), Some(&LimitKey::Tool));
    let free = &tool(&manifest, "free").policy;
    assert_eq!((&free.concurrency, &free.breaker), (&None, &None));
}

#[test]
fn tools_inherit_the_defaults_key_by_key() {
    let manifest = parse(SHOP);
    let find = &tool(&manifest, "find_orders").policy;
    assert_eq!(find.timeout_ms, 10_000);
    assert_eq!(find.retry, RetryPolicy::try_new(5, 1_000, 2.0, 600_000).unwrap());
    assert_eq!(find.breaker, Some(breaker(BreakerPolicy::DEFAULT)));
    assert_eq!(find.rate_limit, Some(rate(200.0, 10)));

    let place = &tool(&manifest, "place_order").policy;
    assert_eq!(place.timeout_ms, 30_000);
    assert_eq!(place.retry, RetryPolicy::try_new(5, 2_000, 2.0, 600_000).unwrap());
    assert_eq!(place.breaker, Some(breaker(BreakerPolicy::try_new(0.3, 10, 120_000, 30_000).unwrap())));
    assert_eq!(place.rate_limit, Some(rate(10.0 / 60.0, 2)));

    let restock = &tool(&manifest, "restock").policy;
    assert_eq!((restock.effects, &restock.breaker), (Effects::AtMostOnce, &None));
    assert_eq!(restock.lane, Lane::try_new("bulk").unwrap());
    assert_eq!(lanes(&manifest), [("bulk", 4), ("fast", LaneSpec::DEFAULT.concurrency)]);
}

#[test]
fn a_programs_section_is_read() {
    let manifest = parse(SHOP);
    let Handler::Command(command) = &tool(&manifest, "restock").handler else { panic!("expected a command") };
    assert_eq!(command.program, "python3");
    assert_eq!(
        command.args,
        ["restock.py", "--depth", "2", "--at={depth}", "{shelves}", "{{\"dry\": true}}"]
    );
    assert_eq!(command.env.get("LEVEL").map(String::as_str), Some("9"));
    assert_eq!(command.cwd.as_deref(), Some("tools"));
    assert_eq!((command.output, command.max_output_bytes), (CommandOutput::Text, 65_536));
}

#[test]
fn a_requests_section_is_read() {
    let manifest = parse(SHOP);
    let Handler::Http(find) = &tool(&manifest, "find_orders").handler else { panic!("expected a request") };
    assert_eq!((find.method.as_str(), &find.body), ("GET", &HttpBody::None));
    assert_eq!(find.response.as_deref(), Some("/orders"));
    assert_eq!(find.max_response_bytes, 1_048_576);

    let Handler::Http(place) = &tool(&manifest, "place_order").handler else { panic!("expected a request") };
    let body = json!({"lines": "{lines}", "comment": "by {customer_id}, in {{braces}}"});
    assert_eq!((place.method.as_str(), &place.body), ("POST", &HttpBody::Template(body)));
    assert_eq!(place.allow_hosts, ["*.shop.example.com", "10.0.0.7:8080", "::1"]);
    assert_eq!(place.max_response_bytes, limits::RESULT_MAX_BYTES as u64);
}

#[test]
fn parameters_become_a_json_schema() {
    let manifest = parse(SHOP);
    insta::assert_json_snapshot!(
        "schema_of_find_orders",
        tool(&manifest, "find_orders").parameters.json_schema()
    );
    insta::assert_json_snapshot!(
        "schema_of_place_order",
        tool(&manifest, "place_order").parameters.json_schema()
    );
    insta::assert_json_snapshot!("schema_of_ping", tool(&manifest, "ping").parameters.json_schema());
}

#[test]
fn checking_fills_in_defaults_at_every_depth() {
    let manifest = parse(SHOP);
    let place = &tool(&manifest, "place_order").parameters;
    let given =
        json!({"customer_id": "C-1", "lines": [{"sku": "a"}, {"sku": "b", "quantity": 3.0}], "address": {}});
    let expected = json!({
        "customer_id": "C-1",
        "lines": [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 3}],
        "address": {"country": "DE"},
    });
    assert_eq!(place.check(given), Ok(expected));
}

#[test]
fn errors_have_a_place_and_a_code_for_programs() {
    let manifest = parse(SHOP);
    let errors = tool(&manifest, "ping").parameters.check(json!({"loud": true})).unwrap_err();
    let expected = json!([{"pointer": "/loud", "code": "unknown", "message": "unknown parameter `loud`, expected none"}]);
    assert_eq!(serde_json::to_value(errors).unwrap(), expected);

    let error = Manifest::parse("gantz.yaml", "name: x\nversion: 1.0\n").unwrap_err();
    let places: Vec<_> = error.diagnostics().iter().map(|d| (d.line, d.column, d.length)).collect();
    assert_eq!(places, [(1, 1, 1), (2, 10, 3)]);
}

#[test]
fn results_are_held_to_the_output_schema() {
    let manifest = parse(SHOP);
    let find = tool(&manifest, "find_orders");
    assert_eq!(find.check_output(&json!([{"id": 1}])), Ok(()));
    let message = "/0: the value is not of type \"object\"";
    assert_eq!(find.check_output(&json!([7])).unwrap_err(), message);
    let message = "the result is not of type \"array\"";
    assert_eq!(find.check_output(&json!({})).unwrap_err(), message);
    assert_eq!(tool(&manifest, "ping").check_output(&json!(null)), Ok(()));
}

#[test]
fn a_misspelt_tool_is_guessed() {
    let manifest = parse(SHOP);
    assert_eq!(manifest.suggest_tool("find_order"), Some("find_orders"));
    assert_eq!(manifest.suggest_tool("PlaceOrder"), Some("place_order"));
    assert_eq!(manifest.suggest_tool("delete_everything"), None);
}

#[test]
fn byte_order_marks_crlf_quoted_keys_and_aliases_are_read() {
    let text = "\u{feff}name: x\r\nversion: '1'\r\ntools:\r\n  \"a\": &a\r\n    description: A\r\n    handler: a\r\n  b: *a\r\n";
    let manifest = parse(text);
    assert_eq!(tool(&manifest, "b").description, "A");
}

#[test]
fn private_hosts_that_are_listed_may_be_asked() {
    let check = |url: &str, allow_hosts: &[&str]| {
        let request = json!({"url": url, "allow_hosts": allow_hosts});
        let tool = json!({"description": "A", "handler": "http.request", "http": request});
        parse(&json!({"name": "x", "version": "1", "tools": {"a": tool}}).to_string());
    };
    check("https://api.example.com/", &[]);
    check("http://8.8.8.8:53/", &[]);
    check("http://[2606:4700::1]/", &[]);
    check("http://127.0.0.1:9000/", &["127.0.0.1"]);
    check("http://127.0.0.1:9000/", &["api.example.com", "127.0.0.1:9000"]);
    check("http://10.0.0.7/", &["10.0.0.7:80"]);
    check("https://10.0.0.7/", &["10.0.0.7:443"]);
    check("http://LOCALHOST:1/", &["LocalHost"]);
    check("http://a.localhost/", &["*.localhost:80"]);
    check("http://[::1]:8080/", &["::1"]);
    check("http://[0:0::1]:8080/", &["[::1]:8080"]);
    check("http://[fd00::1]/", &["[fd00::1]"]);
}

#[test]
fn lanes_are_free_unless_they_are_declared() {
    let check = |lanes: &str, lane: &str| {
        let tool = format!("{{description: A, handler: a, lane: {lane}}}");
        let text = format!("name: x\nversion: '1'\n{lanes}\ntools: {{a: {tool}}}\n");
        Manifest::parse("gantz.yaml", &text).is_ok()
    };
    assert!(check("", "bulk"));
    assert!(check("lanes: {bulk: {concurrency: 4}}", "bulk"));
    assert!(check("", "gpu"));
    assert!(check("lanes: {bulk: {concurrency: 4}}", "fast"));
    assert!(!check("lanes: {bulk: {concurrency: 4}}", "gpu"));
    assert!(check("lanes: {}", "bulk"));
    assert!(!check("lanes: {}", "gpu"));
}

#[test]
fn durations_and_rates_are_read_in_all_their_spellings() {
    let check = |key: &str, value: &str| {
        let text =
            format!("name: x\nversion: '1'\ntools: {{a: {{description: A, handler: a, {key}: {value}}}}}\n");
        tool(&parse(&text), "a").policy.clone()
    };
    for (text, expected_ms) in [
        ("30", 30_000),
        ("'30'", 30_000),
        ("0.5", 500),
        ("1500ms", 1_500),
        ("1.5s", 1_500),
        ("5m", 300_000),
        ("2h", 7_200_000),
        ("0.5d", 43_200_000),
    ] {
        assert_eq!(check("timeout", text).timeout_ms, expected_ms, "{text}");
    }
    for (text, expected) in [("200/s", 200.0), ("30/m", 0.5), ("1/h", 1.0 / 3600.0), ("0.5/s", 0.5)] {
        assert_eq!(check("rate_limit", text).rate_limit.unwrap().limit.per_second(), expected, "{text}");
    }
    assert_eq!(check("breaker", "{}").breaker, Some(breaker(BreakerPolicy::DEFAULT)));
}

#[test]
fn durations_are_read_the_same_everywhere() {
    let check =
        |text: &str, expected_ms: Option<u64>| assert_eq!(parse_duration_ms(text), expected_ms, "{text:?}");
    check("0", Some(0));
    check("30", Some(30_000));
    check(" 30 s ", Some(30_000));
    check("1500ms", Some(1_500));
    check("1.5m", Some(90_000));
    check(".5s", Some(500));
    check("2h", Some(7_200_000));
    check("1d", Some(86_400_000));
    for text in
        ["", "s", ".", "1.2.3s", "-1s", "+1s", "1e3s", "5 minutes", "1h30m", "inf", "99999999999999999d"]
    {
        check(text, None);
    }
}

fn parse(text: &str) -> Manifest {
    Manifest::parse("gantz.yaml", text).expect("a good manifest")
}

fn tool<'m>(manifest: &'m Manifest, name: &str) -> &'m ToolSpec {
    manifest.tool(name).expect("a tool of the manifest")
}

fn lanes(manifest: &Manifest) -> Vec<(&str, u32)> {
    manifest.lanes().map(|(lane, spec)| (lane.as_str(), spec.concurrency)).collect()
}
