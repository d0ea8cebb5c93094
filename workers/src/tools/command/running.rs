//! A program from its start to its end.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::group::ProcessGroup;
use super::pump::{Capped, Tail, TooMuch, feed, fill, take_leftover};

/// A program has a tenth of its time to stop in after SIGTERM, but no more than this.
const GRACE_MAX_MS: u64 = 5_000;

/// A program that runs. Dropped, it is killed, with all that it started.
pub(in crate::tools) struct Running {
    // Fields are dropped in this order: the group is killed while its leader still holds its id.
    pub(in crate::tools) group: ProcessGroup,
    pub(in crate::tools) child: Child,
    pub(in crate::tools) stdin: ChildStdin,
    pub(in crate::tools) stdout: ChildStdout,
    pub(in crate::tools) stderr: ChildStderr,
}

/// A program that ended.
pub(super) struct Ended {
    /// How.
    pub(super) end: End,
    /// The last of its stderr.
    pub(super) stderr: String,
    /// The milliseconds after which it was asked to stop, if it was.
    pub(super) asked_to_stop_after_ms: Option<u64>,
}

/// How a program ended.
pub(super) enum End {
    /// By itself or by a signal, having written this to stdout.
    Exit(ExitStatus, Vec<u8>),
    /// It was killed, as it wrote more than this many bytes.
    TooMuch(usize),
    /// The operating system would not say.
    Unknown(io::Error),
}

impl Running {
    /// Hands `input` to the program, and waits until it ends. Nothing it started in its group is left then.
    pub(super) async fn finish(mut self, input: &[u8], max_output_bytes: usize, timeout_ms: u64) -> Ended {
        let ask_after_ms = timeout_ms - (timeout_ms / 10).min(GRACE_MAX_MS);
        let mut output = Capped::new(max_output_bytes);
        let mut stderr = Tail::default();
        let mut asked_to_stop_after_ms = None;
        let status = {
            let mut reminder = std::pin::pin!(tokio::time::sleep(Duration::from_millis(ask_after_ms)));
            // All three at once, as a program may write before it has read everything.
            let mut pumps = std::pin::pin!(until_too_much(async {
                tokio::try_join!(
                    async {
                        feed(self.stdin, input).await;
                        Ok(())
                    },
                    fill(&mut output, &mut self.stdout),
                    fill(&mut stderr, &mut self.stderr),
                )
            }));
            loop {
                tokio::select! {
                    status = self.child.wait() => break Some(status),
                    TooMuch = &mut pumps => break None,
                    () = &mut reminder, if asked_to_stop_after_ms.is_none() => {
                        asked_to_stop_after_ms = Some(ask_after_ms);
                        self.group.terminate();
                    }
                }
            }
        };
        self.group.kill();
        let leftover = take_leftover(&mut stderr, &self.stderr).and_then(|()| {
            if status.is_some() { take_leftover(&mut output, &self.stdout) } else { Err(TooMuch) }
        });
        let end = match (status, leftover) {
            (Some(Err(error)), _) => End::Unknown(error),
            (Some(Ok(status)), Ok(())) => End::Exit(status, output.into_bytes()),
            (_, _) => End::TooMuch(max_output_bytes),
        };
        Ended { end, stderr: stderr.into_text(), asked_to_stop_after_ms }
    }
}

/// Waits until `pumps` fail. That they are through says nothing: a program may close its pipes and go on.
async fn until_too_much<T>(pumps: impl Future<Output = Result<T, TooMuch>>) -> TooMuch {
    match pumps.await {
        Err(too_much) => too_much,
        Ok(_) => std::future::pending().await,
    }
}
