use async_trait::async_trait;

use super::PortResult;

/// Lists the objects of buckets.
#[async_trait]
pub trait ObjectList: Send + Sync {
    /// One page of the objects whose keys begin with `prefix`, in the order of their keys' bytes: at most a thousand
    /// that come after the key `cursor`, or the first. A cursor is any key, so it outlives a crash, and the object of
    /// that key. A page may be short while `next` says that there is more.
    async fn list(&self, bucket: &str, prefix: &str, cursor: Option<&str>) -> PortResult<ObjectPage>;
}

/// One page of a bucket's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects, in the order of their keys.
    pub objects: Vec<Object>,
    /// The cursor of the next page, if there may be one: no less than the last key of this page.
    pub next: Option<String>,
}

/// An object, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key, as it is.
    pub key: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// What tells one content of the key from another, without quotes.
    pub etag: String,
    /// When it was last written, milliseconds since the epoch. The store's clock; seconds on S3.
    pub modified_at_ms: u64,
}

impl Object {
    /// Whether it only stands for a folder, as consoles make them: it has a name that ends in `/`, and no content.
    pub fn is_folder_marker(&self) -> bool {
        self.size_bytes == 0 && self.key.ends_with('/')
    }
}
