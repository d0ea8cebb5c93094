//! The lines of the article that started it all.

use std::process::Command;

use serde_json::json;

use crate::fleet::{fleet, success};

#[tokio::test]
async fn its_lines_work() {
    let fleet = fleet();
    let folder = tempfile::tempdir().unwrap();
    let gantz = |words: &[&str]| {
        let mut command: Command = fleet.command(words);
        command.current_dir(folder.path()).output().unwrap()
    };
    let made = gantz(&["init", "--template", "aws-lambda"]);
    assert!(made.status.success(), "{made:?}");
    let programs = fleet.programs();
    let architecture = std::env::consts::ARCH.replace("aarch64", "arm64");
    let deployed = gantz(&[
        "deploy",
        "--platform",
        "aws-lambda",
        "--region",
        "us-east-1",
        "--architecture",
        &architecture,
        "--artifacts",
        programs.to_str().unwrap(),
        "--output",
        "json",
    ]);
    assert_eq!(success(&deployed)["status"], "CREATE_COMPLETE");
    // Its function is somebody else's, in another language.
    let agent = "def handler(event, context):\n    return {'done': event['action'], 'with': event['data']}\n";
    fleet.foreign("my-agent", "agent.py", agent).await;
    let ran = gantz(&[
        "run",
        "invoke_lambda",
        "--function-name",
        "my-agent",
        "--payload",
        r#"{"action": "analyze", "data": "test"}"#,
        "--output",
        "json",
    ]);
    let result = success(&ran);
    assert_eq!(result["status_code"], 200, "{result}");
    assert_eq!(result["response"], json!({"done": "analyze", "with": "test"}), "{result}");
}
