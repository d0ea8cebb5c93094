//! Files of this machine as a [`ByteSource`].

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use gantz_core::ports::{ByteReader, ByteSource, Opened, Place, SourceError};

/// Reads files, either anywhere or only below a root.
#[derive(Debug, Clone, Default)]
pub struct LocalFiles {
    root: Option<Root>,
}

#[derive(Debug, Clone)]
struct Root {
    /// As it was given, made absolute: callers may write paths that start with it.
    given: PathBuf,
    /// Where it really is.
    real: PathBuf,
}

impl LocalFiles {
    /// Files anywhere that this process may read. Relative paths start at its working directory.
    pub fn anywhere() -> Self {
        Self { root: None }
    }

    /// Only files below `root`: relative paths start there, and whatever leads out of it is refused, by `..` as well as
    /// by a symbolic link.
    ///
    /// # Errors
    /// When `root` is no directory that can be entered.
    pub fn below(root: &Path) -> io::Result<Self> {
        let (given, real) = (std::path::absolute(root)?, root.canonicalize()?);
        if !real.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root: Some(Root { given, real }) })
    }

    /// `path` is what errors call the file.
    fn open_file(&self, wanted: &Path, path: &str) -> Result<Opened, SourceError> {
        let resolved = self.resolve(wanted, path)?;
        // Looked at before it is opened, because opening a device can already have an effect.
        require_regular(path, &resolved.metadata().map_err(|error| failed(path, error))?)?;
        let file = open_without_waiting(&resolved).map_err(|error| failed(path, error))?;
        let metadata = file.metadata().map_err(|error| failed(path, error))?;
        require_regular(path, &metadata)?;
        self.require_inside(path, &file)?;
        let reader = FileReader { file, path: path.to_owned() };
        Ok(Opened { size_bytes: metadata.len(), version: None, reader: Box::new(reader) })
    }

    fn resolve(&self, wanted: &Path, path: &str) -> Result<PathBuf, SourceError> {
        let Some(root) = &self.root else {
            return Ok(wanted.to_owned());
        };
        let wanted = root.real.join(wanted);
        // By its letters first, so that the answer does not tell what exists outside.
        let plain = without_dots(&wanted);
        if !plain.starts_with(&root.real) && !plain.starts_with(&root.given) {
            return Err(outside(path));
        }
        let resolved = wanted.canonicalize().map_err(|error| failed(path, error))?;
        if resolved.starts_with(&root.real) { Ok(resolved) } else { Err(outside(path)) }
    }

    /// Asks the system which file was opened: a link may have been swapped in after the path was resolved.
    fn require_inside(&self, path: &str, file: &File) -> Result<(), SourceError> {
        match (&self.root, opened_path(file)) {
            (Some(root), Some(actual)) if !actual.starts_with(&root.real) => Err(outside(path)),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl ByteSource for LocalFiles {
    async fn open(&self, place: &Place) -> Result<Opened, SourceError> {
        match place {
            Place::File { path } => self.open_file(Path::new(path), path),
            Place::FileOfBytes { path_base64 } => {
                let path = from_base64(path_base64)?;
                self.open_file(&path, &path.to_string_lossy())
            }
            Place::Object { bucket, key, .. } => {
                let place = format!("s3://{bucket}/{key}");
                Err(SourceError::Invalid { place, why: "this source reads files, give a `path`" })
            }
        }
    }
}

#[cfg(unix)]
fn from_base64(text: &str) -> Result<PathBuf, SourceError> {
    use std::os::unix::ffi::OsStringExt;
    let bytes = STANDARD.decode(text).map_err(|_| SourceError::Invalid {
        place: text.to_owned(),
        why: "it is no base64 (RFC 4648, with padding) of a path",
    })?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(not(unix))]
fn from_base64(text: &str) -> Result<PathBuf, SourceError> {
    Err(SourceError::Invalid { place: text.to_owned(), why: "paths are text on this system, give a `path`" })
}

struct FileReader {
    file: File,
    path: String,
}

#[async_trait]
impl ByteReader for FileReader {
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        loop {
            match read_file_at(&mut self.file, offset, buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|error| failed(&self.path, error)),
            }
        }
    }
}

#[cfg(unix)]
fn read_file_at(file: &mut File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_file_at(file: &mut File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    use std::io::{Read, Seek};
    file.seek(io::SeekFrom::Start(offset))?;
    file.read(buffer)
}

/// `path` with `.` and `..` resolved by their letters alone.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => plain.push(part),
        }
    }
    plain
}

fn require_regular(path: &str, metadata: &Metadata) -> Result<(), SourceError> {
    let why = if metadata.is_file() {
        return Ok(());
    } else if metadata.is_dir() {
        "it is a directory, give the path of a file"
    } else {
        "it is a pipe, socket or device, give the path of a regular file"
    };
    Err(SourceError::NotRegular { place: path.to_owned(), why })
}

/// Opens for reading; a pipe that was swapped in since the last look does not make this wait for a writer.
fn open_without_waiting(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.open(path)
}

#[cfg(target_os = "linux")]
fn opened_path(file: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

#[cfg(not(target_os = "linux"))]
fn opened_path(_file: &File) -> Option<PathBuf> {
    None
}

fn outside(path: &str) -> SourceError {
    SourceError::Forbidden { place: path.to_owned(), why: "it lies outside the folder that tools may read" }
}

fn failed(path: &str, error: io::Error) -> SourceError {
    let place = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceError::NotFound { place },
        io::ErrorKind::PermissionDenied => {
            SourceError::Forbidden { place, why: "the system denies reading it" }
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => {
            SourceError::Invalid { place, why: "it is not a valid path" }
        }
        _ if is_link_loop(&error) => {
            SourceError::Invalid { place, why: "its symbolic links run in a circle" }
        }
        _ => SourceError::Unavailable { place, source: Box::new(error) },
    }
}

fn is_link_loop(error: &io::Error) -> bool {
    cfg!(unix) && error.raw_os_error() == Some(libc::ELOOP)
}
