//! A program and everything it started, as one thing to stop.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

/// A process group that is killed when this is dropped.
///
/// The group bears its leader's id. That id stays taken while the leader is not waited for or the group has members,
/// so a signal reaches no stranger as long as it is sent before the leader is waited for, or right after.
#[derive(Debug)]
pub(in crate::tools) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// The group of a child that leads one.
    pub(super) fn led_by(child: &tokio::process::Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// Asks every process of the group to stop.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills every process of the group. The group cannot be signalled any more.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.0 = None;
    }

    fn signal(&self, signal: Signal) {
        let Some(leader) = self.0 else { return };
        match kill_process_group(leader, signal) {
            // Gone is what we want. EPERM is how macOS calls a group of which only zombies remain.
            Ok(()) | Err(Errno::SRCH | Errno::PERM) => {}
            Err(error) => {
                tracing::warn!(group = leader.as_raw_nonzero(), %error, "failed to signal a process group");
            }
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}
