//! `template`.

use std::path::{Path, PathBuf};

use gantz_testkit::cfn_lint;
use insta::assert_snapshot;

use crate::support::Project;

/// A manifest that adds nothing to the template.
const PLAIN: &str = "name: plain
version: 1.0.0
tools:
  analyze_file:
    description: Tell what a file is
    parameters:
      bucket: {type: string, required: true}
      key: {type: string, required: true}
    handler: s3.analyze_file
";
const EVERYTHING: &str = include_str!("fixtures/everything.yaml");

#[tokio::test]
async fn the_template_stands_by_itself() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/template.yaml");
    assert_eq!(cfn_lint::complaints(&file), "");

    let rendered = Project::with(PLAIN).gantz(&["template"]).await.ok().to_owned();
    let kept = std::fs::read_to_string(&file).expect("the template");
    // Its lanes are those that the piece for a lane gives: print it anew with this manifest when that changes.
    assert_eq!(
        rendered, kept,
        "infra/template.yaml is not what `gantz template` prints for a plain manifest"
    );
}

#[tokio::test]
async fn what_a_manifest_adds_is_right() {
    let project = Project::with(EVERYTHING);
    let ran = project.gantz(&["template"]).await;
    assert_snapshot!(ran.stderr, @"warning: no Lambda function works lane `gpu-2`, only `gantz worker` does: `transcode` may take longer than a function's 15 minutes");
    let file = stored(&project, &ran.stdout);
    assert_eq!(cfn_lint::complaints(&file), "");
    assert_snapshot!("everything", added(&ran.stdout));
    assert_eq!(
        project.gantz(&["template"]).await.stdout,
        ran.stdout,
        "the same manifest gives the same text"
    );

    let document = project.gantz(&["template", "-o", "json"]).await.json();
    assert_eq!(document["template"], ran.stdout);
    assert_eq!(document["warnings"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_templates_to_start_from_can_be_deployed() {
    for template in ["local", "aws-lambda"] {
        let project = Project::empty();
        project.gantz(&["init", "--template", template]).await.ok();
        let rendered = project.gantz(&["template"]).await.ok().to_owned();
        assert_eq!(cfn_lint::complaints(&stored(&project, &rendered)), "", "{template}");
    }
}

#[tokio::test]
async fn uploads_that_no_trigger_takes_start_nothing() {
    let project = Project::with(&format!("{PLAIN}triggers: {{}}\n"));
    let rendered = project.gantz(&["template"]).await.ok().to_owned();
    assert!(rendered.contains("      State: DISABLED\n") && !rendered.contains("      State: ENABLED\n"));
}

#[tokio::test]
async fn one_tool_that_takes_too_long_takes_its_lane_from_lambda() {
    let slow = PLAIN.replace("handler:", "timeout: 886s\n    handler:");
    let fits = PLAIN.replace("handler:", "timeout: 885s\n    handler:");
    let count = |text: &str| text.matches("      Enabled: false\n").count();

    let ran = Project::with(&slow).gantz(&["template"]).await;
    assert_eq!(count(&ran.stdout), 1);
    assert!(ran.stderr.contains("lane `fast`"), "{ran}");

    let rendered = Project::with(&fits).gantz(&["template"]).await.ok().to_owned();
    assert_eq!(count(&rendered), 0);
    assert_eq!(rendered.matches("      Timeout: 900\n").count(), 2);
    assert_eq!(rendered.matches("      VisibilityTimeout: 5400\n").count(), 2);
}

fn stored(project: &Project, template: &str) -> PathBuf {
    project.write("template.yaml", template);
    project.path("template.yaml")
}

/// What stands between the marks of the regions: the rest is the file that is kept.
fn added(template: &str) -> String {
    let mut inside = false;
    let kept = template.lines().filter(|line| {
        let mark = line.trim_start();
        inside |= mark.starts_with("# >>> ");
        let keep = inside;
        inside &= !mark.starts_with("# <<< ");
        keep
    });
    kept.collect::<Vec<_>>().join("\n")
}
