//! What outlives a stack: the table and the buckets that its template retains.

use aws_sdk_cloudformation::types::{StackResourceSummary, StackStatus};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gantz_core::ports::{PortError, PortResult};

use super::Stacks;
use crate::error::port_error;
use crate::session::Session;

/// How often a bucket is emptied, as what was under way when the stack was deleted may still write to it.
const EMPTYINGS: usize = 3;

/// A table or a bucket with a stack's data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Retained {
    kind: Kind,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Table,
    Bucket,
}

impl Stacks {
    /// The tables and buckets of a stack, by its name or ARN; of a deleted one, by its ARN, those that it left.
    ///
    /// # Errors
    /// See [`Stacks::find`].
    pub async fn retained(&self, stack: &str) -> PortResult<Vec<Retained>> {
        let mut retained = Vec::new();
        let mut token = None;
        loop {
            let page =
                self.client.list_stack_resources().stack_name(stack).set_next_token(token).send().await;
            let page = page.map_err(|error| port_error("ListStackResources", &error))?;
            retained.extend(page.stack_resource_summaries().iter().filter_map(Retained::read));
            token = page.next_token;
            if token.is_none() {
                retained.sort();
                return Ok(retained);
            }
        }
    }

    /// The ARN of the stack of this name that was deleted last. CloudFormation remembers them for 90 days.
    ///
    /// # Errors
    /// See [`Stacks::find`].
    pub async fn last_deleted(&self, name: &str) -> PortResult<Option<String>> {
        let mut last = None;
        let mut token = None;
        loop {
            let call = self.client.list_stacks().stack_status_filter(StackStatus::DeleteComplete);
            let page = call.set_next_token(token).send().await;
            let page = page.map_err(|error| port_error("ListStacks", &error))?;
            let of_that_name = page.stack_summaries().iter().filter(|stack| stack.stack_name() == Some(name));
            last = of_that_name
                .filter_map(|stack| Some((stack.deletion_time().copied(), stack.stack_id()?.to_owned())))
                .chain(last)
                .max();
            token = page.next_token;
            if token.is_none() {
                return Ok(last.map(|(_, id)| id));
            }
        }
    }
}

impl Retained {
    fn read(resource: &StackResourceSummary) -> Option<Self> {
        let kind = match resource.resource_type()? {
            "AWS::DynamoDB::Table" => Kind::Table,
            "AWS::S3::Bucket" => Kind::Bucket,
            _ => return None,
        };
        // What was never made has no name.
        let name = resource.physical_resource_id().filter(|name| !name.is_empty())?;
        Some(Self { kind, name: name.to_owned() })
    }

    /// Deletes it with everything in it, and tells `deleted` how many objects are gone as it goes on. It is no error if it
    /// is gone already.
    ///
    /// # Errors
    /// When DynamoDB or S3 refuses: what is left can be deleted by a second call.
    pub async fn delete(&self, session: &Session, deleted: impl Fn(usize)) -> PortResult<()> {
        match self.kind {
            Kind::Table => delete_table(session, &self.name).await,
            Kind::Bucket => delete_bucket(session, &self.name, deleted).await,
        }
    }
}

/// Such as `table jobs` or `bucket uploads`.
impl std::fmt::Display for Retained {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Table => "table",
            Kind::Bucket => "bucket",
        };
        write!(formatter, "{kind} {}", self.name)
    }
}

async fn delete_table(session: &Session, name: &str) -> PortResult<()> {
    match session.dynamodb().delete_table().table_name(name).send().await {
        Err(error) if error.code() != Some("ResourceNotFoundException") => {
            Err(port_error("DeleteTable", &error))
        }
        _ => Ok(()),
    }
}

async fn delete_bucket(session: &Session, name: &str, deleted: impl Fn(usize)) -> PortResult<()> {
    let mut objects = 0;
    for emptying in 1.. {
        while let Some(gone) = delete_some(session, name).await? {
            objects += gone;
            deleted(objects);
        }
        match session.s3().delete_bucket().bucket(name).send().await {
            Err(error) if is_code(&error, "BucketNotEmpty") && emptying < EMPTYINGS => {}
            Err(error) if !is_code(&error, "NoSuchBucket") => return Err(port_error("DeleteBucket", &error)),
            _ => break,
        }
    }
    Ok(())
}

/// Deletes up to a thousand versions of objects. `None` if there are none, or no bucket.
async fn delete_some(session: &Session, bucket: &str) -> PortResult<Option<usize>> {
    // Also of a bucket that has no versions, or has them no more.
    let page = match session.s3().list_object_versions().bucket(bucket).send().await {
        Err(error) if is_code(&error, "NoSuchBucket") => return Ok(None),
        page => page.map_err(|error| port_error("ListObjectVersions", &error))?,
    };
    let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
    let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
    let objects: Vec<_> = versions
        .chain(markers)
        .filter_map(|(key, version)| {
            let version = version.map(str::to_owned);
            ObjectIdentifier::builder().key(key?).set_version_id(version).build().ok()
        })
        .collect();
    if objects.is_empty() {
        return Ok(None);
    }
    let asked = objects.len();
    let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
    let delete = delete.map_err(|error| PortError::Permanent(error.to_string()))?;
    let answer = session.s3().delete_objects().bucket(bucket).delete(delete).send().await;
    let answer = answer.map_err(|error| port_error("DeleteObjects", &error))?;
    // Asked again, what S3 refuses would be refused for ever.
    match answer.errors().first() {
        None => Ok(Some(asked)),
        Some(refused) => Err(PortError::Permanent(format!(
            "DeleteObjects: s3://{bucket}/{} stays: {}",
            refused.key().unwrap_or_default(),
            refused.message().or(refused.code()).unwrap_or("no reason was given")
        ))),
    }
}

fn is_code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    error.code() == Some(code)
}
