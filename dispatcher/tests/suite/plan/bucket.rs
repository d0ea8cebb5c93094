//! A bucket and the watermarks of its scans, kept in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use gantz_core::ports::{Object, ObjectList, ObjectPage, PortError, PortResult, Watermark, Watermarks};

pub(crate) const BUCKET: &str = "acme-incoming";

#[derive(Default)]
pub(crate) struct Bucket {
    objects: Mutex<BTreeMap<String, Object>>,
    faults: Mutex<VecDeque<PortError>>,
    pages: AtomicUsize,
}

/// Small, so that a few hundred objects are several pages, none of them a multiple of a shard.
const PAGE: usize = 130;

impl Bucket {
    pub(crate) fn put(&self, key: &str, content: &str, modified_at_ms: u64) {
        let size_bytes = content.len() as u64;
        let object = Object { key: key.into(), size_bytes, etag: format!("of {content}"), modified_at_ms };
        self.objects.lock().unwrap().insert(key.into(), object);
    }

    /// The next listings fail, in this order.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = PortError>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// How many pages were asked for.
    pub(crate) fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ObjectList for Bucket {
    async fn list(&self, bucket: &str, prefix: &str, cursor: Option<&str>) -> PortResult<ObjectPage> {
        assert_eq!(bucket, BUCKET);
        // As over a network: others get a turn, and a planner may be dropped here.
        tokio::task::yield_now().await;
        self.pages.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = self.faults.lock().unwrap().pop_front() {
            return Err(error);
        }
        let objects = self.objects.lock().unwrap();
        let after = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = objects
            .range::<str, _>((after, Bound::Unbounded))
            .map(|(_, object)| object)
            .filter(|object| object.key.starts_with(prefix))
            .cloned();
        let objects: Vec<Object> = found.by_ref().take(PAGE).collect();
        let next = found.next().and_then(|_| objects.last().map(|last| last.key.clone()));
        Ok(ObjectPage { objects, next })
    }
}

#[derive(Default)]
pub(crate) struct Marks {
    rows: Mutex<HashMap<String, Watermark>>,
}

#[async_trait]
impl Watermarks for Marks {
    async fn get(&self, name: &str) -> PortResult<Option<Watermark>> {
        tokio::task::yield_now().await;
        Ok(self.rows.lock().unwrap().get(name).cloned())
    }

    async fn save(&self, name: &str, expected: Option<&Watermark>, new: &Watermark) -> PortResult<bool> {
        tokio::task::yield_now().await;
        let mut rows = self.rows.lock().unwrap();
        if rows.get(name) != expected {
            return Ok(false);
        }
        rows.insert(name.into(), new.clone());
        Ok(true)
    }
}
