//! The event bus, and the blobs.

use async_trait::async_trait;
use gantz_core::event::Event;
use gantz_core::ids::sha256_hex;
use gantz_core::ports::{BlobError, BlobStore, EntryError, EventSink, PortResult};

use crate::process::Process;
use crate::world::{Mutation, State};

#[async_trait]
impl EventSink for Process {
    async fn publish(&self, events: Vec<Event>) -> PortResult<Vec<Result<(), EntryError>>> {
        let about = events.first().map(|event| event.job_id.to_string()).unwrap_or_default();
        let publish = move |state: &mut State| events.iter().map(|event| take(state, event)).collect();
        self.call("publish", &about, publish).await
    }
}

fn take(state: &mut State, event: &Event) -> Result<(), EntryError> {
    if state.faults.refuses_entry(&mut state.random) {
        return Err(refused());
    }
    match state.settings.mutation {
        Some(Mutation::AckBeforePublish) => state.unpublished.push(event.clone()),
        Some(Mutation::LostEvent) if state.random.one_in(4) => {}
        _ => keep(state, event.clone()),
    }
    Ok(())
}

/// Accepts an event for good.
pub(super) fn keep(state: &mut State, event: Event) {
    state.note("bus", || format!("{} {}", event.detail_type, event.job_id));
    let status = state.rows.get(&event.job_id).map(|row| row.status);
    state.observer.told(&event, status);
    state.events.push(event);
}

/// What a service answers that refuses one entry of many for the moment.
pub(super) fn refused() -> EntryError {
    EntryError { code: "InternalFailure".into(), message: "try again".into(), sender_fault: false }
}

#[async_trait]
impl BlobStore for Process {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError> {
        let reference = format!("sha256-{}", sha256_hex(&bytes));
        let kept = reference.clone();
        let put = move |state: &mut State| {
            state.blobs.insert(kept.clone(), bytes.clone());
        };
        self.call("put_blob", "", put).await?;
        Ok(reference)
    }

    async fn get(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
        let wanted = reference.to_owned();
        let found = self.call("get_blob", "", move |state| state.blobs.get(&wanted).cloned()).await?;
        let bytes = found.ok_or_else(|| BlobError::NotFound(reference.to_owned()))?;
        if bytes.len() > max_bytes {
            let (reference, bytes) = (reference.to_owned(), bytes.len() as u64);
            return Err(BlobError::TooLarge { reference, bytes, max_bytes });
        }
        Ok(bytes)
    }
}
