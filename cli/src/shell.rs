//! The machine's clock, randomness, log and threads: what the rest of the program takes as arguments.

use std::io::IsTerminal;

pub(crate) use gantz_workers::machine::{clock, entropy};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

/// Threads for blocking work, such as analysing files: more would only add memory, as they share the cores.
const BLOCKING_THREADS: usize = 16;

pub(crate) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()
}

/// Logs to stderr. `RUST_LOG` goes before `-v`, and `LOG_LEVEL` says what holds without it.
pub(crate) fn trace(verbose: u8) {
    let level = match verbose {
        0 => level_of(&std::env::var("LOG_LEVEL").unwrap_or_default()).unwrap_or("warn"),
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(format!(
            "error,gantz={level},gantz_workers={level},gantz_dispatcher={level},gantz_embedded={level}"
        ))
    });
    let color =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color).with_writer(std::io::stderr).init();
}

/// A level as `LOG_LEVEL` names it, which also takes the names of other languages' loggers.
fn level_of(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "trace" => Some("trace"),
        "debug" => Some("debug"),
        "info" => Some("info"),
        "warn" | "warning" => Some("warn"),
        "error" | "critical" | "fatal" => Some("error"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_names_of_many_languages() {
        assert_eq!(
            ["INFO", "Warning", "critical"].map(level_of),
            [Some("info"), Some("warn"), Some("error")]
        );
        assert_eq!(["", "loud"].map(level_of), [None, None]);
    }
}
