//! A bucket, and which of its objects schedules have taken, kept in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gantz_core::ids::JobId;
use gantz_core::ports::{
    ByteReader, ByteSource, NewObjects, Object, ObjectList, ObjectPage, Opened, Place, PortError, PortResult,
    SourceError,
};

pub(crate) const BUCKET: &str = "acme-incoming";

#[derive(Default)]
pub(crate) struct Bucket {
    objects: Mutex<BTreeMap<String, Object>>,
    contents: Mutex<HashMap<String, Arc<str>>>,
    faults: Mutex<VecDeque<PortError>>,
    read_faults: Arc<Mutex<VecDeque<SourceError>>>,
    pages: AtomicUsize,
}

/// Small, so that a few hundred objects are several pages, none of them a multiple of a shard.
const PAGE: usize = 130;

impl Bucket {
    pub(crate) fn put(&self, key: &str, content: &str, modified_at_ms: u64) {
        let size_bytes = content.len() as u64;
        let object = Object { key: key.into(), size_bytes, etag: format!("of {content}"), modified_at_ms };
        self.objects.lock().unwrap().insert(key.into(), object);
        self.contents.lock().unwrap().insert(key.into(), content.into());
    }

    /// The next listings fail, in this order.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = PortError>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// The next reads of opened objects fail, in this order.
    pub(crate) fn fail_reads(&self, faults: impl IntoIterator<Item = SourceError>) {
        self.read_faults.lock().unwrap().extend(faults);
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

#[async_trait]
impl ByteSource for Bucket {
    async fn open(&self, place: &Place) -> Result<Opened, SourceError> {
        tokio::task::yield_now().await;
        let Place::Object { bucket, key, version: None, etag: None } = place else {
            panic!("{place:?} is no newest object")
        };
        let content = self.contents.lock().unwrap().get(key).cloned();
        let content = content
            .filter(|_| bucket == BUCKET)
            .ok_or_else(|| SourceError::NotFound { place: format!("s3://{bucket}/{key}") })?;
        let version = Some(self.objects.lock().unwrap()[key].etag.clone());
        let size_bytes = content.len() as u64;
        let reader = Box::new(Reader { content, faults: Arc::clone(&self.read_faults) });
        Ok(Opened { size_bytes, version, reader })
    }
}

struct Reader {
    content: Arc<str>,
    faults: Arc<Mutex<VecDeque<SourceError>>>,
}

#[async_trait]
impl ByteReader for Reader {
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        tokio::task::yield_now().await;
        if let Some(error) = self.faults.lock().unwrap().pop_front() {
            return Err(error);
        }
        let rest = &self.content.as_bytes()[usize::try_from(offset).unwrap()..];
        // In pieces that end anywhere.
        let count = rest.len().min(buffer.len()).min(1_009);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
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
