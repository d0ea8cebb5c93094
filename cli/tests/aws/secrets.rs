//! Secrets that a manifest names, in functions.

use aws_sdk_ssm::types::ParameterType;
use serde_json::json;

use crate::fleet::{fleet, text};
use crate::roles;

#[tokio::test]
async fn a_function_has_its_tools_secrets_and_no_others() {
    let fleet = fleet();
    let ssm = aws_sdk_ssm::Client::new(&fleet.aws().await);
    let run = async |id: &str| {
        fleet.publish("Gantz Job", &json!({"tool": "knowing", "parameters": {}, "job_id": id})).await;
        fleet.ended(id).await
    };
    let row = run("knowing-0001").await;
    assert_eq!(text(&row, "status"), "FAILED", "{row:?}");
    assert!(format!("{row:?}").contains("`${ssm:/e2e/name}` is not there"), "{row:?}");

    let put = ssm.put_parameter().name("/e2e/name").value("w0rld").r#type(ParameterType::SecureString);
    put.send().await.unwrap();
    let row = run("knowing-0002").await;
    assert_eq!(text(&row, "status"), "SUCCEEDED", "{row:?}");
    assert!(format!("{row:?}").contains("hello, <w0rld>"), "{row:?}");

    let programs = fleet.no_programs();
    let words = ["deploy", "--stack", "unknowing", "--artifacts", programs.to_str().unwrap()];
    let refused = fleet.gantz(&[&words[..], &["--region", "us-east-1"]].concat());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("the manifest names the secret `${env:GREETING}`"), "{told}");
    assert!(told.contains("`--parameter SecretGreeting=\"$GREETING\"`"), "{told}");

    let lambda = aws_sdk_lambda::Client::new(&fleet.aws().await);
    for (output, has) in [("LaneKnowingWorkerFunction", true), ("AgentWorkerFunction", false)] {
        let function = lambda.get_function_configuration().function_name(fleet.output(output));
        let variables = function.send().await.unwrap().environment.unwrap().variables.unwrap();
        assert_eq!(variables.get("GREETING").map(String::as_str), has.then_some("hello"), "{output}");
    }
    for role in roles::of_stack(fleet.endpoint(), crate::fleet::Fleet::STACK).await {
        let may = role.actions().contains("ssm:GetParameter");
        assert_eq!(may, role.arn.contains("LaneKnowingWorkerRole"), "{role:?}");
    }
}
