//! `BlobStore` over files named by the hash of their content.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use gantz_core::ids::sha256_hex;
use gantz_core::ports::{BlobError, BlobStore, PortError};

use crate::open::Embedded;
use crate::{private, room};

const SCHEME: &str = "blob:";

#[async_trait]
impl BlobStore for Embedded {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError> {
        let folder = folder(self.path());
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.shared.clock.now_ms());
        let room = Arc::clone(&self.room);
        blocking(move || {
            let name = sha256_hex(&bytes);
            let stored =
                private::folder(&folder).and_then(|()| store(&folder.join(&name[..2]), &name, &bytes, now));
            match stored {
                Ok(()) => Ok(format!("{SCHEME}{name}")),
                Err(error) if room::is_full(&error) => Err(room.lacks(1, &error).into()),
                Err(error) => Err(io_error(&error)),
            }
        })
        .await
    }

    async fn get(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
        read(self.path(), reference, max_bytes).await
    }
}

/// The checked bytes of a reference.
pub(crate) async fn read(data_dir: &Path, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
    let not_found = || BlobError::NotFound(reference.to_owned());
    let name = reference.strip_prefix(SCHEME).filter(|name| is_hash(name)).ok_or_else(not_found)?.to_owned();
    let (path, reference) = (folder(data_dir).join(&name[..2]).join(&name), reference.to_owned());
    blocking(move || {
        let bytes = load(&path, &reference, max_bytes)?;
        if sha256_hex(&bytes) == name { Ok(bytes) } else { Err(BlobError::Damaged(reference)) }
    })
    .await
}

/// Where the blobs are.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("blobs")
}

fn is_hash(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The file appears under its name only when its content is safe on disk, and so is the name.
fn store(folder: &Path, name: &str, bytes: &[u8], now: SystemTime) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let path = folder.join(name);
    if path.try_exists()? {
        // Stored before. Renew its age, by which unused blobs are found.
        return File::options().append(true).open(&path)?.set_modified(now);
    }
    let (temporary, mut file) = new_file_beside(folder, name)?;
    let written = file.write_all(bytes).and_then(|()| file.set_modified(now)).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, &path)) {
        // Half a blob is of no use to anybody, least of all on a disk that is full.
        fs::remove_file(&temporary).ok();
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// A new file beside `name` that no other writer of the same blob uses.
fn new_file_beside(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    for number in 0.. {
        let path = folder.join(format!("{name}.{number}.tmp"));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn load(path: &Path, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BlobError::NotFound(reference.to_owned()));
        }
        Err(error) => return Err(io_error(&error)),
    };
    let bytes = file.metadata().map_err(|error| io_error(&error))?.len();
    if bytes > max_bytes as u64 {
        return Err(BlobError::TooLarge { reference: reference.to_owned(), bytes, max_bytes });
    }
    let mut content = Vec::new();
    file.take(bytes).read_to_end(&mut content).map_err(|error| io_error(&error))?;
    Ok(content)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(PortError::Transient(format!("the access was stopped: {error}")).into()),
    }
}

fn io_error(error: &io::Error) -> BlobError {
    PortError::Transient(format!("the blob store failed: {error}")).into()
}
