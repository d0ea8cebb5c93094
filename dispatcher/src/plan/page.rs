//! A batch's source, read page by page: files on a thread that may block.

use std::path::Path;
use std::sync::Arc;

use gantz_core::ports::{PortError, PortResult};
use serde_json::{Map, Value};

use super::StoredSource;
use super::files::Files;
use super::lines::Lines;
use super::objects::Objects;
use super::parts::Parts;
use crate::submit::{Dispatcher, NO_OBJECTS};
use gantz_core::manifest::ToolSpec;

/// One child to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// Its own parameters, or what is wrong with them.
    pub(super) parameters: Result<Map<String, Value>, String>,
    /// What a person calls it.
    pub(super) label: Option<String>,
}

/// Some items, and where to go on. A page is full unless it is the last.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) cursor: String,
    /// Present on the last page: the source's end, or what cut it short.
    pub(super) end: Option<Result<(), String>>,
}

/// A source could not be opened.
#[derive(Debug)]
pub(super) enum SourceError {
    /// For people, and final.
    Final(String),
    /// The backend failed: it may be there later.
    Port(PortError),
}

/// An open source.
pub(super) enum Source {
    Parts(Parts),
    Lines(Box<Lines>),
    Files(Box<Files>),
    Objects(Box<Objects>),
}

impl Source {
    /// Opens a source where `cursor` says.
    pub(super) async fn open(
        dispatcher: &Dispatcher,
        tool: &ToolSpec,
        stored: &StoredSource,
        cursor: Option<String>,
        spared: &Path,
    ) -> Result<Self, SourceError> {
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
            StoredSource::Objects(place) => {
                let list = dispatcher.objects.clone().ok_or_else(|| NO_OBJECTS.to_owned());
                list.map(|list| Self::Objects(Box::new(Objects::open(list, place.clone(), cursor))))
            }
        };
        opened.map_err(SourceError::Final)
    }

    /// The next page, of up to `size` items.
    pub(super) async fn next_page(self, size: usize) -> PortResult<(Self, Page)> {
        match self {
            Self::Parts(parts) => parts.next_page(size).await.map(|(parts, page)| (Self::Parts(parts), page)),
            Self::Lines(mut lines) => {
                blocking(move || {
                    let page = lines.next_page(size);
                    (Self::Lines(lines), page)
                })
                .await
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
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> PortResult<T> {
    let read = tokio::task::spawn_blocking(read);
    read.await.map_err(|error| PortError::Transient(format!("reading the source was stopped: {error}")))
}
