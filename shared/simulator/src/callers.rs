//! Those outside of the fleet who submit jobs and cancel them, and go on until they have an answer.

use std::sync::Arc;
use std::time::Duration;

use gantz_core::admit::Origin;
use gantz_core::admit_batch::BatchSpec;
use gantz_core::ids::JobId;
use gantz_core::ports::{NewMessage, Object};
use gantz_core::spec::{Instant, JobSpec, Span};
use gantz_dispatcher::SubmitError;
use serde_json::json;

use crate::fleet::{BUCKET, dispatcher, lane};
use crate::process::Process;
use crate::scenario::{BatchPlan, JobPlan};
use crate::world::World;

/// How long a caller waits before he tries again.
const PAUSE: Duration = Duration::from_secs(1);
const ORIGIN: Origin = Origin { source: "simulation", occurrence: None };

/// The id of that name.
///
/// # Panics
/// When it cannot be one.
pub fn job_id(id: &str) -> JobId {
    JobId::try_new(id).unwrap()
}

/// Submits a job as it is planned, and cancels it. Returns once nobody wants anything any more.
pub(crate) async fn call(world: Arc<World>, plan: JobPlan) {
    let id = job_id(&plan.id);
    world.with(|state| state.scripts.insert(id.clone(), plan.script.clone()));
    let submits = (0..plan.callers).map(|caller| submit(&world, &plan, caller));
    let cancels = async {
        if let Some(at_ms) = plan.cancel_at_ms {
            sleep_ms(at_ms).await;
            world.with(|state| state.observer.cancel_asked(&id));
            until_answered(&world, &format!("cancel-{id}"), None, async |front| {
                dispatcher(front).cancel(&id).await.is_ok()
            })
            .await;
        }
    };
    let submits = futures_util::future::join_all(submits);
    futures_util::future::join3(submits, cancels, impersonate(&world, &plan)).await;
}

/// Submits another job under the id of one that is there, which nobody may take for it.
async fn impersonate(world: &Arc<World>, plan: &JobPlan) {
    let Some(at_ms) = plan.impostor_at_ms else { return };
    sleep_ms(at_ms).await;
    let id = job_id(&plan.id);
    if !world.with(|state| state.rows.contains_key(&id)) {
        return;
    }
    until_answered(world, &format!("impostor-{id}"), plan.tries, async |front| {
        let mut spec = JobSpec::new(plan.tool, json!({ "n": 2 }));
        spec.job_id = Some(plan.id.clone());
        spec.tenant = plan.tenant.map(str::to_owned);
        match dispatcher(front).submit(spec, &ORIGIN).await {
            Err(SubmitError::Conflict { .. }) => true,
            Err(SubmitError::Port(_) | SubmitError::Backlog { .. }) => false,
            Ok(_) | Err(_) => {
                let what = format!("{id} was answered for to whom it does not belong");
                world.with(|state| state.observer.broken("I9", what));
                true
            }
        }
    })
    .await;
}

async fn submit(world: &Arc<World>, plan: &JobPlan, caller: u32) {
    sleep_ms(plan.at_ms).await;
    let id = job_id(&plan.id);
    let deadline_ms = plan.deadline_ms.map(|ms| world.now_ms() + ms);
    let name = format!("caller-{caller}-{id}");
    until_answered(world, &name, plan.tries, async |front| {
        let mut spec = JobSpec::new(plan.tool, json!({ "n": 1 }));
        spec.job_id = Some(plan.id.clone());
        spec.tenant = plan.tenant.map(str::to_owned);
        spec.deadline = deadline_ms.map(Instant::Millis);
        spec.delay = (plan.delay_ms > 0).then(|| Span::Text(format!("{}ms", plan.delay_ms)));
        match dispatcher(front).submit(spec, &ORIGIN).await {
            Ok(_) => {
                world.with(|state| state.observer.accepted(&id));
                true
            }
            Err(SubmitError::Port(_) | SubmitError::Backlog { .. }) => false,
            // A deadline that passed before the job was accepted.
            Err(SubmitError::Rejected(_)) if deadline_ms.is_some() => true,
            Err(error) => {
                world.with(|state| state.observer.broken("I9", format!("{id} was refused: {error}")));
                true
            }
        }
    })
    .await;
}

/// As [`call`], for a batch.
pub(crate) async fn call_batch(world: Arc<World>, plan: BatchPlan) {
    let id = job_id(&plan.id);
    world.with(|state| {
        for (index, script) in (0..).zip(&plan.children) {
            let key = format!("{}/{index:04}", plan.id);
            let object =
                Object { key: key.clone(), size_bytes: 1, etag: "e".into(), modified_at_ms: state.now_ms };
            state.objects.insert(key, object);
            state.scripts.insert(JobId::child(&id, index), script.clone());
        }
    });
    let submits = async {
        sleep_ms(plan.at_ms).await;
        let deadline_ms = plan.deadline_ms.map(|ms| world.now_ms() + ms);
        until_answered(&world, &format!("caller-{id}"), None, async |front| {
            let spec = json!({
                "tool": "file", "batch_id": plan.id, "s3": format!("s3://{BUCKET}/{}/", plan.id),
                "tolerate": plan.tolerate,
            });
            let Ok(mut spec) = serde_json::from_value::<BatchSpec>(spec) else { return true };
            spec.deadline = deadline_ms.map(Instant::Millis);
            match dispatcher(front).submit_batch(spec, &ORIGIN).await {
                Ok(_) => {
                    world.with(|state| state.observer.accepted(&id));
                    true
                }
                Err(SubmitError::Port(_) | SubmitError::Backlog { .. }) => false,
                Err(SubmitError::Rejected(_)) if deadline_ms.is_some() => true,
                Err(error) => {
                    world.with(|state| state.observer.broken("I9", format!("{id} was refused: {error}")));
                    true
                }
            }
        })
        .await;
    };
    let cancels = async {
        if let Some(at_ms) = plan.cancel_at_ms {
            sleep_ms(at_ms).await;
            world.with(|state| {
                for index in (0..).take(plan.children.len()) {
                    state.observer.cancel_asked(&JobId::child(&id, index));
                }
            });
            until_answered(&world, &format!("cancel-{id}"), None, async |front| {
                dispatcher(front).cancel_batch(&id).await.is_ok()
            })
            .await;
        }
    };
    futures_util::future::join(submits, cancels).await;
}

/// Sends the lane what is no envelope.
pub(crate) fn send_garbage(world: &World, bodies: usize) {
    for n in 0..bodies {
        let garbage = NewMessage::of(format!("{{garbage {n}"));
        world.with(|state| state.send(&lane(), &garbage)).ok();
    }
}

/// Asks one process after another, each at a door of its own, until one answers.
async fn until_answered(
    world: &Arc<World>,
    name: &str,
    tries: Option<u32>,
    ask: impl AsyncFn(&Process) -> bool,
) {
    for n in 0..tries.unwrap_or(u32::MAX) {
        let front = Process::start(world, format!("{name}.{n}"), 0);
        let is_answered = tokio::select! {
            biased;
            is_answered = ask(&front) => is_answered,
            () = front.died() => false,
        };
        front.kill();
        if is_answered {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
