//! `kill -9` at random moments of a batch: no job is lost, none has two outcomes, the counts are exact, each end has
//! its event, and nothing is left in a queue.
//!
//! A run prints its seed; `GANTZ_SEED` gives it back, so that the fleet is killed at the same points of its progress.
//! `GANTZ_JOBS` and `GANTZ_KILLS` are the sizes of the run that is not part of every test.

use gantz_testkit::fault_table::{Level, fault};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gantz_core::batch::BatchProgress;
use gantz_core::event::{Event, batch_completion, completion};
use gantz_core::ids::{JobId, Lane, QueueName};
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::ports::JobQueue;
use gantz_embedded::{Directory, Embedded, Settings, View};
use gantz_workers::machine;
use tokio::time::{Instant, sleep};

const BATCH: &str = "crash-test";
const MANIFEST: &str = "
name: crash-test
version: 1.0.0
tools:
  analyze_file:
    description: Tell what a file is.
    handler: s3.analyze_file
    parameters:
      path: {type: string, required: true}
      max_bytes: {type: integer}
    retry: {max_attempts: 100, first: 1ms, max: 5ms}
";

#[tokio::test]
async fn five_kills_of_five_hundred_jobs() {
    let shown_19 = fault(19, Level::Process);
    let shown_41 = fault(41, Level::Process);
    survive(500, 5, Duration::from_secs(180)).await;
    shown_19.in_runs(5, "kills of 500 jobs, at random moments of their progress");
    shown_41.in_runs(5, "kills of 500 jobs, at random moments of their progress");
}

#[tokio::test]
#[ignore = "takes minutes in a debug build; run it with --release -- --ignored"]
async fn as_many_kills_of_as_many_jobs_as_told() {
    let (jobs, kills) = (number("GANTZ_JOBS").unwrap_or(20_000), number("GANTZ_KILLS").unwrap_or(20));
    survive(
        u32::try_from(jobs).expect("32 bits"),
        u32::try_from(kills).expect("32 bits"),
        Duration::from_secs(900),
    )
    .await;
}

fn number(variable: &str) -> Option<u64> {
    let told = std::env::var(variable).ok()?;
    Some(told.parse().expect("these variables are numbers"))
}

async fn survive(jobs: u32, kills: u32, patience: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let deadline = Instant::now() + patience;
    let seed = seed();
    eprintln!("GANTZ_SEED={seed}");
    let mut random = seed | 1;

    let lines = prepare(folder.path(), jobs);
    let mut singles = Vec::new();
    let mut fleet = Fleet::start(folder.path());
    fleet.submit(&lines, deadline).await;

    let mut ended: BTreeMap<u32, JobRecord> = BTreeMap::new();
    for kill in 0..kills {
        // Somewhere in the kill's own share of the batch's first nine tenths, so that the last one still interrupts.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = jobs / 10 * 9 / kills;
        let target = kill * share + u32::try_from(random >> 33).expect("31 bits") % share;
        let progress = fleet.reach(target, deadline).await;
        // Accepted is accepted, also while others are killed.
        let single = fleet.start_submitting(kill);
        fleet.kill();
        singles.push(single.accepted());
        assert!(
            progress.batch.finished_at_ms.is_none(),
            "the batch ended before kill {kill}: nothing was tested"
        );
        for (index, job) in fleet.children(jobs).await {
            let Some(index) = job.is_finished().then_some(index) else { continue };
            if let Some(before) = ended.insert(index, job.clone()) {
                assert_eq!(before, job, "an outcome changed after it was recorded");
            }
        }
        fleet = Fleet::start(folder.path());
    }

    let progress = fleet.reach(jobs, deadline).await;
    let progress = fleet.end(progress, deadline).await;
    assert_eq!(progress.batch.planned, jobs);
    assert_eq!(progress.totals.succeeded, jobs);
    assert_eq!(progress.batch.status, JobStatus::Succeeded);
    let children = fleet.children(jobs).await;
    assert_eq!(children.len(), jobs as usize, "a job is missing");
    for (index, job) in &children {
        assert_eq!(job.status, JobStatus::Succeeded, "job {index}");
        if let Some(before) = ended.get(index) {
            assert_eq!(before, job, "an outcome changed after it was recorded");
        }
    }
    let repeated = children.values().filter(|job| job.attempt > 1).count();
    eprintln!("{jobs} jobs, {kills} kills, {repeated} jobs were interrupted and repeated");
    let mut rows = Vec::new();
    for id in &singles {
        rows.push(fleet.outcome(id, deadline).await);
    }
    rows.extend(fleet.drain(deadline).await);
    assert!(rows.iter().all(|row| row.status == JobStatus::Succeeded), "{rows:?}");
    let view = View::open(&folder.path().join(".gantz")).expect("the database").expect("the database");
    check_events(&view, &rows, Some(&progress)).await;
}

