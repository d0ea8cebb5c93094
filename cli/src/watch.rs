//! A watched folder: every file that appears there becomes a job.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use gantz_core::admit::Origin;
use gantz_core::spec::JobSpec;
use gantz_dispatcher::{Dispatcher, SubmitError};
use serde_json::json;
use tokio::sync::mpsc;
use walkdir::{DirEntry, WalkDir};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Files remembered from one look to the next, a few dozen bytes each. One that is not remembered is never taken for
/// unchanged, so it has to wait until others are gone.
const SEEN_MAX: usize = 1_000_000;
/// How far the walk may run ahead of what is made of it.
const AHEAD: usize = 256;

/// What is watched.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) folder: PathBuf,
    /// The tool that a file is given to, as its parameter `path`.
    pub(crate) tool: String,
    /// A folder that is left out.
    pub(crate) spared: PathBuf,
}

/// What a walk comes across.
struct Found {
    path: PathBuf,
    /// The file as it is, or why nobody can tell.
    stamp: Result<Stamp, String>,
}

/// A file as it is at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified_ms: u128,
}

/// What was made of a file as it was at the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It may still be written to.
    New(Stamp),
    /// The store would not take it for now, which was logged: it is tried again.
    Held(Stamp),
    /// It is a job, or never will be, which was logged.
    Done(Stamp),
    /// It could not be read, which was logged.
    Unreadable,
}

/// Files by the digest of their path.
type Memory = HashMap<u64, Seen>;

/// Looks at the folder once a second, for ever. A file is submitted once it has not changed between two looks; its
/// job's id follows from its path, size and time, so that a restart makes no second job.
pub(crate) async fn serve(dispatcher: Dispatcher, watched: Watched) {
    let mut before = Memory::new();
    let mut full = false;
    loop {
        let mut now = Memory::with_capacity(before.len());
        let (sender, mut found) = mpsc::channel(AHEAD);
        let place = watched.clone();
        let walk = tokio::task::spawn_blocking(move || walk(&place, &sender));
        let mut left_out = 0_usize;
        while let Some(found) = found.recv().await {
            let key = key(&found.path);
            if now.len() >= SEEN_MAX {
                left_out += 1;
                continue;
            }
            now.insert(key, look(&dispatcher, &watched.tool, before.get(&key).copied(), found).await);
        }
        match walk.await {
            // What is gone is forgotten.
            Ok(()) => before = now,
            Err(error) => {
                tracing::error!(%error, "a look at the watched folder ended badly");
                before.extend(now);
            }
        }
        if left_out > 0 && !full {
            tracing::warn!(left_out, remembered = SEEN_MAX, "the watched folder has too many files");
        }
        full = left_out > 0;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What becomes of a file, given what was made of it at the last look.
async fn look(dispatcher: &Dispatcher, tool: &str, last: Option<Seen>, found: Found) -> Seen {
    let path = found.path;
    let stamp = match found.stamp {
        Ok(stamp) => stamp,
        Err(error) => {
            if last != Some(Seen::Unreadable) {
                tracing::warn!(path = %path.display(), error, "cannot read a part of the watched folder");
            }
            return Seen::Unreadable;
        }
    };
    match last {
        Some(Seen::Done(seen)) if seen == stamp => Seen::Done(stamp),
        Some(Seen::New(seen) | Seen::Held(seen)) if seen == stamp => {
            let Some(name) = path.to_str() else {
                tracing::warn!(path = %path.display(), "a watched file's name is not UTF-8: it is left alone");
                return Seen::Done(stamp);
            };
            let submitted = submit(dispatcher, tool, name, stamp).await;
            after_submission(&path, stamp, last == Some(Seen::Held(stamp)), submitted)
        }
        _ => Seen::New(stamp),
    }
}

/// Each failure is logged once for the file as it is, however often it is looked at.
fn after_submission(path: &Path, stamp: Stamp, logged: bool, submitted: Result<(), SubmitError>) -> Seen {
    let error = match submitted {
        Ok(()) => return Seen::Done(stamp),
        Err(error) => error,
    };
    let passing = !error.is_final();
    if !logged {
        tracing::warn!(path = %path.display(), %error, passing, "failed to submit a watched file");
    }
    if passing { Seen::Held(stamp) } else { Seen::Done(stamp) }
}

async fn submit(dispatcher: &Dispatcher, tool: &str, name: &str, stamp: Stamp) -> Result<(), SubmitError> {
    let occurrence = Some(format!("{name}|{}|{}", stamp.bytes, stamp.modified_ms));
    let spec = JobSpec { label: Some(name.to_owned()), ..JobSpec::new(tool, json!({ "path": name })) };
    dispatcher.submit(spec, &Origin { source: "watch", occurrence }).await.map(|_| ())
}

fn walk(watched: &Watched, found: &mpsc::Sender<Found>) {
    let entries = WalkDir::new(&watched.folder).into_iter();
    for entry in entries.filter_entry(|entry| entry.path() != watched.spared) {
        let item = match entry {
            Ok(entry) if !entry.file_type().is_file() => continue,
            Ok(entry) => match stamp(&entry) {
                // It was there a moment ago.
                Err(error) if is_gone(&error) => continue,
                stamp => Found { stamp: stamp.map_err(|error| error.to_string()), path: entry.into_path() },
            },
            Err(error) if is_gone(&error) && error.depth() > 0 => continue,
            Err(error) => Found {
                path: error.path().unwrap_or(&watched.folder).to_owned(),
                stamp: Err(error.to_string()),
            },
        };
        if found.blocking_send(item).is_err() {
            return;
        }
    }
}

fn is_gone(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn stamp(entry: &DirEntry) -> walkdir::Result<Stamp> {
    let metadata = entry.metadata()?;
    // A file without a time, or from before all time, is told from others by its size.
    let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    Ok(Stamp { bytes: metadata.len(), modified_ms: modified.unwrap_or_default().as_millis() })
}

fn key(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use gantz_core::ports::PortError;

    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_the_rest_is_not() {
        let stamp = Stamp { bytes: 1, modified_ms: 2 };
        let check = |submitted, expect| {
            assert_eq!(after_submission(Path::new("x"), stamp, true, submitted), expect);
        };
        check(Ok(()), Seen::Done(stamp));
        check(Err(SubmitError::Backlog { queued: 2, bound: 1 }), Seen::Held(stamp));
        check(Err(SubmitError::Port(PortError::Transient("away".into()))), Seen::Held(stamp));
        check(Err(SubmitError::TooLarge { bytes: 1 }), Seen::Done(stamp));
    }
}
