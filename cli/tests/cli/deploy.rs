//! `deploy`, as far as it gets without AWS.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use gantz_testkit::scripted::{Answer, Scripted};
use serde_json::json;

use crate::support::{Project, Ran};

#[tokio::test]
async fn without_source_or_programs_it_says_what_to_give() {
    let project = Project::trial();
    let ran = project.gantz(&["deploy"]).await;
    let told = ran.refused(1);
    assert!(told.contains("neither is the source to build them from"), "{ran}");
    assert!(told.contains("hint: give a folder of prebuilt programs with `--artifacts DIR`"), "{ran}");
}

/// What a clone of Gantz is known by, and a `cargo` that says what it was asked. It builds programs for whoever asks it to
/// say where; it has `cargo lambda` or not.
fn clone_with_cargo(project: &Project, lambda: bool) {
    project.write("dispatcher/Cargo.toml", "");
    project.write("workers/Cargo.toml", "");
    let cargo = format!(
        r#"#!/bin/sh
test "$1 $2" = "lambda --version" && {{ {lambda}; exit; }}
echo "$@" > asked
case "$1" in
    lambda) folder="$5" ;;
    build) folder="$3/function" ;;
esac
mkdir -p "$folder"
for program in gantz-dispatcher gantz-worker gantz-dead-letter; do
    echo GLIBC_2.99 > "$folder/$program"
done
"#
    );
    project.write("bin/cargo", &cargo);
    fs::set_permissions(project.path("bin/cargo"), Permissions::from_mode(0o755)).expect("permissions");
}

