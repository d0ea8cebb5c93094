//! A bucket, and which of its objects schedules have taken.

use std::ops::Bound;

use async_trait::async_trait;
use gantz_core::ids::JobId;
use gantz_core::ports::{NewObjects, Object, ObjectList, ObjectPage, PortResult};

use crate::process::Process;
use crate::world::State;

/// Small, so that a few objects are several pages.
const PAGE: usize = 3;

#[async_trait]
impl ObjectList for Process {
    async fn list(&self, bucket: &str, prefix: &str, cursor: Option<&str>) -> PortResult<ObjectPage> {
        let (prefix, cursor) = (prefix.to_owned(), cursor.map(str::to_owned));
        let look = move |state: &mut State| {
            let after = cursor.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let behind = state.objects.range::<str, _>((after, Bound::Unbounded)).map(|(_, object)| object);
            let mut found = behind.filter(|object| object.key.starts_with(&prefix)).cloned();
            let objects: Vec<Object> = found.by_ref().take(PAGE).collect();
            let next = found.next().and_then(|_| objects.last().map(|last| last.key.clone()));
            ObjectPage { objects, next }
        };
        self.call("list_objects", bucket, look).await
    }
}

#[async_trait]
impl NewObjects for Process {
    async fn looked_at_until_ms(&self, schedule: &str) -> PortResult<u64> {
        let wanted = schedule.to_owned();
        let look = move |state: &mut State| state.looked_at_until_ms.get(&wanted).copied().unwrap_or(0);
        self.call("looked_at_until", schedule, look).await
    }

    async fn take(&self, schedule: &str, batch: &JobId, marks: Vec<String>, _: u64) -> PortResult<Vec<bool>> {
        let (schedule, batch) = (schedule.to_owned(), batch.clone());
        let what = format!("{schedule} for {batch}");
        let take = move |state: &mut State| {
            let mut take_one = |mark: &String| {
                let key = (schedule.clone(), mark.clone());
                *state.taken.entry(key).or_insert_with(|| batch.clone()) == batch
            };
            marks.iter().map(&mut take_one).collect()
        };
        self.call("take_objects", &what, take).await
    }

    async fn looked_at(&self, schedule: &str, until_ms: u64) -> PortResult<()> {
        let wanted = schedule.to_owned();
        let note = move |state: &mut State| {
            let until = state.looked_at_until_ms.entry(wanted.clone()).or_default();
            *until = until_ms.max(*until);
        };
        self.call("looked_at", schedule, note).await
    }
}
