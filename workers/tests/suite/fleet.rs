//! A whole fleet in one thread: the embedded backend in a folder of its own, a dispatcher, and workers.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use gantz_core::admit::Origin;
use gantz_core::envelope::{Envelope, Parameters};
use gantz_core::host::{Clock, Entropy};
use gantz_core::ids::{JobId, Lane, QueueName};
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::Claim;
use gantz_core::limits;
use gantz_core::manifest::Manifest;
use gantz_core::ports::{Depth, JobFilter, Message, NewMessage, Ports, Postponed, Receive};
use gantz_core::spec::JobSpec;
use gantz_dispatcher::Dispatcher;
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_workers::{Phase, Registry, Switch, ToolSettings, Toolbox, Worker, pool};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::metronome::Metronome;
use crate::mode_tool::{Journal, ModeTool, PARAMETERS};

pub(crate) const ORIGIN: Origin = Origin { source: "test", occurrence: None };

/// Where every fleet's time begins.
const BIRTH_MS: u64 = 1_700_000_000_000;
/// What a fleet is waited for, in its own time: longer than any lease, delay or timeout of these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// How often a condition without a signal is looked at, in the fleet's own time.
const LOOK: Duration = Duration::from_millis(10);

/// What is left of a fleet when its machine is gone: the disk, and the outside world.
#[derive(Clone)]
pub(crate) struct Site {
    directory: Arc<TempDir>,
    pub(crate) manifest: Arc<Manifest>,
    settings: Settings,
    journal: Journal,
    now_ms: u64,
}

pub(crate) struct Fleet {
    pub(crate) store: Embedded,
    pub(crate) ports: Ports,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    site: Site,
    tools: Toolbox,
    entropy: Entropy,
    pub(crate) metronome: Metronome,
}

/// Workers of the default lane.
pub(crate) struct Team {
    switch: Switch,
    pool: JoinHandle<()>,
}

impl Team {
    pub(crate) async fn stop(self, phase: Phase) {
        self.switch.set(phase);
        self.pool.await.unwrap();
    }
}

/// A life that ends all at once: whatever still runs when it returns is dropped where it stands.
pub(crate) fn machine<T>(life: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(life)
}

impl Fleet {
    /// A new fleet whose tools are these: name, and policy as in a manifest's flow mapping.
    pub(crate) fn new(tools: &[(&str, &str)]) -> Self {
        Self::with(tools, Settings::default())
    }

    pub(crate) fn with(tools: &[(&str, &str)], settings: Settings) -> Self {
        let mut text = "name: fleet\nversion: 1.0.0\ntools:\n".to_owned();
        for (name, policy) in tools {
            let rest = format!("handler: {}, parameters: {PARAMETERS}, {policy}", "test.mode");
            text += &format!("  {name}: {{description: Behaves as its mode says., {rest}}}\n");
        }
        let manifest =
            Manifest::parse("fleet", &text).unwrap_or_else(|error| unreachable!("{error}\n{text}"));
        Self::open(Site {
            directory: Arc::new(TempDir::new().unwrap()),
            manifest: Arc::new(manifest),
            settings,
            journal: Journal::default(),
            now_ms: BIRTH_MS,
        })
    }

    /// A fleet on what another one left behind.
    pub(crate) fn open(site: Site) -> Self {
        until_buried(site.directory.path());
        let (birth, birth_ms) = (Instant::now(), site.now_ms);
        let clock = Clock::new(move || birth_ms + u64::try_from(birth.elapsed().as_millis()).unwrap());
        let entropy = seeded(site.now_ms);
        let directory = Directory::create(site.directory.path()).unwrap();
        let store = Embedded::open(directory, clock.clone(), site.settings).unwrap();
        let ports = Ports::of(store.clone());
        let registry =
            Registry::default().with(ModeTool { journal: site.journal.clone(), clock: clock.clone() });
        let settings = ToolSettings::new("", &clock);
        Self {
            tools: Toolbox::build(&site.manifest, &registry, &settings).unwrap(),
            dispatcher: Dispatcher::new(ports.clone(), site.manifest.clone(), clock.clone(), entropy.clone()),
            metronome: Metronome::start(store.clone()),
            journal: site.journal.clone(),
            store,
            ports,
            clock,
            entropy,
            site,
        }
    }

