//! The objects of a bucket as a source, in the order of their keys. The cursor is the last key.

use std::collections::VecDeque;
use std::sync::Arc;

use gantz_core::ids::JobId;
use gantz_core::job::expires_at_s;
use gantz_core::object_prefix::ObjectPrefix;
use gantz_core::ports::{NewObjects, Object, ObjectList, PortError, PortResult, may_be_new, object_mark};
use serde_json::{Map, Value};

use super::page::{Item, Page};

pub(super) struct Objects {
    list: Arc<dyn ObjectList>,
    place: ObjectPrefix,
    /// Listed and not handed out yet.
    ahead: VecDeque<Object>,
    /// Where the listing goes on.
    next: Listing,
    /// The last key handed out.
    last: Option<String>,
    /// Present if only those are handed out that no other batch has taken.
    new_only: Option<NewOnly>,
}

/// Takes for a batch what no other run of its schedule has taken.
pub(super) struct NewOnly {
    pub(super) taken: Arc<dyn NewObjects>,
    pub(super) schedule: String,
    pub(super) batch: JobId,
    /// What was modified long before that has been looked at.
    pub(super) looked_at_until_ms: u64,
    pub(super) now_ms: u64,
}

impl NewOnly {
    async fn take(&self, bucket: &str, mut objects: Vec<Object>) -> PortResult<Vec<Object>> {
        objects.retain(|object| may_be_new(object, self.looked_at_until_ms));
        if objects.is_empty() {
            return Ok(objects);
        }
        let marks = objects.iter().map(|object| object_mark(bucket, object)).collect();
        let mut mine =
            self.taken.take(&self.schedule, &self.batch, marks, expires_at_s(self.now_ms)).await?.into_iter();
        objects.retain(|_| mine.next() == Some(true));
        Ok(objects)
    }
}

enum Listing {
    After(Option<String>),
    Ended,
}

impl Objects {
    pub(super) fn open(
        list: Arc<dyn ObjectList>,
        place: ObjectPrefix,
        cursor: Option<String>,
        new_only: Option<NewOnly>,
    ) -> Self {
        let next = Listing::After(cursor.clone());
        Self { list, place, ahead: VecDeque::new(), next, last: cursor, new_only }
    }

    /// A listing that fails for good cuts the source short; one that may work later is an error.
    pub(super) async fn next_page(&mut self, size: usize) -> PortResult<Page> {
        let mut items = Vec::with_capacity(size);
        let mut end = None;
        while items.len() < size {
            let wanted = self.ahead.len().min(size - items.len());
            if wanted > 0 {
                let objects: Vec<Object> = self.ahead.drain(..wanted).collect();
                self.last = objects.last().map(|object| object.key.clone());
                // No more than the page holds: what is taken and not planned has no job.
                let mine = match &self.new_only {
                    Some(new_only) => new_only.take(&self.place.bucket, objects).await?,
                    None => objects,
                };
                items.extend(mine.into_iter().filter_map(|object| self.item(object)));
                continue;
            }
            match self.list_on().await {
                Ok(true) => {}
                Ok(false) => {
                    end = Some(Ok(()));
                    break;
                }
                Err(PortError::Permanent(error)) => {
                    end = Some(Err(format!("cannot list `{}`: {error}", self.place.bucket)));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Page { items, cursor: self.last.clone().unwrap_or_default(), end, left_out: 0 })
    }

    /// Lists a page more; false at the end.
    async fn list_on(&mut self) -> PortResult<bool> {
        let Listing::After(cursor) = &self.next else { return Ok(false) };
        let page = self.list.list(&self.place.bucket, &self.place.prefix, cursor.as_deref()).await?;
        self.ahead = page.objects.into();
        self.next = page.next.map_or(Listing::Ended, |key| Listing::After(Some(key)));
        Ok(true)
    }

    fn item(&self, object: Object) -> Option<Item> {
        if object.is_folder_marker() {
            return None;
        }
        let parameters = [("bucket", &self.place.bucket), ("key", &object.key)]
            .map(|(name, value)| (name.to_owned(), Value::from(value.as_str())));
        Some(Item { parameters: Ok(Map::from_iter(parameters)), label: Some(object.key), again: None })
    }
}