#[expect(clippy::disallowed_methods, reason = "what is random here is told")]
fn seed() -> u64 {
    number("GANTZ_SEED").unwrap_or_else(|| getrandom::u64().expect("randomness"))
}

/// Every end was published, once or more, always with the same words, and nothing else was.
pub(crate) async fn check_events(view: &View, singles: &[JobRecord], batch: Option<&BatchProgress>) {
    let batch = batch.and_then(|progress| batch_completion(&progress.batch));
    let ends = singles.iter().filter_map(completion).chain(batch);
    let ends: BTreeMap<String, Event> = ends.map(|event| (event.job_id.to_string(), event)).collect();
    let (mut told, mut after, mut count) = (BTreeSet::new(), 0, 0);
    loop {
        let page = view.events(after, 1_000).await.expect("events");
        let Some(last) = page.last() else { break };
        after = last.seq;
        count += page.len();
        for event in page {
            let id = ["job_id", "batch_id"].iter().find_map(|key| event.detail.get(key)?.as_str());
            let id = id.expect("whose end it is");
            assert!(ends.contains_key(id), "an event of {id}, which has none");
            let end = &ends[id];
            assert_eq!((&event.detail_type, &event.detail), (&end.detail_type, &end.detail));
            assert_eq!(event.time_ms, end.time_ms, "{id}");
            told.insert(id.to_owned());
        }
    }
    assert_eq!(told, ends.into_keys().collect(), "an end was not published");
    eprintln!("{count} events of {} ends", told.len());
}

/// Messages that are left in the queues of a directory that nobody owns.
pub(crate) async fn left_in_queues(folder: &Path) -> u64 {
    let embedded = open(folder);
    let lane = Lane::default_lane();
    let mut left = 0;
    for queue in [QueueName::Lane(lane.clone()), QueueName::Dead(lane), QueueName::Plan] {
        let depth = embedded.depth(&queue).await.expect("the queue");
        left += depth.visible + depth.in_flight + depth.delayed;
    }
    left
}

/// The backend of the project in that folder.
pub(crate) fn open(folder: &Path) -> Embedded {
    let directory = Directory::create(&folder.join(".gantz")).expect("the data directory");
    Embedded::open(directory, machine::clock(), Settings::default()).expect("the database")
}

/// A manifest, a small file to analyse, and a line of parameters for each job, all different.
fn prepare(folder: &Path, jobs: u32) -> PathBuf {
    fs::write(folder.join("gantz.yaml"), MANIFEST).expect("the manifest");
    let file = folder.join("data.csv");
    fs::write(&file, "a,b\n1,2\n".repeat(200)).expect("the data");
    let mut lines = String::new();
    for n in 1..=jobs {
        writeln!(lines, "{}", serde_json::json!({ "path": file, "max_bytes": n })).expect("a line");
    }
    let path = folder.join("lines.jsonl");
    fs::write(&path, lines).expect("the lines");
    path
}

/// A `gantz dev` and what its data directory holds.
struct Fleet {
    process: Child,
    folder: PathBuf,
}

impl Fleet {
    fn start(folder: &Path) -> Self {
        let mut command = gantz(folder);
        let process = command.args(["dev", "--port", "0"]).stdout(Stdio::null()).spawn().expect("gantz dev");
        Self { process, folder: folder.to_owned() }
    }

