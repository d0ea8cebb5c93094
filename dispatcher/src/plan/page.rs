//! A batch's source, read page by page: files on a thread that may block.

use std::path::Path;
use std::sync::Arc;

use gantz_core::batch::BatchRecord;
use gantz_core::ids::JobId;
use gantz_core::limits::{BATCH_SHARD_CHILDREN, PARAMETERS_MAX_BYTES};
use gantz_core::manifest::ToolSpec;
use gantz_core::ports::{BlobError, BlobStore, PortError, PortResult};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StoredSource;
use super::files::Files;
use super::lines::Lines;
use super::object_lines::ObjectLines;
use super::objects::{NewOnly, Objects};
use super::parts::Parts;
use super::unsuccessful::Unsuccessful;
use crate::submit::{Dispatcher, NO_OBJECTS};

/// The size of a written page: a shard's items at their largest, and what is around them.
pub(crate) const PLANNED_PAGE_MAX_BYTES: usize =
    BATCH_SHARD_CHILDREN as usize * (PARAMETERS_MAX_BYTES + 64 * 1024);

/// One child to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// Its own parameters, or what is wrong with them.
    pub(super) parameters: Result<Map<String, Value>, String>,
    /// What a person calls it.
    pub(super) label: Option<String>,
    /// The job that it does again, if it does.
    pub(super) again: Option<Again>,
}

/// A job that is done again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Again {
    pub(super) retry_of: JobId,
    /// What a keyed tool's provider knows its effect by.
    pub(super) effect_key: JobId,
}

/// Some items, and where to go on. A page is full unless it is the last.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) cursor: String,
    /// Present on the last page: the source's end, or what cut it short.
    pub(super) end: Option<Result<(), String>>,
    /// What the source had and no page has, from its beginning to the end of this one.
    pub(super) left_out: u32,
}

/// A page as it is written down.
#[derive(Serialize, Deserialize)]
struct WrittenPage {
    items: Vec<WrittenItem>,
    cursor: String,
    /// Whether the source ends with it.
    is_last: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut_short: Option<String>,
    #[serde(default)]
    left_out: u32,
    /// Parameters that the batch's children share, for who reads the page without the batch.
    #[serde(default)]
    shared: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct WrittenItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<Again>,
}

impl Page {
    /// Writes it down, so that a planner which starts again plans the same.
    pub(super) async fn write(
        &self,
        blobs: &dyn BlobStore,
        shared: &Map<String, Value>,
    ) -> PortResult<String> {
        let items = self.items.iter().map(|item| WrittenItem {
            parameters: item.parameters.as_ref().ok().cloned(),
            error: item.parameters.as_ref().err().cloned(),
            label: item.label.clone(),
            again: item.again.clone(),
        });
        let page = WrittenPage {
            items: items.collect(),
            cursor: self.cursor.clone(),
            is_last: self.end.is_some(),
            cut_short: self.end.clone().and_then(Result::err),
            left_out: self.left_out,
            shared: shared.clone(),
        };
        let bytes = serde_json::to_vec(&page).map_err(|error| PortError::Permanent(error.to_string()))?;
        Ok(blobs.put(bytes).await?)
    }

    /// The page that was written there, or why it cannot be had any more.
    pub(super) async fn read(blobs: &dyn BlobStore, reference: &str) -> PortResult<Result<Self, String>> {
        let page = match WrittenPage::read(blobs, reference).await? {
            Ok(page) => page,
            Err(error) => return Ok(Err(format!("a page of the plan is lost: {error}"))),
        };
        let end = page.is_last.then(|| page.cut_short.map_or(Ok(()), Err));
        let items = page.items.into_iter().map(Item::from).collect();
        Ok(Ok(Self { items, cursor: page.cursor, end, left_out: page.left_out }))
    }
}

/// The children of the page that was written there, with all their parameters, or why they cannot be had any more.
pub(super) async fn children(
    blobs: &dyn BlobStore,
    reference: &str,
) -> PortResult<Result<Vec<Item>, String>> {
    let WrittenPage { items, shared, .. } = match WrittenPage::read(blobs, reference).await? {
        Ok(page) => page,
        Err(error) => return Ok(Err(error)),
    };
    let complete = |written| {
        let item = Item::from(written);
        Item { parameters: item.parameters.map(|own| together(&shared, own)), ..item }
    };
    Ok(Ok(items.into_iter().map(complete).collect()))
}

/// The items of a written page as they were planned, each its own parameters, or null where it had none.
pub(crate) fn planned_inputs(page: &[u8]) -> serde_json::Result<Vec<Value>> {
    let page: WrittenPage = serde_json::from_slice(page)?;
    Ok(page.items.into_iter().map(|item| item.parameters.map_or(Value::Null, Value::Object)).collect())
}

/// A child's parameters: what it shares with the others, unless its own say otherwise.
pub(super) fn together(shared: &Map<String, Value>, own: Map<String, Value>) -> Map<String, Value> {
    let mut all = shared.clone();
    all.extend(own);
    all
}

