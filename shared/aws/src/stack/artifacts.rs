//! The bucket that a deployment's packages and templates are put into.

use std::sync::Arc;

use aws_sdk_s3::error::{BuildError, SdkError};
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    CreateBucketConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    PublicAccessBlockConfiguration,
};
use aws_smithy_runtime_api::http::Response;
use gantz_core::ports::{PortError, PortResult};
use serde_json::json;

use crate::error::port_error;
use crate::session::Session;

/// CloudFormation's own default region; the one where a bucket must not say where it shall be.
const FIRST_REGION: &str = "us-east-1";
/// What the names of templates begin with.
const TEMPLATES: &str = "gantz/template-";
/// A template is read when its change set is made. Packages stay: a function that is rolled back is made of its old one.
const TEMPLATES_KEPT_DAYS: i32 = 30;
/// Uploads that broke off.
const UNFINISHED_KEPT_DAYS: i32 = 7;

/// A bucket of packages, each under a name that follows from its content.
#[derive(Debug, Clone)]
pub struct Artifacts {
    session: Arc<Session>,
    account: String,
    bucket: String,
}

impl Artifacts {
    /// The bucket of this account and region, which is made if need be.
    ///
    /// Anybody could take its name first, and be handed what becomes our functions. So every call says whose it has to be.
    ///
    /// # Errors
    /// When the account cannot be asked, S3 refuses, or the bucket is another account's.
    pub async fn open(session: Arc<Session>) -> PortResult<Self> {
        let region = session.region().ok_or_else(|| {
            PortError::Permanent("no region is configured: give `--region`, or set AWS_REGION".into())
        })?;
        let region = region.to_owned();
        let account = account(&session).await?;
        let bucket = format!("gantz-artifacts-{account}-{region}");
        let artifacts = Self { session, account, bucket };
        artifacts.create(&region).await?;
        artifacts.close().await?;
        Ok(artifacts)
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The account that the bucket is in, and the deployment.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Whether something is stored under `key`.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn has(&self, key: &str) -> PortResult<bool> {
        let head = self.session.s3().head_object().bucket(&self.bucket).key(key);
        match head.expected_bucket_owner(&self.account).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(false),
            Err(error) => Err(port_error("HeadObject", &error)),
        }
    }

