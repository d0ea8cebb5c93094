//! What a deployment asks of CloudFormation, and what it leaves behind when that refuses.

use std::collections::{BTreeMap, BTreeSet};

use gantz_aws::Session;
use gantz_aws::stack::{ChangeSet, Stacks, Wanted};
use gantz_core::ports::PortResult;
use gantz_testkit::scripted::{Answer, Scripted};

fn xml(action: &str, result: &str) -> Answer {
    let namespace = "http://cloudformation.amazonaws.com/doc/2010-05-15/";
    let body = format!(
        "<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result></{action}Response>"
    );
    Answer::Says(200, Vec::new(), body.into_bytes())
}

fn stack(status: &str, parameters: &[&str]) -> Answer {
    let parameters: String = parameters
        .iter()
        .map(|key| {
            format!(
                "<member><ParameterKey>{key}</ParameterKey><ParameterValue>****</ParameterValue></member>"
            )
        })
        .collect();
    let member = format!(
        "<StackId>arn</StackId><StackName>tools</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>\
         <StackStatus>{status}</StackStatus><Parameters>{parameters}</Parameters>"
    );
    xml("DescribeStacks", &format!("<Stacks><member>{member}</member></Stacks>"))
}

fn created() -> Answer {
    xml("CreateChangeSet", "<Id>change</Id><StackId>arn</StackId>")
}

fn worked_out(status: &str, reason: &str) -> Answer {
    let result = format!("<Status>{status}</Status><StatusReason>{reason}</StatusReason><Changes></Changes>");
    xml("DescribeChangeSet", &result)
}

async fn stacks(scripted: &Scripted) -> Stacks {
    Stacks::new(&Session::emulated(scripted.endpoint.clone()).await)
}

/// The change to what is wanted from what the stack is now.
async fn prepared(scripted: &Scripted) -> PortResult<Option<ChangeSet>> {
    let stacks = stacks(scripted).await;
    let now = stacks.find("tools").await?;
    stacks.prepare(&wanted(), now.as_ref(), "change").await
}

fn wanted() -> Wanted {
    Wanted {
        name: "tools".into(),
        template_url: "https://example.com/template".into(),
        parameters: BTreeMap::from([("Given".to_owned(), "new".to_owned())]),
        known_parameters: ["Given", "Remembered", "New"].map(str::to_owned).into(),
    }
}

/// What was asked, each as its form.
fn asked(scripted: &Scripted) -> Vec<BTreeMap<String, String>> {
    let form = |body: Vec<u8>| {
        let body = String::from_utf8(body).unwrap();
        let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    scripted.requests().into_iter().map(|request| form(request.body)).collect()
}

fn actions(scripted: &Scripted) -> Vec<String> {
    asked(scripted).into_iter().map(|form| form["Action"].clone()).collect()
}

#[tokio::test]
async fn a_stack_keeps_the_parameters_that_are_not_given() {
    let has = stack("UPDATE_COMPLETE", &["Given", "Remembered", "Abolished"]);
    let scripted = Scripted::start([has, created(), worked_out("CREATE_COMPLETE", "")]);
    let change = prepared(&scripted).await.unwrap();
    assert!(change.is_some());
    let create = &asked(&scripted)[1];
    let said: BTreeSet<_> = (1..=9)
        .filter_map(|n| {
            let member = |field| create.get(&format!("Parameters.member.{n}.{field}")).map(String::as_str);
            Some((member("ParameterKey")?, member("ParameterValue"), member("UsePreviousValue")))
        })
        .collect();
    // The template no longer has one of them, and a default for another: both are CloudFormation's to do.
    let expected = [("Given", Some("new"), None), ("Remembered", None, Some("true"))];
    assert_eq!(said, expected.into());
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let missing = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>\
        <Message>Stack with id tools does not exist</Message></Error></ErrorResponse>";
    let scripted = Scripted::start([
        Answer::Says(400, Vec::new(), missing.into()),
        created(),
        worked_out("CREATE_IN_PROGRESS", ""),
        worked_out("FAILED", "Template error: no such resource"),
        xml("DeleteChangeSet", ""),
        stack("REVIEW_IN_PROGRESS", &[]),
        xml("DeleteStack", ""),
    ]);
    let error = prepared(&scripted).await.unwrap_err();
    assert_eq!(error.to_string(), "the change was refused: Template error: no such resource");
    let expected = [
        "DescribeStacks",
        "CreateChangeSet",
        "DescribeChangeSet",
        "DescribeChangeSet",
        "DeleteChangeSet",
        "DescribeStacks",
        "DeleteStack",
    ];
    assert_eq!(actions(&scripted), expected);
}

#[tokio::test]
async fn a_change_of_nothing_is_none() {
    let reason = "The submitted information didn't contain changes.";
    let scripted = Scripted::start([
        stack("UPDATE_COMPLETE", &[]),
        created(),
        worked_out("FAILED", reason),
        xml("DeleteChangeSet", ""),
        stack("UPDATE_COMPLETE", &[]),
    ]);
    assert!(prepared(&scripted).await.unwrap().is_none());
    assert_eq!(actions(&scripted).last().unwrap(), "DescribeStacks", "the stack is not deleted");
}

/// S3 answers 200 when it refuses to delete objects. It is asked no second time, or that would never end.
#[tokio::test]
async fn data_that_may_not_be_deleted_is_named() {
    let bucket = "<member><ResourceType>AWS::S3::Bucket</ResourceType><PhysicalResourceId>uploads</PhysicalResourceId>\
                  <LogicalResourceId>Uploads</LogicalResourceId><ResourceStatus>CREATE_COMPLETE</ResourceStatus>\
                  <LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member>";
    let says = |body: &str| Answer::Says(200, Vec::new(), body.as_bytes().to_vec());
    let resources = format!("<StackResourceSummaries>{bucket}</StackResourceSummaries>");
    let scripted = Scripted::start([
        xml("ListStackResources", &resources),
        says(
            "<ListVersionsResult><Version><Key>a report</Key><VersionId>v 1</VersionId></Version></ListVersionsResult>",
        ),
        says(
            "<DeleteResult><Error><Key>a report</Key><Code>AccessDenied</Code><Message>it is locked</Message></Error>\
             </DeleteResult>",
        ),
    ]);
    let retained = stacks(&scripted).await.retained("tools").await.unwrap();
    let session = Session::emulated(scripted.endpoint.clone()).await;
    let [bucket] = &retained[..] else { panic!("one bucket: {retained:?}") };
    let error = bucket.delete(&session, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("s3://uploads/a report stays: it is locked"), "{error}");
    let [_, _, delete] = &scripted.requests()[..] else { panic!("three requests") };
    let asked = String::from_utf8(delete.body.clone()).unwrap();
    assert!(asked.contains("<VersionId>v 1</VersionId>"), "that version: {asked}");
}