/// `deploy`, where nothing but that `cargo` and the usual tools are found, and no AWS.
fn deploy(project: &Project, architecture: &str) -> Command {
    let mut command = project.command(&["deploy", "--architecture", architecture]);
    let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
    command.env("PATH", path).env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Functions' architecture of this machine, and another one.
fn architectures() -> [&'static str; 2] {
    if cfg!(target_arch = "aarch64") { ["arm64", "x86_64"] } else { ["x86_64", "arm64"] }
}

#[tokio::test]
async fn it_builds_the_functions_with_cargo_lambda() {
    let project = Project::trial();
    clone_with_cargo(&project, true);
    for (architecture, flag) in [("arm64", "--arm64"), ("x86_64", "--x86-64")] {
        let ran = project.run(deploy(&project, architecture)).await;
        let told = ran.refused(1);
        let folder = project.path("target/lambda");
        assert_eq!(
            project.read("asked").expect("a build"),
            format!(
                "lambda build {flag} --lambda-dir {} --profile function --locked --bins --package gantz-dispatcher \
                 --package gantz-workers\n",
                folder.display()
            )
        );
        // All is well until AWS is asked.
        assert!(told.contains("region"), "{ran}");
    }
}

#[tokio::test]
async fn without_cargo_lambda_cargo_builds_them_for_this_machine() {
    let project = Project::trial();
    clone_with_cargo(&project, false);
    let [own, _] = architectures();
    let ran = project.run(deploy(&project, own)).await;
    let told = ran.refused(1);
    assert_eq!(
        project.read("asked").expect("a build"),
        format!(
            "build --target-dir {} --profile function --locked --bins --package gantz-dispatcher --package \
             gantz-workers\n",
            project.path("target").display()
        )
    );
    assert!(told.contains("without `cargo lambda`: `pip install cargo-lambda` installs it"), "{ran}");
    let warning = "warning: `gantz-worker` needs the C library 2.99, and functions have 2.34";
    assert!(told.contains(warning), "{ran}");
}

#[tokio::test]
async fn without_cargo_lambda_it_says_how_to_install_it() {
    let project = Project::trial();
    clone_with_cargo(&project, false);
    let [own, other] = architectures();
    let ran = project.run(deploy(&project, other)).await;
    let told = ran.refused(1);
    assert!(
        told.starts_with("error: `cargo lambda`, which builds the functions, is not installed\n"),
        "{ran}"
    );
    assert!(told.contains("hint: `pip install cargo-lambda` installs it"), "{ran}");
    assert!(told.contains(&format!("with `--architecture {own}`")), "{ran}");
    assert_eq!(project.read("asked"), None, "nothing was built");
}

/// An answer of CloudFormation's, or of STS.
fn xml(action: &str, result: &str) -> Answer {
    let body = format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>");
    Answer::Says(200, Vec::new(), body.into_bytes())
}

fn stack(status: &str) -> Answer {
    let member = format!(
        "<StackId>arn:stack</StackId><StackName>trial</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>\
         <StackStatus>{status}</StackStatus>"
    );
    xml("DescribeStacks", &format!("<Stacks><member>{member}</member></Stacks>"))
}

/// Events, given oldest first: each a resource, its status and why.
fn events(events: &[(&str, &str, &str)]) -> Answer {
    let member = |(n, (resource, status, reason)): (usize, &(&str, &str, &str))| {
        format!(
            "<member><StackId>arn:stack</StackId><EventId>{resource}-{n}</EventId><StackName>trial</StackName>\
             <LogicalResourceId>{resource}</LogicalResourceId><ResourceType>AWS::SQS::Queue</ResourceType>\
             <Timestamp>2999-01-01T00:00:00Z</Timestamp><ResourceStatus>{status}</ResourceStatus>\
             <ResourceStatusReason>{reason}</ResourceStatusReason></member>"
        )
    };
    let members: String = events.iter().enumerate().rev().map(member).collect();
    xml("DescribeStackEvents", &format!("<StackEvents>{members}</StackEvents>"))
}

/// What is answered before CloudFormation is asked: whose account it is, the bucket, its settings, and all that has to be
/// in it.
fn all_is_uploaded() -> impl Iterator<Item = Answer> {
    let there = || Answer::Says(200, Vec::new(), Vec::new());
    [xml("GetCallerIdentity", "<Account>123456789012</Account>")]
        .into_iter()
        .chain((0..7).map(move |_| there()))
}

/// `deploy` of empty programs.
async fn deployed(project: &Project, scripted: &Scripted, more: &[&str]) -> Ran {
    for program in ["gantz-dispatcher", "gantz-worker", "gantz-dead-letter"] {
        project.write(&format!("programs/{program}"), "");
    }
    let words = ["deploy", "--artifacts", "programs", "--region", "us-east-1", "--endpoint-url"];
    let mut command = project.command(&[&words[..], &[&scripted.endpoint], more].concat());
    command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
    project.run(command).await
}

/// A deployment that fails says which resource failed first and why, whatever its format; what a first one leaves behind
/// is removed by the next.
#[tokio::test]
async fn it_says_which_resource_failed_and_clears_away_what_never_was_complete() {
    for format in ["table", "json"] {
        let project = Project::trial();
        let failing = [
            stack("ROLLBACK_COMPLETE"),
            xml("DeleteStack", ""),
            stack("DELETE_COMPLETE"),
            events(&[]),
            xml("CreateChangeSet", "<Id>change</Id><StackId>arn:stack</StackId>"),
            xml("DescribeChangeSet", "<Status>CREATE_COMPLETE</Status><Changes></Changes>"),
            xml("DescribeChangeSet", "<Status>CREATE_COMPLETE</Status><Changes></Changes>"),
            xml("ExecuteChangeSet", ""),
            stack("ROLLBACK_COMPLETE"),
            events(&[
                ("PlanQueue", "CREATE_IN_PROGRESS", ""),
                ("PlanQueue", "CREATE_FAILED", "the name is taken"),
                ("IngestQueue", "CREATE_FAILED", "Resource creation cancelled"),
                ("trial", "ROLLBACK_COMPLETE", ""),
            ]),
        ];
        let scripted = Scripted::start(all_is_uploaded().chain(failing));
        let ran = deployed(&project, &scripted, &["--output", format]).await;
        let told = ran.failed(1);
        assert!(told.contains("it was never complete, and is removed first"), "{ran}");
        let error = "error: the stack `trial` is ROLLBACK_COMPLETE: `PlanQueue` (AWS::SQS::Queue) is CREATE_FAILED: \
                     the name is taken\n";
        assert!(told.contains(error), "{ran}");
        assert_eq!(told.contains("Resource creation cancelled"), format == "table", "{ran}");
    }
}

/// A dry run changes nothing, also where a deployment would begin by removing something.
#[tokio::test]
async fn a_dry_run_leaves_a_stack_that_was_never_complete() {
    let project = Project::trial();
    let scripted = Scripted::start(all_is_uploaded().chain([stack("ROLLBACK_COMPLETE")]));
    let ran = deployed(&project, &scripted, &["--dry-run"]).await;
    let told = ran.failed(0);
    assert!(ran.stdout.contains("Remove  trial") && told.contains("then everything is created"), "{ran}");
    let asked = scripted.requests();
    let of_stacks = asked.iter().filter_map(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        body.contains("StackName").then_some(body)
    });
    let of_stacks: Vec<_> = of_stacks.collect();
    assert!(matches!(&of_stacks[..], [one] if one.contains("Action=DescribeStacks")), "{of_stacks:?}");
}

