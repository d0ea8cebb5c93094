use std::sync::Arc;

use gantz_core::host::Clock;
use gantz_core::ports::Ports;

use crate::{Batches, Blobs, Events, FleetLimits, Jobs, Queue, Session, Settings};

/// Every port of a stack, over one session. Nothing is called before one of their methods is.
pub fn connect(session: Arc<Session>, settings: Arc<Settings>, clock: Clock) -> Ports {
    let ports = Ports {
        jobs: Arc::new(Jobs::new(Arc::clone(&session), Arc::clone(&settings), clock)),
        batches: Arc::new(Batches::new(Arc::clone(&session), Arc::clone(&settings))),
        queue: Arc::new(Queue::new(Arc::clone(&session), Arc::clone(&settings))),
        blobs: Arc::new(Blobs::new(Arc::clone(&session), Arc::clone(&settings))),
        events: Arc::new(Events::new(Arc::clone(&session), Arc::clone(&settings))),
        limits: Arc::new(FleetLimits::new(session, settings)),
    };
    ports.armed()
}
