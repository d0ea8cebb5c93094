//! `run`.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::Project;

#[tokio::test]
async fn only_the_result_is_printed() {
    let project = Project::trial();
    assert_eq!(project.gantz(&["run", "say", "--what", "hello\nyou"]).await.ok(), "hello\nyou\n");
    assert_eq!(project.gantz(&["run", "flaky"]).await.ok(), "7\n");

    project.write("data.csv", "a,b\n1,2\n");
    let ran = project.gantz(&["run", "analyze_file", "--path", "data.csv"]).await;
    ran.ok();
    assert_eq!(ran.json()["media_type"], "text/csv");
    assert_eq!(ran.json()["path"], json!(project.path("data.csv")), "a worker may run elsewhere");
    for words in [
        ["-o", "jsonl", "run", "analyze_file", "--path", "data.csv"],
        ["run", "-o", "jsonl", "analyze_file", "--path", "data.csv"],
        ["run", "analyze_file", "--path", "data.csv", "-o", "jsonl"],
    ] {
        let ran = project.gantz(&words).await;
        ran.ok();
        assert_eq!(ran.json_lines().len(), 1, "{ran}");
    }
}

#[tokio::test]
async fn formats_are_for_strings_too() {
    let project = Project::trial();
    for format in ["json", "jsonl"] {
        let ran = project.gantz(&["run", "say", "--what", "hello", "-o", format]).await;
        assert_eq!(ran.ok(), "\"hello\"\n");
    }
}

