//! Objects of S3 buckets: [`ByteSource`] reads them, [`ObjectList`] lists them.

mod failure;
mod list;
mod reader;

use async_trait::async_trait;
use gantz_core::ports::{ByteSource, ObjectList, ObjectPage, Opened, Place, PortResult, SourceError};

use crate::LazySession;
use reader::{Address, Reader};

/// Every object that the process's credentials may read.
#[derive(Debug)]
pub struct Objects {
    session: LazySession,
}

impl Objects {
    /// Objects as `session` may read them.
    pub fn new(session: impl Into<LazySession>) -> Self {
        Self { session: session.into() }
    }
}

#[async_trait]
impl ByteSource for Objects {
    async fn open(&self, place: &Place) -> Result<Opened, SourceError> {
        match place {
            Place::Object { bucket, key, version, etag } => {
                let (bucket, key, version) = (bucket.clone(), key.clone(), version.clone());
                let address = Address { bucket, key, version };
                Reader::open(self.session.get().await.s3().clone(), address, etag.as_deref()).await
            }
            Place::File { path } | Place::FileOfBytes { path_base64: path } => {
                let why = "this source reads objects, give a `bucket` and a `key`";
                Err(SourceError::Invalid { place: path.clone(), why })
            }
        }
    }
}

#[async_trait]
impl ObjectList for Objects {
    async fn list(&self, bucket: &str, prefix: &str, cursor: Option<&str>) -> PortResult<ObjectPage> {
        list::page(self.session.get().await.s3(), bucket, prefix, cursor).await
    }
}