    /// Hands the batch in, once the fleet answers.
    async fn submit(&self, lines: &Path, deadline: Instant) {
        loop {
            let mut command = gantz(&self.folder);
            command.args(["batch", "analyze_file", "--detach", "--id", BATCH, "--jsonl"]).arg(lines);
            let done = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().expect("gantz batch");
            if done.status.success() {
                return;
            }
            let error = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(Instant::now() < deadline, "the batch was not accepted: {error}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The batch once that many children have ended.
    async fn reach(&self, children: u32, deadline: Instant) -> BatchProgress {
        loop {
            if let Some(progress) = self.progress().await
                && progress.totals.finished() >= children
            {
                return progress;
            }
            assert!(Instant::now() < deadline, "the batch stands at {:?}", self.progress().await);
            sleep(Duration::from_millis(2)).await;
        }
    }

    async fn end(&self, mut progress: BatchProgress, deadline: Instant) -> BatchProgress {
        while progress.batch.finished_at_ms.is_none() {
            assert!(Instant::now() < deadline, "the batch does not end: {progress:?}");
            sleep(Duration::from_millis(2)).await;
            progress = self.progress().await.expect("the batch");
        }
        progress
    }

    async fn progress(&self) -> Option<BatchProgress> {
        let view = View::open(&self.folder.join(".gantz")).ok()??;
        view.batch(&JobId::try_new(BATCH).expect("an id")).await.expect("the database")
    }

    async fn children(&self, jobs: u32) -> BTreeMap<u32, JobRecord> {
        let view = View::open(&self.folder.join(".gantz")).expect("the database").expect("the database");
        let batch = JobId::try_new(BATCH).expect("an id");
        let children = view.children(&batch, 0..jobs).await.expect("the children");
        children.into_iter().map(|job| (job.index.expect("a child"), job)).collect()
    }

    /// Begins to hand a single job in, whether or not the fleet is there at the moment.
    fn start_submitting(&self, number: u32) -> Submitting {
        let id = JobId::try_new(format!("single-{number:04}")).expect("an id");
        let mut command = gantz(&self.folder);
        command.args(["submit", "analyze_file", "--job-id", id.as_str(), "--path", "data.csv"]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("gantz submit");
        Submitting { id, process }
    }

    /// A job once it has ended.
    async fn outcome(&self, id: &JobId, deadline: Instant) -> JobRecord {
        let view = View::open(&self.folder.join(".gantz")).expect("the database").expect("the database");
        loop {
            let row = view.job(id).await.expect("the database").expect("an accepted job has a row");
            if row.is_finished() {
                return row;
            }
            assert!(Instant::now() < deadline, "{id} does not end: {row:?}");
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stops the fleet in good order, when it has come past all that was visible in its lane. A message whose job had
    /// ended may have come back after a kill; once it was seen, it is gone. Gives the jobs that told how far it was.
    async fn drain(mut self, deadline: Instant) -> Vec<JobRecord> {
        let mut probes = Vec::new();
        loop {
            let number = 1_000 + u32::try_from(probes.len()).expect("a few");
            let id = self.start_submitting(number).accepted();
            probes.push(self.outcome(&id, deadline).await);
            let told = Command::new("kill").args(["-s", "TERM", &self.process.id().to_string()]).status();
            assert!(told.expect("`kill`").success());
            self.process.wait().expect("the end");
            let left = left_in_queues(&self.folder).await;
            if left == 0 {
                return probes;
            }
            assert!(Instant::now() < deadline, "{left} messages are left");
            self = Self::start(&self.folder);
        }
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.process.kill().expect("kill");
        self.process.wait().expect("the end");
    }
}

/// A `gantz submit`.
struct Submitting {
    id: JobId,
    process: Child,
}

impl Submitting {
    /// The job's id, once it is accepted.
    fn accepted(self) -> JobId {
        let ended = self.process.wait_with_output().expect("gantz submit");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        self.id
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn gantz(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantz"));
    command.current_dir(folder).env_remove("GANTZ_CONFIG").env_remove("GANTZ_DATA_DIR");
    command
}