#[tokio::test]
async fn an_unknown_tool_is_a_usage_error() {
    let project = Project::trial();
    let ran = project.gantz(&["run", "sya"]).await;
    assert_snapshot!(ran.refused(2), @r"
    error: there is no tool `sya`
    hint: did you mean `say`?
    ");
    let ran = project.gantz(&["run", "something-else"]).await;
    assert_snapshot!(ran.refused(2), @r"
    error: there is no tool `something-else`
    hint: `gantz check` lists the tools
    ");
    let ran = project.gantz(&["run", "--what", "say"]).await;
    assert!(ran.refused(2).contains("`--what` stands before the tool's name"), "{ran}");
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let project = Project::trial();
    for (words, expect) in [
        (
            &["analyze_file", "--path", "x", "--max-bytes", "0"][..],
            "\n  --max-bytes: 0 is below the minimum of 1",
        ),
        (&["say"], "\n  --what: missing required parameter `what`"),
        (&["say", "--parameters", r#"{"what": 7}"#], "\n  --what: "),
        (
            &["say", "--parameters", r#"{"what": "x", "waht": 7}"#],
            "\n  --parameters/waht: unknown parameter `waht`",
        ),
        (
            &["say", "--what", "x", "--words", r#"["a", 1]"#, "--deadline", "2020-01-01T00:00:00Z"],
            "error: the time of `--deadline`, 2020-01-01T00:00:00Z, has passed: it is 2",
        ),
        (
            &["say", "--what", "x", "--deadline", "2999-01-01T00:00:00Z"],
            "2999-01-01T00:00:00Z, is more than 13 days ahead",
        ),
        (&["say", "--what", "x", "--times", "1.5"], "\n  --times: "),
        (&["say", "--what", "x", "--times", "two"], "error: `--times` takes an integer, not `two`"),
        (&["say", "--what", "x", "--loud", "yes"], "error: `--loud` takes `true` or `false`, not `yes`"),
        (
            &["say", "--what", "x", "--words", "["],
            "error: `--words` takes an array as JSON or @FILE, not `[`: ",
        ),
        (&["say", "--what", "x", "--tone", "middle"], "[possible values: low, high]"),
        (&["say", "--parameters", "[]"], "`--parameters` is no JSON object"),
        (&["say", "-p", "what"], "error: `-p what` is no NAME=VALUE"),
        (&["say", "-p", "waht=x"], "has no parameter `waht`, it takes: what, tone, times, loud, words"),
        (&["say", "--words", "@missing.json"], "error: `--words`: cannot read `missing.json`: "),
        (&["say", "--what", "x", "--times", "18446744073709551616"], "would lose digits; write it in quotes"),
        (&["say", "--parameters", r#"{"times": 18446744073709551616}"#], "would lose digits"),
        (&["say", "--whta", "x"], "tip: a similar argument exists: '--what'"),
        (&["say", "--what", "x", "--deadline", "tomorrow"], "\n  --deadline: `tomorrow` is no time"),
        (&["say", "--what", "x", "--delay", "5 weeks"], "\n  --delay: `5 weeks` is no delay"),
    ] {
        let words: Vec<&str> = ["run"].iter().chain(words).copied().collect();
        let ran = project.gantz(&words).await;
        assert!(ran.refused(2).contains(expect), "{ran}\nexpected {expect}");
    }
    let project = Project::trial();
    let ran = project.gantz(&["run", "say"]).await;
    assert_eq!(project.read(".gantz/lock"), None, "a slip starts nothing");
    assert!(ran.refused(2).contains("hint: `gantz run say --help` lists what it takes"), "{ran}");
}

#[tokio::test]
async fn parameters_come_from_flags_and_from_one_object() {
    let project = Project::trial();
    let says = async |words: &[&str]| project.gantz(&[&["run", "say"], words].concat()).await.ok().to_owned();
    assert_eq!(says(&["--parameters", r#"{"what": "all"}"#]).await, "all\n");
    assert_eq!(says(&["--parameters", r#"{"what": "all"}"#, "--what", "flag"]).await, "flag\n");
    assert_eq!(says(&["-p", "what=a=b", "-p", "times=3"]).await, "a=b\n");
    project.write("all.json", r#"{"what": "from a file"}"#);
    project.write("words.json", r#"["a", 1]"#);
    assert_eq!(says(&["--parameters", "@all.json", "--words", "@words.json"]).await, "from a file\n");
    let ran = project.gantz_with(r#"{"what": "from stdin"}"#, &["run", "say", "--parameters", "-"]).await;
    assert_eq!(ran.ok(), "from stdin\n");
    assert_eq!(says(&["--what", "@no-file"]).await, "@no-file\n", "a text is taken as it is");
    assert_eq!(says(&["--what", "--like-a-flag"]).await, "--like-a-flag\n");
    assert_eq!(says(&["--what=x", "--words", r#"["a", 1]"#, "--loud", "true", "--times", "3"]).await, "x\n");
}

#[tokio::test]
async fn help_lists_a_tools_parameters() {
    let project = Project::trial();
    let ran = project.gantz(&["run", "say", "--help"]).await;
    let text: Vec<&str> = ran.ok().lines().map(str::trim_end).collect();
    assert_snapshot!(text.join("\n"), @r#"
    Say something

    Usage: gantz run say --what <STRING> [OPTIONS]

    Parameters:
          --what <STRING>    What to say [required]
          --tone <STRING>    [default: "low"] [possible values: low, high]
          --times <INTEGER>
          --loud <BOOLEAN>
          --words <ARRAY>

    Job:
          --parameters <JSON>      All parameters at once: a JSON object, @FILE, or - for stdin
      -p <NAME=VALUE>              A parameter by its own name; may be given several times
          --job-id <ID>            Your own id for the job, 8 to 64 of A-Z a-z 0-9 . _ -
          --idempotency-key <KEY>  Submitted again with the same key, it is the same job
          --deadline <TIME>        When it is no longer worth doing: RFC 3339
          --delay <DURATION>       How long to wait first, such as 90s
      -o, --output <FORMAT>        How to print [possible values: table, json, jsonl]
      -h, --help                   Print help
    "#);
    let ran = project.gantz(&["run", "--help"]).await;
    assert!(ran.ok().contains("\nsay                Say something\n"), "{ran}");
    assert_eq!(project.read(".gantz/lock"), None, "help starts nothing");
}

#[tokio::test]
async fn a_tool_may_have_parameters_named_like_our_flags() {
    let project = Project::with(
        r#"
name: odd
version: 1.0.0
tools:
  odd:
    description: Odd names
    handler: command
    command: {program: cat}
    parameters:
      help: {type: string}
      output: {type: string}
      wait: {type: string}
      job_id: {type: string}
      parameters: {type: object}
      a_b: {type: string}
      a-b: {type: string}
"#,
    );
    let words = ["--help=1", "--output=2", "--wait=3", "--job-id=4", "--parameters={}", "--a_b=6", "--a-b=7"];
    let ran = project.gantz(&[&["run", "odd"], &words[..]].concat()).await;
    ran.ok();
    let expect = json!({
        "help": "1", "output": "2", "wait": "3", "job_id": "4", "parameters": {}, "a_b": "6", "a-b": "7",
    });
    assert_eq!(ran.json(), expect);
    project.gantz(&[&["submit", "odd"], &words[..]].concat()).await.failed(0);
}

#[tokio::test]
async fn parameters_go_before_flags_that_every_command_takes() {
    let project = Project::with(
        r#"
name: odd
version: 1.0.0
tools:
  odd:
    description: Names of our own settings
    handler: command
    command: {program: cat}
    parameters:
      manifest: {type: string}
      data_dir: {type: string}
      stack: {type: string}
      region: {type: string}
      endpoint_url: {type: string}
  say:
    description: Say something
    handler: command
    command: {program: printf, args: ["%s", "{what}"], output: text}
    parameters:
      what: {type: string, required: true}
"#,
    );
    let words =
        ["--region", "eu-west-1", "--data-dir=1", "--stack", "2", "--manifest", "3", "--endpoint-url", "4"];
    let ran = project.gantz(&[&["run", "odd"], &words[..]].concat()).await;
    ran.ok();
    let expect = json!({
        "region": "eu-west-1", "data_dir": "1", "stack": "2", "manifest": "3", "endpoint_url": "4",
    });
    assert_eq!(ran.json(), expect);
    assert!(project.path(".gantz/gantz.db").exists());

    // A value is what it is, also where it looks like a flag of ours.
    for value in ["--region", "--manifest", "--data-dir", "--manifest=x", "-o"] {
        let ran = project.gantz(&["run", "say", "--what", value]).await;
        assert_eq!(ran.ok(), format!("{value}\n"));
    }
    let ran = project.gantz(&["run", "say", "--what", "x", "--data-dir", "other", "--region", "r"]).await;
    assert_eq!(ran.ok(), "x\n");
    assert!(project.path("other/gantz.db").exists());
    let ran = project.gantz(&["run", "say", "--what", "x", "--data-dir"]).await;
    assert!(ran.refused(2).contains("a value is required for '--data-dir"), "{ran}");
}

#[tokio::test]
async fn the_manifest_may_be_named_behind_the_tool() {
    let project = Project::empty();
    for (name, parameter) in [("gantz.yaml", "what"), ("other.yaml", "text")] {
        let manifest = format!(
            "name: n\nversion: 1.0.0\ntools: {{say: {{description: d, handler: command, parameters: \
             {{{parameter}: {{type: string}}}}, command: {{program: echo, args: [{name}], output: text}}}}}}\n"
        );
        project.write(name, &manifest);
    }
    assert_eq!(project.gantz(&["run", "say", "--what", "x"]).await.ok(), "gantz.yaml\n");
    let words = ["run", "say", "--text", "x", "--manifest", "other.yaml"];
    assert_eq!(project.gantz(&words).await.ok(), "other.yaml\n");
    std::fs::remove_file(project.path("gantz.yaml")).expect("it is there");
    assert_eq!(project.gantz(&words).await.ok(), "other.yaml\n");
}

#[tokio::test]
async fn a_failed_job_is_told_on_stderr() {
    let project = Project::trial();
    let ran = project.gantz(&["run", "broken", "--job-id", "broken-1", "-o", "json"]).await;
    assert_snapshot!(ran.refused(1), @r"
    error: job `broken-1` is FAILED: exit_status: `sh` ended with exit code 65: no luck
    hint: `gantz why broken-1` tells its story
    ");
}

#[tokio::test]
async fn each_works_on_its_own_job() {
    let project = Project::trial();
    let idle = project.gantz(&["submit", "say", "--what", "x", "--job-id", "of-nobody"]).await;
    assert_eq!(idle.failed(0), "nobody works on it: start `gantz worker`, or `gantz dev`\n");
    let first = project.start(&["run", "hold", "--gate", "first", "--job-id", "the-first"]);
    project.reach("the-first", "RUNNING").await;
    let second = project.start(&["run", "hold", "--gate", "second", "--job-id", "the-second"]);
    project.reach("the-second", "RUNNING").await;

    project.open("first");
    assert_eq!(first.end().await.ok(), "7\n");
    project.open("second");
    assert_eq!(second.end().await.ok(), "7\n");
    let attempts = async |id| project.status(id).await.map(|row| row["attempt"].clone());
    assert_eq!(attempts("the-second").await, Some(1.into()), "the first's end was no business of it");
    assert_eq!(attempts("of-nobody").await, Some(0.into()), "it is nobody's who works on another one");
    assert_eq!(
        project.gantz(&["submit", "say", "--what", "x", "--job-id", "of-nobody", "--wait"]).await.failed(0),
        ""
    );
    assert_eq!(attempts("of-nobody").await, Some(1.into()));
}
