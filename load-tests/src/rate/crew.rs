//! The worker processes, as the one that has started them sees them.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::worker::{Place, Report};

type Failure = Box<dyn std::error::Error>;

/// Processes that work, until this is told to stop or dropped.
pub(crate) struct Crew(Vec<Member>);

struct Member {
    process: Child,
    stdin: ChildStdin,
    report: watch::Receiver<Report>,
    reading: JoinHandle<std::io::Result<()>>,
}

impl Crew {
    /// Starts so many, and waits until each is ready.
    pub(crate) async fn start(
        workers: u32,
        place: &Place,
        rate: u32,
        concurrency: u32,
    ) -> Result<Self, Failure> {
        let mut members = Vec::new();
        for _ in 0..workers {
            members.push(Member::start(place, rate, concurrency)?);
        }
        for member in &mut members {
            member.report.changed().await.map_err(|_| "a worker ended before it was ready")?;
        }
        Ok(Self(members))
    }

    /// Lets them work.
    pub(crate) async fn go(&mut self) -> Result<(), Failure> {
        for member in &mut self.0 {
            member.stdin.write_all(b"\n").await?;
        }
        Ok(())
    }

    /// Waits until they have ended so many jobs together.
    pub(crate) async fn until_ended(&mut self, jobs: u64) -> Result<(), Failure> {
        while self.0.iter().map(|member| member.report.borrow().ended).sum::<u64>() < jobs {
            let changes = self.0.iter_mut().map(|member| Box::pin(member.report.changed()));
            let (changed, ..) = futures_util::future::select_all(changes).await;
            changed.map_err(|_| "a worker ended before its jobs had")?;
        }
        Ok(())
    }

    /// Lets them finish: the jobs that each has ended, and the writes of the limit's row by all.
    pub(crate) async fn stop(self) -> Result<(Vec<u64>, usize), Failure> {
        let (mut ended, mut grants) = (Vec::new(), 0);
        for member in self.0 {
            let report = member.stop().await?;
            ended.push(report.ended);
            grants += report.grants;
        }
        Ok((ended, grants))
    }
}

impl Member {
    fn start(place: &Place, rate: u32, concurrency: u32) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("rate-worker");
        match place {
            Place::Directory(folder) => command.arg("--directory").arg(folder),
            Place::Emulator(endpoint) => command.arg("--emulator").arg(endpoint),
        };
        command.args(["--rate", &rate.to_string(), "--concurrency", &concurrency.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let stdin = process.stdin.take().ok_or("a worker has no stdin")?;
        let stdout = process.stdout.take().ok_or("a worker has no stdout")?;
        let (reports, report) = watch::channel(Report::default());
        let reading = tokio::spawn(read(BufReader::new(stdout).lines(), reports));
        Ok(Self { process, stdin, report, reading })
    }

    async fn stop(mut self) -> Result<Report, Failure> {
        drop(self.stdin);
        self.reading.await??;
        let status = self.process.wait().await?;
        let report = *self.report.borrow();
        if status.success() { Ok(report) } else { Err(format!("a worker ended with {status}").into()) }
    }
}

async fn read(
    mut lines: Lines<BufReader<ChildStdout>>,
    reports: watch::Sender<Report>,
) -> std::io::Result<()> {
    while let Some(line) = lines.next_line().await? {
        reports.send_replace(serde_json::from_str(&line)?);
    }
    Ok(())
}
