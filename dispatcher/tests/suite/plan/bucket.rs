//! A bucket, and which of its objects schedules have taken, kept in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use gantz_core::ids::JobId;
use gantz_core::ports::{NewObjects, Object, ObjectList, ObjectPage, PortError, PortResult};

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
    taken: Mutex<HashMap<(String, String), JobId>>,
    looked_at_until_ms: Mutex<HashMap<String, u64>>,
}

#[async_trait]
impl NewObjects for Marks {
    async fn looked_at_until_ms(&self, schedule: &str) -> PortResult<u64> {
        tokio::task::yield_now().await;
        Ok(self.looked_at_until_ms.lock().unwrap().get(schedule).copied().unwrap_or(0))
    }

    async fn take(&self, schedule: &str, batch: &JobId, marks: Vec<String>, _: u64) -> PortResult<Vec<bool>> {
        let mut mine = Vec::new();
        for mark in marks {
            // Runs that are side by side meet here.
            tokio::task::yield_now().await;
            let mut taken = self.taken.lock().unwrap();
            mine.push(taken.entry((schedule.into(), mark)).or_insert_with(|| batch.clone()) == batch);
        }
        Ok(mine)
    }

    async fn looked_at(&self, schedule: &str, until_ms: u64) -> PortResult<()> {
        tokio::task::yield_now().await;
        let mut until = self.looked_at_until_ms.lock().unwrap();
        let until = until.entry(schedule.into()).or_default();
        *until = until_ms.max(*until);
        Ok(())
    }
}
