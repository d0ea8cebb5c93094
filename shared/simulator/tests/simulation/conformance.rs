//! The simulated services keep the contract of every port, as those do that they stand for.

use std::sync::Arc;

use async_trait::async_trait;
use gantz_core::event::Event;
use gantz_core::ids::JobId;
use gantz_simulator::Process;
use gantz_simulator::faults::Faults;
use gantz_simulator::world::{Settings, World};
use gantz_testkit::event_sink::Delivered;
use gantz_testkit::job_queue::OnDemand;
use gantz_testkit::{Env, batch_store, blob_store, event_sink, job_queue, job_store, limits, new_objects};

const MAX_RECEIVES: u32 = 3;
/// Longer than a call takes.
const TICK_MS: u64 = 1_000;

fn fresh() -> (Arc<Process>, Env) {
    let mut settings = Settings::new(1);
    settings.max_receives = MAX_RECEIVES;
    let process = Process::start(&World::new(settings, Faults::none()), "suite", 0);
    let env = Env::sleeping(process.clock(), TICK_MS);
    (Arc::new(process), env)
}

#[tokio::test(start_paused = true)]
async fn conforms_as_job_store() {
    let (port, env) = fresh();
    job_store::run(port, env).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_as_job_queue() {
    let (port, env) = fresh();
    job_queue::run(port, Arc::new(OnDemand { max_receives: MAX_RECEIVES }), env).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_as_blob_store() {
    let (port, env) = fresh();
    blob_store::run(port, env).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_as_event_sink() {
    let (port, env) = fresh();
    event_sink::run(Arc::clone(&port) as _, Arc::new(Bus(port)), env).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_as_limits() {
    let (port, env) = fresh();
    limits::run(port, env).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_as_batch_store() {
    let (port, env) = fresh();
    batch_store::run(port, env).await;
}

#[tokio::test(start_paused = true)]
async fn conforms_as_new_objects() {
    let (port, env) = fresh();
    new_objects::run(port, env).await;
}

struct Bus(Arc<Process>);

#[async_trait]
impl Delivered for Bus {
    async fn of(&self, job_id: &JobId) -> Vec<Event> {
        let of_job = |event: &&Event| event.job_id == *job_id;
        self.0.world().with(|state| state.events.iter().filter(of_job).cloned().collect())
    }
}
