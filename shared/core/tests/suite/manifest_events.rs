//! What runs without a caller: schedules and triggers.

use gantz_core::batch::Tolerance;
use gantz_core::manifest::{
    Arrival, LaneSpec, LaneWorkers, Manifest, ScheduleSpec, ScheduledBatch, TriggerSpec,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const TOOLS: &str = "name: shop
version: 1.0.0
tools:
  analyze_file:
    description: Analyses
    handler: s3.analyze_file
    parameters:
      bucket: {type: string, required: true, pattern: '^[a-z0-9.-]{20,}$'}
      key: {type: string, required: true}
      depth: {type: integer}
      note: {type: object}
  greet: {description: Greets, handler: greet}
";

#[test]
fn cron_expressions_become_those_of_the_scheduler() {
    let check = |given: &str, expected: &str| {
        let schedule = schedule(&format!("{{job: {{tool: greet}}, every: 'cron({given})'}}"));
        assert_eq!(schedule.when.to_string(), format!("cron({expected})"), "{given}");
    };
    check("0 8 * * *", "0 8 * * ? *");
    check("*/15 * * * *", "*/15 * * * ? *");
    check("5,35 0-6/2 1 jan,JUL *", "5,35 0-6/2 1 JAN,JUL ? *");
    check("0 8 * * 1-5", "0 8 ? * MON,TUE,WED,THU,FRI *");
    check("0 8 * * MON-FRI", "0 8 ? * MON,TUE,WED,THU,FRI *");
    check("0 8 * * fri-sun", "0 8 ? * SUN,FRI,SAT *");
    check("0 8 * * 0", "0 8 ? * SUN *");
    check("0 8 * * 7", "0 8 ? * SUN *");
    check("0 8 * * 5-7", "0 8 ? * SUN,FRI,SAT *");
    check("0 8 * * */2", "0 8 ? * SUN,TUE,THU,SAT *");
    check("0 8 * * 1/2", "0 8 ? * MON,WED,FRI *");
    check("0 8 ? * MON-FRI *", "0 8 ? * MON-FRI *");
    check("0 8 L * ? 2027-2030", "0 8 L * ? 2027-2030");
    check("0 8 15W * ? *", "0 8 15W * ? *");
    check("0 8 ? * 6L *", "0 8 ? * 6L *");
    check("0 8 ? * MON#1 *", "0 8 ? * MON#1 *");
    check("  0   8  *  *  * ", "0 8 * * ? *");
}

#[test]
fn rates_and_moments_become_those_of_the_scheduler() {
    let check = |given: &str, expected: &str| {
        let schedule = schedule(&format!("{{job: {{tool: greet}}, every: '{given}'}}"));
        assert_eq!(schedule.when.to_string(), expected, "{given}");
    };
    check("rate(1 minute)", "rate(1 minute)");
    check("rate(15 minutes)", "rate(15 minutes)");
    check("rate(1 hour)", "rate(60 minutes)");
    check(" rate( 2  days ) ", "rate(2880 minutes)");
    check("at(2026-12-31T08:00:00)", "at(2026-12-31T08:00:00)");
    check("at(2026-12-31 08:00)", "at(2026-12-31T08:00:00)");
}

#[test]
fn a_schedule_has_a_job_or_a_batch() {
    let zone = "timezone: America/Argentina/Buenos_Aires, jitter: 10m";
    let call = schedule(&format!("{{job: {{tool: greet, lane: bulk}}, every: rate(1 hour), {zone}}}"));
    assert_eq!(call.timezone.as_deref(), Some("America/Argentina/Buenos_Aires"));
    assert_eq!((call.jitter_minutes, call.lane.unwrap().as_str().to_owned()), (Some(10), "bulk".to_owned()));
    assert_eq!((call.batch, call.parameters), (None, json!({})));

    let check = |given: &str, expected: ScheduledBatch| {
        let batch = format!("{{tool: analyze_file, parameters: {{depth: 2}}, {given}}}");
        let schedule = schedule(&format!("{{every: rate(1 hour), batch: {batch}}}"));
        assert_eq!((schedule.batch, schedule.parameters), (Some(expected), json!({"depth": 2})), "{given}");
    };
    let all = ScheduledBatch { bucket: None, prefix: String::new(), new_only: false, tolerate: None };
    check("s3: {}", all.clone());
    let bucket = Some("data.example.com".to_owned());
    check(
        "s3: {bucket: data.example.com, prefix: in/2026/}",
        ScheduledBatch { bucket, prefix: "in/2026/".into(), ..all.clone() },
    );
    let some = ScheduledBatch { new_only: true, tolerate: Some(Tolerance::Percent(5.0)), ..all.clone() };
    check("s3: {}, new_only: true, tolerate: 5%", some);
    check(
        "s3: {}, new_only: false, tolerate: 3",
        ScheduledBatch { tolerate: Some(Tolerance::Count(3)), ..all },
    );
}

#[test]
fn triggers_choose_by_bucket_prefix_and_suffix() {
    let manifest = parse(
        "triggers:
  csv: {s3: {prefix: in/, suffix: .csv}, tool: analyze_file}
  everything: {s3: {}, tool: analyze_file}
  other: {s3: {bucket: other-bucket}, tool: analyze_file}
",
    );
    let check = |bucket: &str, key: &str, expected: &[&str]| {
        let names: Vec<_> = manifest.triggers_for(bucket, key).map(|trigger| trigger.name.as_str()).collect();
        assert_eq!(names, expected, "{bucket} {key}");
    };
    check("stack-uploads", "in/a.csv", &["csv", "everything"]);
    check("stack-uploads", "in/a.txt", &["everything"]);
    check("stack-uploads", "in/.csv", &["csv", "everything"]);
    check("stack-uploads", "out/a.csv", &["everything"]);
    check("other-bucket", "in/a.csv", &["other"]);
}

#[test]
fn a_prefix_and_a_suffix_do_not_overlap() {
    let manifest = parse("triggers: {one: {s3: {prefix: a/b, suffix: b/c}, tool: analyze_file}}\n");
    assert_eq!(manifest.triggers_for("x", "a/b/c").count(), 0);
    assert_eq!(manifest.triggers_for("x", "a/bb/c").count(), 1);
}

#[test]
fn a_trigger_fills_in_what_the_object_is() {
    let check = |parameters: &str, expected: Value| {
        let text = format!("triggers: {{one: {{s3: {{}}, tool: analyze_file{parameters}}}}}\n");
        let manifest = parse(&text);
        let trigger = manifest.triggers().next().unwrap();
        let object =
            Arrival { bucket: "the-bucket", key: "in/${bucket} $ü.csv", etag: "a1b2", version: "v ${key}" };
        assert_eq!(trigger.render(&object), expected);
    };
    let object = json!({"bucket": "the-bucket", "key": "in/${bucket} $ü.csv"});
    check("", object);
    check(
        ", parameters: {bucket: '${etag}', key: '${version}'}",
        json!({"bucket": "a1b2", "key": "v ${key}"}),
    );
    check(
        ", parameters: {bucket: '${bucket}', key: 's3://${bucket}/${key}', note: {at: ['$${key}', 7]}, depth: 2}",
        json!({
            "bucket": "the-bucket", "key": "s3://the-bucket/in/${bucket} $ü.csv",
            "note": {"at": ["$in/${bucket} $ü.csv", 7]}, "depth": 2,
        }),
    );
}

#[test]
fn uploads_are_analysed_where_nothing_is_said() {
    let names = |text: &str| {
        let manifest = Manifest::parse("gantz.yaml", text).unwrap();
        manifest.triggers().map(|trigger: &TriggerSpec| trigger.tool.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(TOOLS), ["analyze_file"]);
    assert_eq!(names(&format!("{TOOLS}triggers: {{}}\n")), Vec::<String>::new());
    assert_eq!(names(&TOOLS.replace("analyze_file", "analyze")), Vec::<String>::new());
    assert_eq!(names(&TOOLS.replace("key:", "path:")), Vec::<String>::new());
    assert_eq!(names(&TOOLS.replace("depth: {", "depth: {required: true, ")), Vec::<String>::new());
}

#[test]
fn lanes_of_schedules_and_triggers_exist() {
    let manifest = parse(
        "lanes: {fast: {concurrency: 2, batch_size: 1}, gpu: {concurrency: 1, workers: container}}
schedules: {one: {job: {tool: greet, lane: gpu}, every: rate(1 hour)}}
triggers: {one: {s3: {}, tool: analyze_file, lane: bulk}}
",
    );
    let lanes: Vec<_> = manifest.lanes().map(|(lane, spec)| (lane.as_str(), *spec)).collect();
    let fast = LaneSpec { concurrency: 2, batch_size: 1, ..LaneSpec::DEFAULT };
    let gpu = LaneSpec { concurrency: 1, workers: LaneWorkers::Container, ..LaneSpec::DEFAULT };
    assert_eq!(lanes, [("bulk", LaneSpec::DEFAULT), ("fast", fast), ("gpu", gpu)]);

    let free = parse("schedules: {one: {job: {tool: greet, lane: night}, every: rate(1 hour)}}\n");
    assert!(free.lanes().any(|(lane, _)| lane.as_str() == "night"));
}

proptest! {
    #[test]
    fn no_cron_expression_panics(text in "[0-9A-Z*/?,#L -]{0,30}") {
        let manifest = format!("{TOOLS}schedules: {{one: {{job: {{tool: greet}}, every: \"cron({text})\"}}}}\n");
        if let Ok(manifest) = Manifest::parse("gantz.yaml", &manifest) {
            // What was accepted is in the form of the scheduler, and is accepted again as it is.
            let when = manifest.schedules().next().unwrap().when.to_string();
            prop_assert_eq!(when.matches('?').count(), 1);
            prop_assert_eq!(schedule(&format!("{{job: {{tool: greet}}, every: \"{when}\"}}")).when.to_string(), when);
        }
    }
}

fn schedule(one: &str) -> ScheduleSpec {
    parse(&format!("schedules:\n  one: {one}\n")).schedules().next().unwrap().clone()
}

fn parse(events: &str) -> Manifest {
    let text = format!("{TOOLS}{events}");
    Manifest::parse("gantz.yaml", &text).unwrap()
}