    /// What stays when this fleet's machine is lost.
    pub(crate) fn site(&self) -> Site {
        Site { now_ms: self.now_ms(), ..self.site.clone() }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    pub(crate) async fn pass(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    // Work.

    pub(crate) fn new_worker(&self, name: &str) -> Worker {
        let (tools, clock, entropy) = (self.tools.clone(), self.clock.clone(), self.entropy.clone());
        Worker::new(self.ports.clone(), tools, clock, entropy, name)
    }

    pub(crate) fn worker(&self, name: &str) -> Arc<Worker> {
        Arc::new(self.new_worker(name))
    }

    /// A worker process of the default lane.
    pub(crate) fn start(&self, name: &str, concurrency: u32) -> Team {
        let switch = Switch::default();
        let serve = pool::serve(self.worker(name), Lane::default_lane(), concurrency, switch.stop());
        Team { pool: tokio::spawn(serve), switch }
    }

    pub(crate) async fn submit(&self, tool: &str, parameters: Value) -> JobId {
        self.submit_spec(JobSpec::new(tool, parameters)).await
    }

    /// The same job so many times, accepted at once.
    pub(crate) async fn submit_many(&self, jobs: usize, tool: &str, parameters: &Value) -> Vec<JobId> {
        join_all((0..jobs).map(|_| self.submit(tool, parameters.clone()))).await
    }

    pub(crate) async fn submit_spec(&self, spec: JobSpec) -> JobId {
        self.dispatcher.submit(spec, &ORIGIN).await.unwrap().record.id
    }

    // Rows.

    pub(crate) async fn row(&self, id: &JobId) -> JobRecord {
        self.ports.jobs.get(id).await.unwrap().unwrap()
    }

    pub(crate) async fn rows(&self) -> Vec<JobRecord> {
        self.ports.jobs.list(&JobFilter::default(), limits::PAGE_MAX, None).await.unwrap().jobs
    }

    /// The row, once it is as wanted.
    pub(crate) async fn until(&self, id: &JobId, wanted: impl Fn(&JobRecord) -> bool) -> JobRecord {
        let mut row = self.row(id).await;
        while !wanted(&row) {
            let seen_ms = row.updated_at_ms;
            let wait_ms = u64::try_from(PATIENCE.as_millis()).unwrap();
            row = self.ports.jobs.changed(id, seen_ms, wait_ms).await.unwrap().unwrap();
            assert_ne!(row.updated_at_ms, seen_ms, "nothing happens to this job any more: {row:#?}");
        }
        row
    }

    pub(crate) async fn finished(&self, id: &JobId) -> JobRecord {
        self.until(id, JobRecord::is_finished).await
    }

    /// Claims a job as another worker would that takes it to be `now_ms`.
    pub(crate) fn rival_claim(&self, row: JobRecord, now_ms: u64) -> Claim {
        let lease_until_ms = now_ms + limits::LEASE_MS;
        Claim { first_seen: row, owner: "rival".into(), lease_until_ms, now_ms, redelivered: false }
    }

    // Messages.

    pub(crate) async fn send_raw(&self, bodies: impl IntoIterator<Item = String>) {
        let bodies: Vec<_> = bodies.into_iter().map(NewMessage::of).collect();
        for call in bodies.chunks(self.ports.queue.limits().batch) {
            let answers = self.ports.queue.send(&lane(), call.to_vec()).await.unwrap();
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        }
    }

    /// Receives the one visible message, and holds it for a minute.
    pub(crate) async fn receive_one(&self, queue: &QueueName) -> Message {
        let ask = Receive { max: 1, visibility_ms: 60_000, wait_ms: 1_000 };
        self.ports.queue.receive(queue, ask).await.unwrap().pop().unwrap()
    }

    /// Receives the one visible message so often without deleting it that the lane gives up on it.
    pub(crate) async fn wear_out(&self) {
        for _ in 0..self.site.settings.max_receives {
            let message = self.receive_one(&lane()).await;
            self.ports.queue.postpone(&lane(), &message.receipt, 0, Postponed::HandedBack).await.unwrap();
        }
        let ask = Receive { max: 1, visibility_ms: 60_000, wait_ms: 0 };
        assert_eq!(self.ports.queue.receive(&lane(), ask).await.unwrap(), []);
        assert_eq!(self.depth(&dead()).await.visible, 1);
    }

    pub(crate) async fn depth(&self, queue: &QueueName) -> Depth {
        self.ports.queue.depth(queue).await.unwrap()
    }

    /// Returns once the queue is as wanted.
    pub(crate) async fn until_depth(&self, queue: &QueueName, wanted: impl Fn(Depth) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(self.depth(queue).await) {
            assert!(Instant::now() < deadline, "{queue} stays at {:?}", self.depth(queue).await);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Returns once the lane has no message left, also none in flight or delayed.
    pub(crate) async fn drained(&self) {
        self.until_depth(&lane(), |depth| depth == Depth::default()).await;
    }

    // Promises.

    /// The detail types of all events, by job; each once, however often it was published.
    pub(crate) async fn events(&self) -> BTreeMap<String, Vec<String>> {
        let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in self.store.view().events(0, 100_000).await.unwrap() {
            let id = event.detail.get("job_id").or(event.detail.get("batch_id")).unwrap();
            let of_job = events.entry(id.as_str().unwrap().to_owned()).or_default();
            if !of_job.contains(&event.detail_type) {
                of_job.push(event.detail_type);
            }
        }
        events
    }

    /// Waits until the lane is drained. Then every job is terminal, and the world was told of it: of each job one end,
    /// of children none.
    pub(crate) async fn all_is_settled(&self) {
        self.drained().await;
        let events = self.events().await;
        for row in self.rows().await {
            assert!(row.status.is_terminal() && row.is_finished(), "{row:#?}");
            let told = events.get(row.id.as_str()).map_or(&[] as &[String], Vec::as_slice);
            if row.parent.is_some() {
                assert_eq!(told, [] as [&str; 0]);
            } else {
                assert_eq!(told, [format!("Gantz Job {}", in_words(row.status))]);
            }
        }
    }
}

/// Waits until the processes of a directory have ended, so that the next one finds them dead when it joins. The thread that
/// writes ends a moment after its machine.
fn until_buried(directory: &Path) {
    let Ok(processes) = std::fs::read_dir(directory.join("processes")) else { return };
    for lock in processes {
        File::open(lock.unwrap().path()).unwrap().lock().unwrap();
    }
}

/// The lane of every job here.
pub(crate) fn lane() -> QueueName {
    QueueName::Lane(Lane::default_lane())
}

/// What that lane gives up on.
pub(crate) fn dead() -> QueueName {
    QueueName::Dead(Lane::default_lane())
}

/// The message of a job, once more.
pub(crate) fn duplicate(row: &JobRecord, parameters: Value) -> String {
    let parameters = Parameters::Inline(parameters);
    Envelope { job: row.accepted(), parameters, put_back: 0, not_before_ms: None, trace: None }
        .to_body()
        .unwrap()
}

fn in_words(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Succeeded => "Succeeded",
        JobStatus::Failed => "Failed",
        JobStatus::Cancelled => "Cancelled",
        JobStatus::Expired => "Expired",
        JobStatus::InDoubt => "In Doubt",
        JobStatus::Queued | JobStatus::Running | JobStatus::Waiting => "still open",
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers in every run.
fn seeded(seed: u64) -> Entropy {
    let state = AtomicU64::new(seed);
    Entropy::new(move || {
        let mut z = state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}
