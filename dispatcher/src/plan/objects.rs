//! The objects of a bucket as a source, in the order of their keys. The cursor is the last key.

use std::collections::VecDeque;
use std::sync::Arc;

use gantz_core::object_prefix::ObjectPrefix;
use gantz_core::ports::{Object, ObjectList, PortError, PortResult};
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
}

enum Listing {
    After(Option<String>),
    Ended,
}

impl Objects {
    pub(super) fn open(list: Arc<dyn ObjectList>, place: ObjectPrefix, cursor: Option<String>) -> Self {
        Self { list, place, ahead: VecDeque::new(), next: Listing::After(cursor.clone()), last: cursor }
    }

    /// A listing that fails for good cuts the source short; one that may work later is an error.
    pub(super) async fn next_page(&mut self, size: usize) -> PortResult<Page> {
        let mut items = Vec::with_capacity(size);
        let mut end = None;
        while items.len() < size {
            if let Some(object) = self.ahead.pop_front() {
                items.extend(self.item(object));
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

    fn item(&mut self, object: Object) -> Option<Item> {
        self.last = Some(object.key.clone());
        if object.is_folder_marker() {
            return None;
        }
        let parameters = [("bucket", &self.place.bucket), ("key", &object.key)]
            .map(|(name, value)| (name.to_owned(), Value::from(value.as_str())));
        Some(Item { parameters: Ok(Map::from_iter(parameters)), label: Some(object.key), again: None })
    }
}
