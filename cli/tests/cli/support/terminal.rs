//! A terminal of the tests' own: what a person would see, whose stdout and stderr are no files.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::until;

/// What a process wrote to a terminal until it ended.
#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) code: Option<i32>,
    /// As it was written, with all escape sequences.
    pub(crate) raw: String,
}

/// What of a process goes to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Everything,
    /// Stdout goes nowhere, as in `gantz … > file`.
    StderrOnly,
}

impl Screen {
    /// Runs the command to its end on a terminal with so many columns, which may have colours.
    pub(crate) async fn of(mut command: Command, columns: u16, shown: Shown) -> Self {
        command.env_remove("NO_COLOR");
        Self::without_colours(command, columns, shown).await
    }

    /// As [`Screen::of`], with the tests' own setting, which is against colours.
    pub(crate) async fn without_colours(mut command: Command, columns: u16, shown: Shown) -> Self {
        // Not for the processes of tests beside this one: a terminal is at its end when nobody has it open.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("a terminal");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("its other side");
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).expect("its size");
        let name = ptsname(&ours, Vec::new()).expect("its name");
        let theirs =
            rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
        let theirs = File::from(theirs.expect("its other side"));

        command.stdin(Stdio::null()).env("TERM", "xterm-256color");
        command.stderr(theirs.try_clone().expect("a handle"));
        command.stdout(match shown {
            Shown::Everything => Stdio::from(theirs),
            Shown::StderrOnly => {
                drop(theirs);
                Stdio::null()
            }
        });
        let reader = read_all(File::from(ours));
        let mut child = command.spawn().expect("the binary");
        // It holds the last handles of the other side: with them closed here, reading ends when the process does.
        drop(command);
        let status = until("it ends", async || child.try_wait().expect("its state")).await;
        Self { code: status.code(), raw: reader.join().expect("the terminal's reader") }
    }

    /// The lines with what moves the cursor and colours left out; what was drawn over counts as a line of its own.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut text = String::new();
        let mut chars = self.raw.chars();
        while let Some(char) = chars.next() {
            match char {
                // A control sequence ends with its first letter.
                '\u{1b}' => {
                    chars.by_ref().find(char::is_ascii_alphabetic);
                }
                '\r' => text.push('\n'),
                char => text.push(char),
            }
        }
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }
}

/// A terminal holds little: it must be read while the process writes.
fn read_all(mut terminal: File) -> JoinHandle<String> {
    thread::spawn(move || {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        // Linux reports the end of the other side as an error.
        while let Ok(count @ 1..) = terminal.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8(bytes).expect("UTF-8")
    })
}
