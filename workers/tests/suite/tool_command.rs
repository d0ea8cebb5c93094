//! Programs as tools, with `/bin/sh` for the program.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantz_core::ids::JobId;
use gantz_core::manifest::{CommandOutput, CommandSpec};
use gantz_core::outcome::{ErrorKind, Failure, Outcome, Retry};
use gantz_core::tool::{Call, Tool};
use gantz_workers::tools::command::CommandTool;
use serde_json::{Value, json};

use crate::secrets::secrets;

/// Far more than anything here takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(30);

fn shell(script: &str) -> CommandSpec {
    CommandSpec {
        // Braces are a template's.
        args: vec!["-c".to_owned(), script.replace('{', "{{").replace('}', "}}")],
        output: CommandOutput::Text,
        ..CommandSpec::of("/bin/sh")
    }
}

pub(crate) fn call(parameters: Value) -> Call<Value> {
    Call {
        job_id: JobId::try_new("job-1234").expect("a valid id"),
        effect_key: JobId::try_new("first-of-its-kind").expect("a valid id"),
        tool: "test".to_owned(),
        attempt: 2,
        timeout_ms: 600_000,
        trace: None,
        parameters,
    }
}

async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

async fn run_in(folder: &Path, spec: CommandSpec, call: Call<Value>) -> Outcome {
    let tool = CommandTool::new(spec, folder.to_owned(), secrets()).expect("a valid spec");
    patiently(tool.run(call)).await
}

async fn run(spec: CommandSpec, parameters: Value) -> Outcome {
    run_in(Path::new("/"), spec, call(parameters)).await
}

async fn fail(spec: CommandSpec) -> Failure {
    match run(spec, json!({})).await {
        Outcome::Failed(failure) => failure,
        outcome => unreachable!("{outcome:?}"),
    }
}

fn text(text: &str) -> Outcome {
    Outcome::Done(json!(text))
}

/// Writes a file in another process: one that is open for writing in this process, or in a fork of it that another test
/// makes at the same moment, could not be executed.
fn write_file(path: &Path, content: &str, mode: u32) {
    let script = r#"printf %s "$2" > "$1""#;
    let status =
        std::process::Command::new("/bin/sh").args(["-c", script, "sh"]).arg(path).arg(content).status();
    assert!(status.expect("a shell").success());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our own file");
}