    /// Stores `bytes` under `key`.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> PortResult<()> {
        let put = self.session.s3().put_object().bucket(&self.bucket).key(key);
        let put = put.expected_bucket_owner(&self.account).body(ByteStream::from(bytes)).send().await;
        put.map(|_| ()).map_err(|error| port_error("PutObject", &error))
    }

    /// The address by which CloudFormation reads an object.
    pub fn url(&self, key: &str) -> String {
        match self.session.config().endpoint_url() {
            Some(endpoint) => format!("{}/{}/{key}", endpoint.trim_end_matches('/'), self.bucket),
            None => {
                let region = self.session.region().unwrap_or(FIRST_REGION);
                format!("https://{}.s3.{region}.amazonaws.com/{key}", self.bucket)
            }
        }
    }

    async fn create(&self, region: &str) -> PortResult<()> {
        let s3 = self.session.s3();
        let head = s3.head_bucket().bucket(&self.bucket).expected_bucket_owner(&self.account);
        match head.send().await {
            Ok(_) => return Ok(()),
            Err(error) if error.as_service_error().is_some_and(HeadBucketError::is_not_found) => {}
            Err(error) => return Err(self.unusable(&error)),
        }
        let place = (region != FIRST_REGION).then(|| {
            let constraint = BucketLocationConstraint::from(region);
            CreateBucketConfiguration::builder().location_constraint(constraint).build()
        });
        let create = s3.create_bucket().bucket(&self.bucket).set_create_bucket_configuration(place);
        create.send().await.map(|_| ()).map_err(|error| port_error("CreateBucket", &error))
    }

    /// The answer to HEAD has no body to say this in.
    fn unusable(&self, error: &SdkError<HeadBucketError, Response>) -> PortError {
        if error.raw_response().map(|response| response.status().as_u16()) == Some(403) {
            let (bucket, account) = (&self.bucket, &self.account);
            return PortError::Permanent(format!(
                "the bucket `{bucket}` is not the account {account}'s, or may not be used: nothing is deployed from it"
            ));
        }
        port_error("HeadBucket", error)
    }

    /// Sets what protects the bucket. Said each time: a deployment may have ended before it was, or somebody changed it.
    async fn close(&self) -> PortResult<()> {
        let s3 = self.session.s3();
        let closed = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .block_public_policy(true)
            .ignore_public_acls(true)
            .restrict_public_buckets(true)
            .build();
        let close = s3.put_public_access_block().bucket(&self.bucket).expected_bucket_owner(&self.account);
        let close = close.public_access_block_configuration(closed).send().await;
        close.map_err(|error| port_error("PutPublicAccessBlock", &error))?;
        let rules = lifecycle().map_err(|error| PortError::Permanent(error.to_string()))?;
        let keep = s3.put_bucket_lifecycle_configuration().bucket(&self.bucket);
        let keep = keep.expected_bucket_owner(&self.account).lifecycle_configuration(rules).send().await;
        keep.map_err(|error| port_error("PutBucketLifecycleConfiguration", &error))?;
        if self.session.config().endpoint_url().is_some() {
            // Other endpoints may speak plain HTTP.
            return Ok(());
        }
        let policy = s3.put_bucket_policy().bucket(&self.bucket).expected_bucket_owner(&self.account);
        let policy = policy.policy(tls_only(self.session.region().unwrap_or(FIRST_REGION), &self.bucket));
        policy.send().await.map(|_| ()).map_err(|error| port_error("PutBucketPolicy", &error))
    }
}

fn lifecycle() -> Result<BucketLifecycleConfiguration, BuildError> {
    let unfinished =
        AbortIncompleteMultipartUpload::builder().days_after_initiation(UNFINISHED_KEPT_DAYS).build();
    let everything = LifecycleRuleFilter::builder().prefix("").build();
    let unfinished = LifecycleRule::builder()
        .id("unfinished-uploads")
        .status(ExpirationStatus::Enabled)
        .filter(everything)
        .abort_incomplete_multipart_upload(unfinished)
        .build()?;
    let templates = LifecycleRule::builder()
        .id("templates")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(TEMPLATES).build())
        .expiration(LifecycleExpiration::builder().days(TEMPLATES_KEPT_DAYS).build())
        .build()?;
    BucketLifecycleConfiguration::builder().rules(unfinished).rules(templates).build()
}

/// The policy that refuses whatever does not come through TLS.
fn tls_only(region: &str, bucket: &str) -> String {
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let bucket = format!("arn:{partition}:s3:::{bucket}");
    let statement = json!({
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, format!("{bucket}/*")],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

async fn account(session: &Session) -> PortResult<String> {
    let sts = aws_sdk_sts::Client::new(session.config());
    let answer = sts.get_caller_identity().send().await;
    let answer = answer.map_err(|error| port_error("GetCallerIdentity", &error))?;
    answer.account.ok_or_else(|| PortError::Permanent("GetCallerIdentity: no account was named".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_bucket_of_its_partition() {
        for (region, arn) in [
            ("eu-west-1", "arn:aws:s3:::b"),
            ("cn-north-1", "arn:aws-cn:s3:::b"),
            ("us-gov-west-1", "arn:aws-us-gov:s3:::b"),
        ] {
            let policy: serde_json::Value = serde_json::from_str(&tls_only(region, "b")).unwrap();
            assert_eq!(policy["Statement"][0]["Resource"], json!([arn, format!("{arn}/*")]));
            assert_eq!(policy["Statement"][0]["Effect"], "Deny");
        }
    }
}