/// The stack is gone; what it left is found by its ARN, and deleted.
#[tokio::test]
async fn data_is_deleted_after_the_stack() {
    let project = Project::trial();
    let missing = "<Code>ValidationError</Code><Message>Stack with id trial does not exist</Message>";
    let missing = format!("<ErrorResponse><Error>{missing}</Error></ErrorResponse>").into_bytes();
    let deleted = |name: &str, id: &str, day: u8| {
        format!(
            "<member><StackName>{name}</StackName><StackId>{id}</StackId><StackStatus>DELETE_COMPLETE</StackStatus>\
             <CreationTime>2026-01-01T00:00:00Z</CreationTime><DeletionTime>2026-02-0{day}T00:00:00Z</DeletionTime>\
             </member>"
        )
    };
    let page = |stacks: &[String], token: &str| {
        let stacks = stacks.concat();
        xml("ListStacks", &format!("<StackSummaries>{stacks}</StackSummaries>{token}"))
    };
    let resource = |kind: &str, name: &str| {
        format!(
            "<member><ResourceType>{kind}</ResourceType><PhysicalResourceId>{name}</PhysicalResourceId>\
             <LogicalResourceId>X</LogicalResourceId><ResourceStatus>DELETE_SKIPPED</ResourceStatus>\
             <LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member>"
        )
    };
    let left = [resource("AWS::DynamoDB::Table", "jobs"), resource("AWS::SQS::Queue", "lane")].concat();
    let scripted = Scripted::start([
        Answer::Says(400, Vec::new(), missing),
        page(&[deleted("trial", "older", 1), deleted("trial", "newest", 3)], "<NextToken>2</NextToken>"),
        page(&[deleted("trial", "old", 2), deleted("another", "other", 4)], ""),
        xml("ListStackResources", &format!("<StackResourceSummaries>{left}</StackResourceSummaries>")),
        Answer::json(&json!({})),
    ]);
    let words = ["destroy", "--delete-data", "--yes", "--region", "us-east-1", "--endpoint-url"];
    let mut command = project.command(&[&words[..], &[&scripted.endpoint]].concat());
    command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
    let ran = project.run(command).await;
    assert!(ran.failed(0).contains("deleted  table jobs"), "{ran}");
    let [_, _, _, resources, table] = &scripted.requests()[..] else { panic!("five requests") };
    assert!(String::from_utf8_lossy(&resources.body).contains("StackName=newest"));
    assert_eq!(table.header("x-amz-target"), Some("DynamoDB_20120810.DeleteTable"));
    assert_eq!(table.json(), json!({"TableName": "jobs"}));
}