#[tokio::test]
async fn hands_over_parameters_and_reads_the_result() {
    let parameters = json!({"a": [1, {"b": "ä\n"}]});
    let json_cat = CommandSpec { output: CommandOutput::Json, ..shell("cat") };
    assert_eq!(run(json_cat, parameters.clone()).await, Outcome::Done(parameters));
    assert_eq!(
        run(shell("read -r line; printf %s \"$line\""), json!({"a": "\n"})).await,
        text(r#"{"a":"\n"}"#)
    );
    assert_eq!(run(shell("echo one; echo two"), json!({})).await, text("one\ntwo"));
}

#[tokio::test]
async fn a_parameter_stays_within_its_argument() {
    let mut spec = shell(r#"printf '<%s>' "$@""#);
    spec.args.extend(["sh", "{a}", "--n={n}", "{{}}", "", "$HOME"].map(str::to_owned));
    let parameters = json!({"a": "x y; $(id) \"'\n*", "n": 7});
    assert_eq!(run(spec.clone(), parameters).await, text("<x y; $(id) \"'\n*><--n=7><{}><><$HOME>"));

    let outcome = run(spec.clone(), json!({"a": 1})).await;
    let expect = "the parameter `n` is absent and has no default";
    assert_eq!(outcome, Outcome::permanent(ErrorKind::Invalid, expect));
    let Outcome::Failed(failure) = run(spec, json!({"a": "\0", "n": 1})).await else { unreachable!() };
    assert_eq!((failure.kind, failure.retry), (ErrorKind::Invalid, Retry::Never));
}

#[test]
fn arguments_are_checked_when_the_tool_is_made() {
    let spec = CommandSpec { args: vec!["ok".to_owned(), "{".to_owned()], ..shell("") };
    let error = CommandTool::new(spec, PathBuf::from("/"), secrets()).unwrap_err();
    assert_eq!(error.to_string(), "argument 2 of `/bin/sh` is no template");
}

#[tokio::test]
async fn the_environment_is_what_is_documented() {
    let mut spec = shell("env");
    spec.env.insert("OWN".to_owned(), "1 {x}".to_owned());
    spec.env.insert("GANTZ_ATTEMPT".to_owned(), "9".to_owned());
    spec.env.insert("LANG".to_owned(), "C".to_owned());
    let Outcome::Done(Value::String(env)) = run(spec, json!({})).await else { unreachable!() };
    let env: BTreeMap<_, _> = env.lines().filter_map(|line| line.split_once('=')).collect();
    let expect = [
        ("GANTZ_JOB_ID", "job-1234"),
        ("GANTZ_ATTEMPT", "2"),
        ("GANTZ_TOOL", "test"),
        ("GANTZ_IDEMPOTENCY_KEY", "first-of-its-kind"),
        ("OWN", "1 {x}"),
        ("LANG", "C"),
    ];
    for (name, value) in expect {
        assert_eq!(env.get(name), Some(&value), "{name}");
    }
    // `PWD`, `OLDPWD`, `SHLVL` and `_` are set by shells themselves.
    let known = ["PATH", "HOME", "TZ", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"];
    let strange: Vec<_> = env
        .keys()
        .filter(|name| !known.contains(name) && !expect.iter().any(|(expected, _)| expected == *name))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "there was something to leak");
}

#[tokio::test]
async fn relative_paths_are_below_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    write_file(&folder.path().join("sub/tool"), "#!/bin/sh\npwd\n", 0o755);
    let real = folder.path().canonicalize().unwrap();
    for (cwd, expect) in
        [(None, real.clone()), (Some("sub"), real.join("sub")), (Some("/"), PathBuf::from("/"))]
    {
        let cwd = cwd.map(str::to_owned);
        let spec = CommandSpec { program: "sub/tool".to_owned(), args: vec![], cwd, ..shell("") };
        let outcome = run_in(folder.path(), spec, call(json!({}))).await;
        assert_eq!(outcome, text(&expect.to_string_lossy()));
    }
}

#[tokio::test]
async fn exit_codes_and_signals_tell_what_stderr_said() {
    let check = async |script: &str, retry, message: &str| {
        let expect = Failure::new(ErrorKind::ExitStatus, message, retry);
        let expect = if message.contains("signal") { expect.in_doubt() } else { expect };
        assert_eq!(fail(shell(script)).await, expect);
    };
    check("exit 3", Retry::Backoff, "`/bin/sh` ended with exit code 3").await;
    check("echo out; echo why >&2; exit 1", Retry::Backoff, "`/bin/sh` ended with exit code 1: why").await;
    check("exit 75", Retry::Backoff, "`/bin/sh` ended with exit code 75").await;
    check("exit 65", Retry::Never, "`/bin/sh` ended with exit code 65").await;
    check("kill -9 $$", Retry::Backoff, "`/bin/sh` ended with signal: 9 (SIGKILL)").await;

    let failure =
        fail(shell("i=0; while [ $i -lt 5000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1")).await;
    assert!(failure.message.ends_with("line 4998\nline 4999"), "{}", failure.message);
    assert!(failure.message.contains(": …"), "{}", failure.message);
    assert!(failure.message.len() < 1200, "{}", failure.message.len());
}

#[tokio::test]
async fn output_has_to_be_what_was_promised() {
    let check = async |script: &str, message: &str| {
        let failure = fail(CommandSpec { output: CommandOutput::Json, ..shell(script) }).await;
        assert_eq!((failure.kind, failure.retry), (ErrorKind::ToolError, Retry::Never));
        assert_eq!(failure.message, format!("`/bin/sh` wrote to stdout {message}"));
    };
    check("true", "nothing, expected one JSON document").await;
    let hint = "; with `output: text` any text is a result";
    for (script, error) in [
        ("echo '{}'; echo done", "trailing characters at line 2 column 1"),
        ("echo '{\"a\":'", "EOF while parsing a value at line 2 column 0"),
    ] {
        check(script, &format!("what is not one JSON document: {error}{hint}")).await;
    }
    // What the program complained about may be why.
    let message = format!("what is not one JSON document: expected value at line 1 column 1{hint}: no luck");
    check("echo done; echo no luck >&2", &message).await;
}

#[tokio::test]
async fn output_is_capped() {
    let failure = fail(CommandSpec { max_output_bytes: 100_000, ..shell("yes") }).await;
    assert_eq!((failure.kind, failure.retry), (ErrorKind::ResultTooLarge, Retry::Never));
    let message = "`/bin/sh` was killed: it wrote more than `max_output_bytes` (100000) to stdout";
    assert_eq!(failure.message, message);

    assert_eq!(
        run(CommandSpec { max_output_bytes: 4, ..shell("printf abcd") }, json!({})).await,
        text("abcd")
    );
    let failure = fail(CommandSpec { max_output_bytes: 4, ..shell("printf abcde") }).await;
    assert_eq!(failure.kind, ErrorKind::ResultTooLarge);
}

#[tokio::test]
async fn much_may_flow_both_ways_at_once() {
    let parameters = json!({"text": "x".repeat(4 * 1024 * 1024)});
    let spec = CommandSpec { output: CommandOutput::Json, ..shell("yes error | head -c 1000000 >&2; cat") };
    assert_eq!(run(spec, parameters.clone()).await, Outcome::Done(parameters));
}

#[tokio::test]
async fn input_may_go_unread() {
    let parameters = json!({"text": "x".repeat(4 * 1024 * 1024)});
    assert_eq!(run(shell("echo done"), parameters.clone()).await, text("done"));
    assert_eq!(run(shell("exec <&-; echo done"), parameters).await, text("done"));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str, mode| {
        let path = folder.path().join(name);
        write_file(&path, content, mode);
        path.to_string_lossy().into_owned()
    };
    let check = async |program: &str, cwd: Option<&str>, kind, message: &str| {
        let cwd = cwd.map(str::to_owned);
        let failure = fail(CommandSpec { program: program.to_owned(), cwd, ..shell("") }).await;
        assert_eq!((failure.kind, failure.retry), (kind, Retry::Never), "{}", failure.message);
        assert!(failure.message.contains(message), "{}", failure.message);
    };
    check("no-such-program", None, ErrorKind::NotFound, "`no-such-program` is in no folder of PATH=/").await;
    check("/no/such/program", None, ErrorKind::NotFound, "`/no/such/program` does not exist").await;
    check("no/such", None, ErrorKind::NotFound, "no/such` does not exist").await;
    check("/bin/sh", Some("/no/folder"), ErrorKind::NotFound, "`/bin/sh` is to run in /no/folder").await;
    check(&file("data", "", 0o644), None, ErrorKind::AccessDenied, "data` may not be executed").await;
    check(
        &file("lost", "#!/no/such/sh\n", 0o755),
        None,
        ErrorKind::NotFound,
        "interpreter that its first line",
    )
    .await;
    check("/", None, ErrorKind::AccessDenied, "`/` may not be executed").await;
}

/// A pipe that tells when the last process that holds it open for writing is gone.
struct Canary {
    folder: tempfile::TempDir,
}

impl Canary {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let status = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
        assert!(status.expect("mkfifo").success());
        Self { folder }
    }

    /// A script that starts a process which holds the pipe, and stdout and stderr too, and lives for long; then it goes
    /// on as told.
    fn script(&self, then: &str) -> String {
        let pipe = self.folder.path().join("pipe");
        format!("(echo alive >&3; exec sleep 1000) 3> {} & {then}", pipe.display())
    }

    /// Waits until the process is there, then calls `act`, then waits until it is gone.
    async fn watch(self, act: impl FnOnce() + Send + 'static) {
        let watch = tokio::task::spawn_blocking(move || {
            let mut pipe = std::fs::File::open(self.folder.path().join("pipe")).expect("the pipe");
            pipe.read_exact(&mut [0; 6]).expect("a sign of life");
            act();
            pipe.read_to_end(&mut Vec::new()).expect("the end");
        });
        patiently(watch).await.expect("the watch succeeds");
    }
}

