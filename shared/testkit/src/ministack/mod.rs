//! An AWS endpoint of a test's own: ministack, installed once into the target directory at a pinned version, running
//! on a free port of loopback until the value is dropped or the process ends.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::python;

const REQUIREMENTS: &str = include_str!("requirements.txt");
const SERVE: &str = include_str!("serve.py");
/// Names the folder of an installation; a change of the requirements takes a new one.
const INSTALLATION: &str = "ministack-1.5.33";
/// Long enough for a machine that is busy with compilers; it passes only if something hangs.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);
/// Begins the name of a server's folder for what it unpacks; its port ends it.
const SCRATCH: &str = "ministack-scratch-";
/// A server may still be about to listen.
const SCRATCH_KEPT: Duration = Duration::from_secs(600);

/// A running endpoint.
#[derive(Debug)]
pub struct Ministack {
    child: Child,
    /// Its address, `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// Its log.
    pub log: PathBuf,
}

/// The folder with the emulator's packages of Python, installed if need be.
///
/// # Panics
/// As [`Ministack::start`].
pub fn packages() -> PathBuf {
    python::install(INSTALLATION, REQUIREMENTS)
}

impl Ministack {
    /// Starts an endpoint of its own, installing the program if need be. `environment` are further settings of
    /// ministack's.
    ///
    /// # Panics
    /// When Python or pip is missing, or the endpoint does not come up.
    pub fn start(environment: &[(&str, &str)]) -> Self {
        let site = packages();
        remove_leavings(&site);
        let port = free_port();
        let scratch = site.with_file_name(format!("{SCRATCH}{port}"));
        fs::create_dir_all(&scratch).unwrap();
        let log = site.with_file_name(format!("ministack-{port}.log"));
        let output = File::create(&log).unwrap();
        let child = Command::new("python3")
            .args(["-c", SERVE])
            .env("PYTHONPATH", &site)
            .env("TMPDIR", &scratch)
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            // Listeners of services that nobody here asks for.
            .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut ministack = Self { child, endpoint: format!("http://127.0.0.1:{port}"), log };
        ministack.wait_until_ready(port);
        ministack
    }

    /// What an AWS client of any language needs to talk to it.
    pub fn environment(&self) -> [(&'static str, &str); 4] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ]
    }

    #[expect(clippy::disallowed_methods, reason = "a test's patience is measured in real time")]
    fn wait_until_ready(&mut self, port: u16) {
        let deadline = Instant::now() + PATIENCE;
        while !answers(port) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ministack ended with {status}: {}", self.tail());
            }
            assert!(Instant::now() < deadline, "ministack does not come up: {}", self.tail());
            std::thread::sleep(PAUSE);
        }
    }

    fn tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        // The end of its standard input ends it.
        drop(self.child.stdin.take());
        // Waiting fails only for a child that was waited for before.
        self.child.wait().ok();
    }
}

/// Deletes what servers that have ended left behind, some hundred megabytes of functions each: a test's process ends
/// without a word to them.
#[expect(clippy::disallowed_methods, reason = "files have real times")]
fn remove_leavings(site: &Path) {
    let Some(folder) = site.parent().and_then(|folder| fs::read_dir(folder).ok()) else { return };
    for entry in folder.filter_map(Result::ok) {
        let name = entry.file_name();
        let port =
            name.to_str().and_then(|name| name.strip_prefix(SCRATCH)).and_then(|port| port.parse().ok());
        let age =
            entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        let is_old = age.is_some_and(|age| age > SCRATCH_KEPT);
        if is_old && port.is_some_and(|port| TcpStream::connect(("127.0.0.1", port)).is_err()) {
            // Somebody else may be at it, too.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn answers(port: u16) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ministack/health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).unwrap().port()
}
