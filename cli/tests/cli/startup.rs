//! What every command has in common: help, settings, and what goes where.

use insta::assert_snapshot;

use crate::support::Project;

#[tokio::test]
async fn help_fits_a_screen() {
    let project = Project::empty();
    let ran = project.gantz(&["--help"]).await;
    assert_snapshot!(ran.ok(), @r"
    Runs the tool calls of AI agents as durable jobs

    Usage: gantz [OPTIONS] <COMMAND>

    Commands:
      init         Start a project: a manifest, and what it needs
      check        Check the manifest, and list its tools
      dev          Run dispatcher and workers on this machine, with an HTTP API
      run          Run a tool and print its result; `gantz run TOOL --help` lists its parameters
      submit       Submit a job and print its id; a running worker goes on with it
      batch        Run a tool on many inputs
      status       Show a job or a batch
      result       Print a job's result as JSON
      cancel       Cancel a job, or a batch with all its children
      retry        Do a job, or a batch's jobs, again that ended without success
      jobs         List jobs, newest first
      why          Tell a job's story: its attempts, what held it up, how it ended
      events       List ends of jobs and batches, oldest first: what is sent to the event bus on AWS
      dlq          List dead letters, messages that no worker could read, or send them again
      lanes        List the lanes: what waits in each, and whether it is paused
      pause        Begin nothing more of a lane: what runs ends, what is submitted waits
      resume       Work on a paused lane again
      deploy       Put dispatcher and workers on AWS, as a stack; also changes one that is there
      destroy      Delete a stack
      worker       Work on what is queued, on this machine or in a stack
      import       Write tools into the manifest that somebody else has described
      mcp          Serve the manifest's tools to an agent, as an MCP server on stdin and stdout
      template     Print the CloudFormation template of the manifest's stack
      completions  Print completions for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Options of every command:
          --manifest <FILE>     The manifest; `gantz.yaml` in this folder or one above it if not given
                                [env: GANTZ_CONFIG=]
          --data-dir <DIR>      Where jobs are kept; `.gantz` beside the manifest if not given [env:
                                GANTZ_DATA_DIR=]
          --stack <NAME>        Work on this stack on AWS instead of a data directory [env:
                                GANTZ_STACK=]
          --region <REGION>     The stack's region; what the AWS configuration says if not given
          --endpoint-url <URL>  Where AWS is, if not at its usual address [env: AWS_ENDPOINT_URL=]
      -o, --output <FORMAT>     How to print on stdout: for people, as one JSON document, or as one a
                                line [default: table] [possible values: table, json, jsonl]
      -v, --verbose...          Log more on stderr; given twice, the details too
    ");
    assert_eq!(project.gantz(&["-h"]).await.ok(), ran.stdout);
    for command in
        ["check", "dev", "batch", "status", "result", "cancel", "jobs", "why", "dlq", "lanes", "pause"]
    {
        let ran = project.gantz(&[command, "--help"]).await;
        let own = ran.ok().split("Options of every command:").next().expect("what comes first");
        assert!(!own.contains("--manifest"), "{ran}");
        assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{ran}");
    }
    assert_eq!(project.gantz(&["--version"]).await.ok(), concat!("gantz ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test]
async fn usage_errors_are_code_2_on_stderr() {
    let project = Project::trial();
    for words in [
        &[][..],
        &["runn"],
        &["check", "--nope"],
        &["-o", "xml", "check"],
        &["status"],
        &["dev", "--port", "x"],
    ] {
        let ran = project.gantz(words).await;
        assert!(ran.refused(2).contains("--help"), "{ran}");
    }
}

#[tokio::test]
async fn results_and_logs_do_not_mix() {
    let project = Project::trial();
    project.write("data/one.csv", "a,b\n1,2\n");
    let words = ["-vv", "batch", "analyze_file", "--files", "data", "-o", "json"];
    let mut command = project.command(&words);
    command.env_remove("NO_COLOR");
    for ran in [project.gantz(&words).await, project.run(command).await] {
        ran.failed(0);
        assert_eq!(ran.json()["status"], "SUCCEEDED");
        assert!(ran.stderr.contains(" INFO gantz::node: started worker=\""), "{ran}");
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran}");
    }
}

#[tokio::test]
async fn settings_come_from_the_environment_and_flags_go_first() {
    let project = Project::empty();
    project.write("deep/tools.yaml", "name: deep\nversion: 1.0.0\ntools: {e: {description: d, handler: command, command: {program: pwd, output: text}}}\n");
    let run = async |words: &[&str]| {
        let mut command = project.command(words);
        command.env("GANTZ_CONFIG", "deep/tools.yaml").env("GANTZ_DATA_DIR", "kept");
        project.run(command).await
    };
    // A program runs in its manifest's folder, wherever the caller stands.
    let folder = project.path("deep").canonicalize().expect("the folder").display().to_string();
    assert_eq!(run(&["run", "e"]).await.ok(), format!("{folder}\n"));
    assert!(project.path("kept/gantz.db").exists());
    assert!(!project.path("deep/.gantz").exists());
    run(&["--data-dir", "elsewhere", "run", "e"]).await.ok();
    assert!(project.path("elsewhere/gantz.db").exists());
    let ran = run(&["--manifest", "missing.yaml", "check"]).await;
    assert!(ran.refused(2).contains("cannot read `missing.yaml`"), "{ran}");
    for words in [["run", "e", "--manifest=missing.yaml"], ["run", "--manifest=missing.yaml", "e"]] {
        let ran = run(&words).await;
        assert!(ran.refused(2).contains("cannot read `missing.yaml`"), "{ran}");
    }
}

#[tokio::test]
async fn a_reader_may_leave_early() {
    use std::process::Stdio;
    let project = Project::trial();
    for words in [&["check"][..], &["completions", "bash"], &["run", "--help"], &["run", "say", "--help"]] {
        let mut command = project.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        drop(child.stdout.take());
        let ran = child.wait_with_output().expect("its end");
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!((ran.status.code(), stderr.as_ref()), (Some(0), ""), "{words:?}");
    }
}
