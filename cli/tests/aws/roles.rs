//! The functions' roles, through the emulator's IAM.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use gantz_core::ids::sha256_hex;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use crate::fleet::Fleet;

/// The header of a call of this service. The emulator reads whose key it is, and believes the rest.
pub(crate) fn signed(service: &str) -> String {
    let scope = format!("test/20260101/us-east-1/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
}

/// What a function calls AWS with: the session of its role that the emulator makes for it.
pub(crate) struct Session {
    pub(crate) key: String,
    secret: String,
    token: String,
}

impl Session {
    pub(crate) fn of(function: &str, role: &Role) -> Self {
        let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
        let digest = sha256_hex(format!("{arn}:{}", role.arn).as_bytes());
        Self {
            key: format!("ASIA{}", digest.get(..16).unwrap().to_uppercase()),
            secret: sha256_hex(format!("secret:{digest}").as_bytes()),
            token: sha256_hex(format!("token:{digest}").as_bytes()),
        }
    }

    /// How an SDK calls with it.
    pub(crate) async fn aws(&self, fleet: &Fleet) -> SdkConfig {
        let token = Some(self.token.clone());
        let credentials = Credentials::new(&self.key, &self.secret, token, None, "a function's");
        fleet
            .aws()
            .await
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }
}

/// Calls that IAM permits under another name: the emulator asks for the calls' own.
pub(crate) const PERMITTED_BY: [(&str, &str); 7] = [
    ("sqs:SendMessageBatch", "sqs:SendMessage"),
    ("sqs:DeleteMessageBatch", "sqs:DeleteMessage"),
    ("sqs:ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
    ("dynamodb:TransactWriteItems", "dynamodb:PutItem"),
    ("s3:HeadObject", "s3:GetObject"),
    ("s3:ListObjectsV2", "s3:ListBucket"),
    ("s3:ListObjects", "s3:ListBucket"),
];

/// A function's role.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) arn: String,
    name: String,
    statements: Vec<Value>,
}

impl Role {
    /// Every action that the role may take on something.
    pub(crate) fn actions(&self) -> BTreeSet<String> {
        self.statements.iter().flat_map(|statement| texts(&statement["Action"])).collect()
    }

    /// The statements as text, in which only the names of this lane and its queues are left out.
    pub(crate) fn without_lane(&self, lane: &str) -> BTreeSet<String> {
        let text = |statement: &Value| statement.to_string().replace(&format!("-{lane}\""), "-LANE\"");
        let is_log =
            |statement: &Value| texts(&statement["Action"]).iter().any(|action| action.starts_with("logs:"));
        self.statements.iter().filter(|statement| !is_log(statement)).map(text).collect()
    }

    /// Every resource that is named.
    pub(crate) fn resources(&self) -> BTreeSet<String> {
        self.statements.iter().flat_map(|statement| texts(&statement["Resource"])).collect()
    }
}

/// One text or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        other => panic!("{other} is neither a text nor a list"),
    }
}

/// The roles of a stack's functions.
pub(crate) async fn of_stack(endpoint: &str, stack: &str) -> Vec<Role> {
    let listed = iam(endpoint, "ListRoles", &[]).await;
    let names = between(&listed, "RoleName").into_iter().zip(between(&listed, "Arn"));
    let mut roles = Vec::new();
    for (name, arn) in names.filter(|(name, _)| name.starts_with(&format!("{stack}-"))) {
        let policies = iam(endpoint, "ListRolePolicies", &[("RoleName", &name)]).await;
        let mut statements = Vec::new();
        for policy in between(&policies, "member") {
            let found = iam(endpoint, "GetRolePolicy", &[("RoleName", &name), ("PolicyName", &policy)]).await;
            let document = between(&found, "PolicyDocument").remove(0);
            let document = percent_decode_str(&document).decode_utf8().unwrap().into_owned();
            let document: Value = serde_json::from_str(&document).unwrap();
            statements.extend(document["Statement"].as_array().unwrap().iter().cloned());
        }
        roles.push(Role { arn, name, statements });
    }
    roles
}

/// Lets each role take its actions on its resources under the names that the emulator has for them, too.
pub(crate) async fn translate(endpoint: &str, stack: &str) {
    for role in of_stack(endpoint, stack).await {
        let mut statements = role.statements.clone();
        for statement in &mut statements {
            let actions = texts(&statement["Action"]);
            let also = PERMITTED_BY.iter().filter(|(_, by)| actions.iter().any(|action| action == by));
            let also: Vec<String> = also.map(|(call, _)| (*call).to_owned()).collect();
            statement["Action"] = json!([actions, also].concat());
        }
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let policy =
            [("RoleName", role.name.as_str()), ("PolicyName", "emulator"), ("PolicyDocument", &document)];
        iam(endpoint, "PutRolePolicy", &policy).await;
    }
}

async fn iam(endpoint: &str, action: &str, parameters: &[(&str, &str)]) -> String {
    let mut body = format!("Action={action}&Version=2010-05-08");
    for (name, value) in parameters {
        body.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    }
    let call = reqwest::Client::new().post(format!("{endpoint}/")).header("authorization", signed("iam"));
    let call = call.header("content-type", "application/x-www-form-urlencoded").body(body);
    let answer = call.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{action}: {status}: {text}");
    text
}

/// The contents of all elements of that name.
fn between(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = xml.split(&open).skip(1);
    parts.filter_map(|part| part.split_once(&close)).map(|(content, _)| content.to_owned()).collect()
}
