//! Errors as people see them, and exit codes.

use std::fmt;
use std::process::ExitCode;

use gantz_core::ports::PortError;

/// The job, batch or command failed.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong. `clap` uses the same.
pub(crate) const USAGE: u8 = 2;
/// Stopped by a signal: 128 + SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// A command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct CliError {
    code: u8,
    message: String,
    /// What is wrong with parts of what was given, each with its place.
    misfits: Vec<Misfit>,
    hint: Option<String>,
}

/// A part of what was given that is wrong.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// Where: a JSON pointer, until a command that knows better says which flag that is.
    pub(crate) place: String,
    pub(crate) detail: String,
}

impl CliError {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::with_code(FAILED, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::with_code(USAGE, message)
    }

    pub(crate) fn with_code(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), misfits: Vec::new(), hint: None }
    }

    /// Several parts of what was given are wrong.
    pub(crate) fn misfits(message: impl Into<String>, misfits: Vec<Misfit>) -> Self {
        Self { misfits, ..Self::usage(message) }
    }

    /// Names places in the caller's own terms.
    pub(crate) fn name_places(mut self, name: impl Fn(&str) -> String) -> Self {
        for misfit in &mut self.misfits {
            misfit.place = name(&misfit.place);
        }
        self
    }

    /// Whether what was given is wrong, and not what became of it.
    pub(crate) fn is_usage(&self) -> bool {
        self.code == USAGE
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do about it, unless something was said already.
    pub(crate) fn or_hint(self, hint: impl FnOnce() -> String) -> Self {
        if self.hint.is_some() { self } else { self.hint(hint()) }
    }

    /// Prints it on stderr.
    #[expect(clippy::print_stderr, reason = "the one place where errors are printed")]
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {self}");
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.trim_end())?;
        self.misfits.iter().try_for_each(|Misfit { place, detail }| write!(f, "\n  {place}: {detail}"))
    }
}

impl From<PortError> for CliError {
    fn from(error: PortError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<gantz_embedded::OpenError> for CliError {
    fn from(error: gantz_embedded::OpenError) -> Self {
        Self::failed(error.to_string())
    }
}
