//! How a fleet is told to stop, in two steps.

use tokio::sync::watch;

/// What the fleet shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Work.
    Run,
    /// Receive nothing more; let running tools finish.
    Drain,
    /// Stop running tools, and hand their jobs back.
    Abort,
}

/// The switch. Phases only go forward.
#[derive(Debug, Clone)]
pub struct Switch(watch::Sender<Phase>);

impl Default for Switch {
    fn default() -> Self {
        Self(watch::channel(Phase::Run).0)
    }
}

impl Switch {
    /// Goes to `phase`, unless it lies behind.
    pub fn set(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let forward = phase > *current;
            if forward {
                *current = phase;
            }
            forward
        });
    }

    /// A view of the switch.
    pub fn stop(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

/// A view of the switch, for those who must obey it.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Phase>);

impl Stop {
    /// Whether the fleet still works.
    pub fn is_running(&self) -> bool {
        *self.0.borrow() == Phase::Run
    }

    /// Returns once the switch stands at `phase`, or behind it. A switch that is gone will not move: never, then.
    pub async fn reached(&self, phase: Phase) {
        let mut view = self.0.clone();
        if view.wait_for(|current| *current >= phase).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
