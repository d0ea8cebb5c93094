//! Which objects the runs of schedules have taken.

use async_trait::async_trait;
use serde_json::json;

use super::{Object, PortResult};
use crate::ids::{JobId, sha256_hex};
use crate::limits::OBJECT_OVERLAP_MS;

/// Knows which objects the runs of a schedule have taken, so that each is taken by one of them.
#[async_trait]
pub trait NewObjects: Send + Sync {
    /// A run has looked at everything that was there at this time, milliseconds since the epoch; 0 before the first.
    async fn looked_at_until_ms(&self, schedule: &str) -> PortResult<u64>;

    /// Takes objects, by their [`object_mark`]s, for a run's batch. For each, in order, whether the batch has it: nobody
    /// had it before, or the batch itself had. Once this returned, that is durable, until `expires_at_s`, in seconds since
    /// the epoch. After an error, any of them may be taken: asking again for the same batch is always right.
    async fn take(
        &self,
        schedule: &str,
        batch: &JobId,
        marks: Vec<String>,
        expires_at_s: u64,
    ) -> PortResult<Vec<bool>>;

    /// Notes that a run has looked at everything that was there at `until_ms`. An earlier time changes nothing.
    async fn looked_at(&self, schedule: &str, until_ms: u64) -> PortResult<()>;
}

/// What an object with its present content is known by: written again with other content, it is another one.
pub fn object_mark(bucket: &str, object: &Object) -> String {
    sha256_hex(json!([bucket, object.key, object.etag]).to_string().as_bytes())
}

/// Whether an object may be new to a schedule that has looked at everything until then. Its time is that at which its
/// upload began, so that it may appear long after: whether it is new then tells its mark.
pub fn may_be_new(object: &Object, looked_at_until_ms: u64) -> bool {
    !object.is_folder_marker()
        && object.modified_at_ms >= looked_at_until_ms.saturating_sub(OBJECT_OVERLAP_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, etag: &str, modified_at_ms: u64) -> Object {
        Object { key: key.into(), size_bytes: 1, etag: etag.into(), modified_at_ms }
    }

    #[test]
    fn other_content_or_another_place_is_another_object() {
        let mark = |bucket, key, etag| object_mark(bucket, &object(key, etag, 0));
        let first = mark("a", "k", "1");
        assert_eq!(first, object_mark("a", &object("k", "1", 9)));
        for other in [mark("b", "k", "1"), mark("a", "l", "1"), mark("a", "k", "2")] {
            assert_ne!(other, first);
        }
    }

    #[test]
    fn what_is_older_than_an_upload_takes_is_not_new() {
        let until_ms = 10 * OBJECT_OVERLAP_MS;
        for (modified_at_ms, expected) in [
            (0, false),
            (until_ms - OBJECT_OVERLAP_MS - 1, false),
            (until_ms - OBJECT_OVERLAP_MS, true),
            (until_ms, true),
        ] {
            assert_eq!(may_be_new(&object("k", "1", modified_at_ms), until_ms), expected);
        }
        assert!(may_be_new(&object("k", "1", 0), 0));
        let folder = Object { size_bytes: 0, ..object("k/", "1", until_ms) };
        assert!(!may_be_new(&folder, until_ms));
    }
}
