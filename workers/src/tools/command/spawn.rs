//! Starting a program, and saying why one cannot be started.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Stdio;

use gantz_core::outcome::{ErrorKind, Outcome};
use rustix::io::Errno;
use tokio::process::Command;

use super::group::ProcessGroup;
use super::running::Running;

/// What is to be started.
pub(in crate::tools) struct Launch<'l> {
    /// An absolute path, or a name to be looked up in `PATH`.
    pub(in crate::tools) program: &'l Path,
    pub(in crate::tools) args: Vec<String>,
    /// All of its environment.
    pub(in crate::tools) env: Vec<(OsString, OsString)>,
    /// Where it runs.
    pub(in crate::tools) folder: &'l Path,
}

/// Starts the program in a process group of its own.
pub(in crate::tools) fn start(launch: Launch<'_>) -> Result<Running, Outcome> {
    let Launch { program, args, env, folder } = launch;
    let search_path = env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(env).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The group's guard kills it, unless it moved to another group.
    command.process_group(0).kill_on_drop(true);

    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Err(explain(&error, program, folder, &search_path.unwrap_or_default())),
    };
    let group = ProcessGroup::led_by(&child);
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok(Running { group, child, stdin, stdout, stderr }),
        _ => Err(Outcome::transient(ErrorKind::ToolError, "the program was started without pipes")),
    }
}

/// What stands in a program's way once stays there; a shortage on the machine passes.
fn explain(error: &io::Error, program: &Path, folder: &Path, search_path: &OsStr) -> Outcome {
    let name = program.display();
    let not_found = |message| Outcome::permanent(ErrorKind::NotFound, message);
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if !folder.is_dir() => {
            not_found(format!("`{name}` is to run in {}, which is no folder", folder.display()))
        }
        io::ErrorKind::NotFound if program.is_relative() => {
            let search_path = search_path.display();
            not_found(format!("`{name}` is in no folder of PATH={search_path}"))
        }
        io::ErrorKind::NotFound if program.exists() => {
            not_found(format!("`{name}` exists, but the interpreter that its first line names does not"))
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            not_found(format!("`{name}` does not exist"))
        }
        io::ErrorKind::PermissionDenied => {
            Outcome::permanent(ErrorKind::AccessDenied, format!("`{name}` may not be executed: {error}"))
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::ArgumentListTooLong => {
            Outcome::permanent(ErrorKind::Invalid, format!("`{name}` cannot take these arguments: {error}"))
        }
        _ if Errno::from_io_error(error) == Some(Errno::NOEXEC) => Outcome::permanent(
            ErrorKind::ToolError,
            format!("`{name}` is neither a program for this machine nor a script whose first line is `#!…`"),
        ),
        _ => Outcome::transient(ErrorKind::ToolError, format!("failed to start `{name}`: {error}")),
    }
}
