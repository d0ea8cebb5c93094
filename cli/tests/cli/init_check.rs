//! `init` and `check`.

use insta::assert_snapshot;

use crate::support::{Dev, Project};

#[tokio::test]
async fn a_new_project_can_be_used_at_once() {
    let project = Project::empty();
    let ran = project.gantz(&["init"]).await;
    assert_snapshot!(ran.ok(), @r"
    wrote  gantz.yaml
    wrote  tools/word_count.py
    wrote  .gitignore

    next: `gantz check` lists the tools, `gantz run TOOL --help` shows what one takes
    ");
    assert_eq!(project.read(".gitignore").as_deref(), Some(".gantz/\n"));
    assert_snapshot!(project.gantz(&["check"]).await.ok(), @r"
    my-tools 1.0.0: 6 tools, no errors

    TOOL               HANDLER                    TIMEOUT  ATTEMPTS  LANE  PARAMETERS                                       WHAT IT DOES
    analyze_file       s3.analyze_file            5 min    3         fast  [path] [path_base64] [bucket] [key] [max_bytes]  Tell what a file is: type, size, hash, lines, columns, dime…
    fetch              http.request               1 min    3         fast  page                                             Get a page of example.com
    get_function_logs  aws_lambda.get_logs        1 min    3         fast  function_name [minutes]                          Retrieve CloudWatch logs for Lambda function
    invoke_lambda      aws_lambda.invoke          1 min    3         fast  function_name payload [invocation_type]          Invoke AWS Lambda function with payload
    list_functions     aws_lambda.list_functions  1 min    3         fast  [prefix] [max_items]                             List available Lambda functions
    word_count         command                    10 s     3         fast  text                                             Count the words of a text with a program of yours
    ");
    let ran = project.gantz(&["run", "word_count", "--text", "one two three"]).await;
    ran.ok();
    assert_eq!(ran.json()["words"], 3);
}

#[tokio::test]
async fn the_template_for_lambda_is_a_right_manifest() {
    let project = Project::empty();
    project.gantz(&["init", "--template", "aws-lambda", "agents"]).await.ok();
    let ran = project.gantz(&["check", "--manifest", "agents/gantz.yaml", "--output", "json"]).await;
    ran.ok();
    assert!(project.path("agents/README.md").exists());
    let tools = ran.json()["tools"].as_array().expect("a list").clone();
    let names: Vec<_> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(
        names,
        ["analyze_file", "create_function", "get_function_logs", "invoke_lambda", "list_functions"]
    );
    assert_eq!(tools[3]["handler"], "aws_lambda.invoke");
    assert_eq!(tools[3]["parameters"]["required"], serde_json::json!(["function_name", "payload"]));
}

#[tokio::test]
async fn init_never_overwrites() {
    let project = Project::with("name: mine\nversion: 1.0.0\ntools: {}\n");
    let ran = project.gantz(&["init"]).await;
    assert_snapshot!(ran.refused(1), @r"
    error: `.` has a gantz.yaml already
    hint: `gantz init DIR` starts a project in another folder
    ");
    assert!(project.read("gantz.yaml").expect("the manifest").starts_with("name: mine"));

    project.write("other/.gitignore", "mine\n");
    let ran = project.gantz(&["init", "other"]).await;
    assert!(ran.ok().contains("kept   other/.gitignore"), "{ran}");
    assert_eq!(project.read("other/.gitignore").as_deref(), Some("mine\n"));
}

#[tokio::test]
async fn check_explains_how_tools_are_run() {
    let project = Project::with(
        "name: odd\nversion: 1.0.0\ndefaults: {timeout: 20s, retry: {max_attempts: 9, factor: 3}}\ntools:\n  say:\n    description: Say\n    handler: command\n    command: [echo, hello]\n    rate_limit: 10/s\n    breaker: true\n    lane: slow\n    effects: at_most_once\n",
    );
    let ran = project.gantz(&["check", "--explain"]).await;
    let (_, say) = ran.ok().split_once("\nsay\n").expect("the tool");
    assert_snapshot!(say.trim_end(), @r"
      handler     command
      parameters
      timeout     20 s
      retry       9 attempts; waits up to 1 s, 3 s, 9 s, 27 s, 1 min 21 s …
      effects     at_most_once: it is never started again
      lane        slow, 64 at once
      rate limit  10 a second, 1 at once, of each worker
      breaker     opens for 30 s when 50 % of at least 10 calls within 1 min failed
    ");
}

#[tokio::test]
async fn a_bad_manifest_is_shown_with_line_and_caret() {
    let project = Project::with(
        "name: bad\nversion: 1.0.0\ntools:\n  echo:\n    description: Echo\n    handler: command\n    tmeout: 3s\n    command: {program: cat}\n",
    );
    for command in ["check", "dev", "run"] {
        let ran = project.gantz(&[command]).await;
        let stderr = if command == "run" { ran.failed(2) } else { ran.refused(2) };
        assert!(stderr.contains("gantz.yaml:7:5: unknown key `tmeout`"), "{ran}");
        assert!(stderr.contains(" 7 |     tmeout: 3s\n   |     ^^^^^^\n"), "{ran}");
        assert!(stderr.contains("did you mean `timeout`?"), "{ran}");
    }
    assert_eq!(project.read(".gantz/lock"), None, "a bad manifest starts nothing");
}

#[tokio::test]
async fn a_handler_that_nobody_here_has_is_warned_of() {
    let project = Project::with(
        "name: odd\nversion: 1.0.0\ntools:\n  look: {description: Look, handler: s3.analyse_file}\n  \
         own: {description: Ours, handler: maths.divide}\n  \
         say: {description: Say, handler: command, command: {program: echo, output: text}}\n",
    );
    let ran = project.gantz(&["check"]).await;
    assert_snapshot!(ran.failed(0), @r"
    warning: the tool `look` needs a handler `s3.analyse_file`, which this program lacks; did you mean `s3.analyze_file`?
    warning: the tool `own` needs a handler `maths.divide`, which this program lacks
    ");
    assert_eq!(
        project.gantz(&["check", "-o", "json"]).await.json()["warnings"].as_array().map(Vec::len),
        Some(2)
    );
    // A call is warned of its own tool only.
    let ran = project.gantz(&["run", "look"]).await;
    assert!(ran.failed(1).starts_with("warning: the tool `look` needs"), "{ran}");
    assert!(!ran.stderr.contains("maths.divide"), "{ran}");
    project.gantz(&["run", "say"]).await.ok();
    let dev = Dev::start(&project).await;
    let ran = dev.stop().await;
    assert_eq!(ran.failed(130).matches("which this program lacks").count(), 2, "{ran}");
}

#[tokio::test]
async fn a_missing_manifest_has_a_hint() {
    let project = Project::empty();
    let ran = project.gantz(&["check"]).await;
    assert_snapshot!(ran.refused(2), @r"
    error: cannot read `gantz.yaml`: No such file or directory (os error 2)
    hint: `gantz init` makes one, `--manifest FILE` names another
    ");
}

#[tokio::test]
async fn some_tools_are_there_without_a_manifest() {
    let project = Project::empty();
    let help = project.gantz(&["run", "--help"]).await;
    for tool in ["analyze_file", "get_function_logs", "invoke_lambda", "list_functions"] {
        assert!(help.ok().contains(tool), "{help}");
    }
    project.write("notes.txt", "one\ntwo\n");
    let ran = project.gantz(&["run", "analyze_file", "--path", "notes.txt"]).await;
    ran.ok();
    assert_eq!(ran.json()["media_type"], "text/plain", "{ran}");
    assert!(project.gantz(&["run", "say"]).await.refused(2).contains("there is no tool `say`"));
}

#[tokio::test]
async fn a_manifest_is_found_in_a_folder_above() {
    let project = Project::trial();
    project.write("deep/down/notes.txt", "one\n");
    let mut command = project.command(&["run", "say", "--what", "hello"]);
    command.current_dir(project.path("deep/down"));
    assert_eq!(project.run(command).await.ok(), "hello\n");
    assert!(!project.path("deep/down/.gantz").exists());
    assert!(project.path(".gantz/gantz.db").exists());
}