#[tokio::test]
async fn dropping_the_call_kills_the_whole_group() {
    let canary = Canary::new();
    // The shell and its child ignore every polite request.
    let script = format!(
        "trap '' TERM INT HUP; echo $$ > {}/leader; {}",
        canary.folder.path().display(),
        canary.script("wait")
    );
    let leader = canary.folder.path().join("leader");
    let tool = CommandTool::new(shell(&script), PathBuf::from("/"), secrets()).unwrap();
    let running = tokio::spawn(async move { tool.run(call(json!({}))).await });
    let (send, receive) = tokio::sync::oneshot::channel();
    let act = move || {
        running.abort();
        send.send(std::fs::read_to_string(leader).expect("the leader's id")).expect("a listener");
    };
    canary.watch(act).await;
    // The leader is also waited for: nothing, not even a zombie, bears its id.
    let id = receive.await.unwrap().trim().parse().unwrap();
    let leader = rustix::process::Pid::from_raw(id).unwrap();
    patiently(async {
        while rustix::process::test_kill_process(leader).is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_program_leaves_running_neither_delays_it_nor_survives_it() {
    let canary = Canary::new();
    let spec = shell(&canary.script(&format!("head -c 1 {}/go; echo done", canary.folder.path().display())));
    let go = canary.folder.path().join("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().unwrap().success());
    let running = tokio::spawn(run(spec, json!({})));
    canary.watch(move || std::fs::File::create(go).unwrap().write_all(b"!").unwrap()).await;
    assert_eq!(patiently(running).await.unwrap(), text("!done"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_that_escapes_does_not_delay_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let spec = shell("mkfifo up; setsid sh -c 'echo up > up; exec sleep 1000' & read -r up < up; echo $!");
    let outcome = run_in(folder.path(), spec, call(json!({}))).await;
    let Outcome::Done(Value::String(id)) = outcome else { unreachable!("{outcome:?}") };
    // It is out of the tool's reach, and this test's to stop.
    let escaped = rustix::process::Pid::from_raw(id.parse().unwrap()).unwrap();
    rustix::process::kill_process(escaped, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_program_is_asked_to_stop_shortly_before_its_time_is_up() {
    let run_for = async |script: &str, timeout_ms| {
        run_in(Path::new("/"), shell(script), Call { timeout_ms, ..call(json!({})) }).await
    };
    // It may use the grace to give a result,
    let done = run_for("trap 'echo saved; exit 0' TERM; sleep 1000 & wait", 1_500).await;
    assert_eq!(done, text("saved"));
    // to say why there is none,
    let failed = run_for("trap 'echo half done >&2; exit 65' TERM; sleep 1000 & wait", 1_500).await;
    let message = "`/bin/sh` was asked to stop after 1350 ms, and ended with exit code 65: half done";
    assert_eq!(failed, Outcome::transient(ErrorKind::Timeout, message));
    // or just end.
    let Outcome::Failed(failure) = run_for("sleep 1000", 100).await else { unreachable!() };
    assert_eq!((failure.kind, failure.retry), (ErrorKind::Timeout, Retry::Backoff));
}
