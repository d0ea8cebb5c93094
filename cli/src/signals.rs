//! Signals that ask to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Who asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Somebody at a terminal: SIGINT.
    Interrupt,
    /// Whatever runs the process: SIGTERM.
    Terminate,
}

/// SIGINT and SIGTERM.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns at the next of them.
    pub(crate) async fn next(&mut self) {
        self.asked().await;
    }

    /// Returns at the next of them, and says which it was.
    pub(crate) async fn asked(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Terminate,
        }
    }
}