impl WrittenPage {
    async fn read(blobs: &dyn BlobStore, reference: &str) -> PortResult<Result<Self, String>> {
        match blobs.get(reference, PLANNED_PAGE_MAX_BYTES).await {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_err(|error| error.to_string())),
            Err(BlobError::Port(error)) => Err(error),
            Err(error) => Ok(Err(error.to_string())),
        }
    }
}

impl From<WrittenItem> for Item {
    fn from(item: WrittenItem) -> Self {
        Self {
            parameters: item.parameters.ok_or_else(|| item.error.unwrap_or_default()),
            label: item.label,
            again: item.again,
        }
    }
}

/// A source could not be opened.
#[derive(Debug)]
pub(super) enum SourceError {
    /// For people, and final.
    Final(String),
    /// The backend failed: it may be there later.
    Port(PortError),
}

impl From<PortError> for SourceError {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

/// An open source.
pub(super) enum Source {
    Parts(Parts),
    Lines(Box<Lines>),
    ObjectLines(Box<ObjectLines>),
    Files(Box<Files>),
    Objects(Box<Objects>),
    Unsuccessful(Box<Unsuccessful>),
}

impl Source {
    /// Opens the source of a batch where its cursor says.
    pub(super) async fn open(
        dispatcher: &Dispatcher,
        tool: &ToolSpec,
        stored: &StoredSource,
        BatchRecord { id: batch, cursor, .. }: &BatchRecord,
        spared: &Path,
    ) -> Result<Self, SourceError> {
        let cursor = cursor.clone();
        let blobs = || Arc::clone(&dispatcher.ports.blobs);
        let opened = match stored {
            StoredSource::Blob(reference) => {
                return Parts::open(blobs(), vec![reference.clone()], cursor.as_deref())
                    .await
                    .map(Self::Parts);
            }
            StoredSource::Blobs(references) => {
                return Parts::open(blobs(), references.clone(), cursor.as_deref()).await.map(Self::Parts);
            }
            StoredSource::Jsonl(path) => {
                Lines::of_file(Path::new(path), cursor.as_deref()).map(|lines| Self::Lines(Box::new(lines)))
            }
            StoredSource::Files { patterns, parameter } => {
                Files::open(patterns, parameter, tool, cursor.as_deref(), spared)
                    .map(|files| Self::Files(Box::new(files)))
            }
            StoredSource::JsonlObject(url) => {
                let Some(objects) = &dispatcher.object_bytes else {
                    return Err(SourceError::Final(NO_OBJECTS.to_owned()));
                };
                let lines = ObjectLines::open(&**objects, url.clone(), cursor.as_deref()).await?;
                return Ok(Self::ObjectLines(Box::new(lines)));
            }
            StoredSource::Objects(place) => {
                let list = dispatcher.objects.clone().ok_or_else(|| NO_OBJECTS.to_owned());
                list.map(|list| Self::Objects(Box::new(Objects::open(list, place.clone(), cursor, None))))
            }
            StoredSource::NewObjects(of) => {
                let (Some(list), Some(taken)) = (dispatcher.objects.clone(), dispatcher.new_objects.clone())
                else {
                    return Err(SourceError::Final(NO_OBJECTS.to_owned()));
                };
                let new_only = NewOnly {
                    looked_at_until_ms: taken.looked_at_until_ms(&of.schedule).await?,
                    taken,
                    schedule: of.schedule.clone(),
                    batch: batch.clone(),
                    now_ms: dispatcher.clock.now_ms(),
                };
                let objects = Objects::open(list, of.place.clone(), cursor, Some(new_only));
                Ok(Self::Objects(Box::new(objects)))
            }
            StoredSource::Unsuccessful { batch: earlier, even_if_it_ran } => {
                return Unsuccessful::open(dispatcher, earlier, *even_if_it_ran, cursor.as_deref())
                    .await
                    .map(|children| Self::Unsuccessful(Box::new(children)));
            }
        };
        opened.map_err(SourceError::Final)
    }

    /// The next page, of up to `size` items.
    pub(super) async fn next_page(self, size: usize) -> PortResult<(Self, Page)> {
        match self {
            Self::Parts(parts) => parts.next_page(size).await.map(|(parts, page)| (Self::Parts(parts), page)),
            Self::Lines(mut lines) => {
                blocking(move || lines.next_page(size).map(|page| (Self::Lines(lines), page))).await?
            }
            Self::ObjectLines(mut lines) => {
                blocking(move || lines.next_page(size).map(|page| (Self::ObjectLines(lines), page))).await?
            }
            Self::Files(mut files) => {
                blocking(move || {
                    let page = files.next_page(size);
                    (Self::Files(files), page)
                })
                .await
            }
            Self::Objects(mut objects) => {
                let page = objects.next_page(size).await?;
                Ok((Self::Objects(objects), page))
            }
            Self::Unsuccessful(mut children) => {
                let page = children.next_page(size).await?;
                Ok((Self::Unsuccessful(children), page))
            }
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> PortResult<T> {
    let read = tokio::task::spawn_blocking(read);
    read.await.map_err(|error| PortError::Transient(format!("reading the source was stopped: {error}")))
}
