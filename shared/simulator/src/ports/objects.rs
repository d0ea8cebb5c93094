//! A bucket, and how far scans of it have come.

use std::ops::Bound;

use async_trait::async_trait;
use gantz_core::ports::{Object, ObjectList, ObjectPage, PortResult, Watermark, Watermarks};

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
impl Watermarks for Process {
    async fn get(&self, name: &str) -> PortResult<Option<Watermark>> {
        let wanted = name.to_owned();
        self.call("get_watermark", name, move |state| state.marks.get(&wanted).cloned()).await
    }

    async fn save(&self, name: &str, expected: Option<&Watermark>, new: &Watermark) -> PortResult<bool> {
        let (key, expected, new) = (name.to_owned(), expected.cloned(), new.clone());
        let save = move |state: &mut State| {
            let is_expected = state.marks.get(&key) == expected.as_ref();
            if is_expected {
                state.marks.insert(key.clone(), new.clone());
            }
            is_expected
        };
        self.call("save_watermark", name, save).await
    }
}
