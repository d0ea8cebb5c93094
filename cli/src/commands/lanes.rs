//! `gantz lanes`, `gantz pause`, `gantz resume`: what waits in each lane, and whether it is worked.

use std::process::ExitCode;

use gantz_aws::mappings;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::manifest::{LaneWorkers, Manifest};
use gantz_core::pause;
use gantz_core::ports::Ports;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Outcome, find_lane};
use crate::args::Format;
use crate::error::CliError;
use crate::project::Project;
use crate::session::Session;
use crate::stack::{self, Connected};
use crate::view::{moment, note, print, print_json, print_list, table};
use crate::{node, shell, template};

/// A lane as it stands.
#[derive(Serialize)]
struct Standing<'m> {
    lane: &'m Lane,
    workers: &'static str,
    /// Jobs that may be begun now, as far as the queue knows.
    queued: u64,
    /// Jobs that wait for their time.
    delayed: u64,
    /// Jobs that somebody has taken.
    in_flight: u64,
    paused_until_ms: Option<u64>,
}

pub(super) async fn list(project: &Project, format: Format) -> Outcome {
    let (manifest, fleet) = (project.manifest()?, Fleet::of(project).await?);
    let now_ms = shell::clock().now_ms();
    let mut lanes = Vec::new();
    for (lane, spec) in manifest.lanes() {
        let depth = fleet.ports.queue.depth(&QueueName::Lane(lane.clone())).await?;
        lanes.push(Standing {
            lane,
            workers: if spec.workers == LaneWorkers::Lambda { "lambda" } else { "container" },
            queued: depth.visible,
            delayed: depth.delayed,
            in_flight: depth.in_flight,
            paused_until_ms: pause::paused_until_ms(&*fleet.ports.limits, lane, now_ms).await?,
        });
    }
    match format {
        Format::Table => {
            let mut rows = table(["LANE", "WORKERS", "QUEUED", "DELAYED", "IN FLIGHT", "STATE"]);
            for lane in &lanes {
                rows.add_row([
                    lane.lane.to_string(),
                    lane.workers.to_owned(),
                    lane.queued.to_string(),
                    lane.delayed.to_string(),
                    lane.in_flight.to_string(),
                    lane.paused_until_ms
                        .map_or_else(|| "open".to_owned(), |ms| format!("paused {}", until(ms))),
                ]);
            }
            print(&rows.to_string());
        }
        Format::Json | Format::Jsonl => print_list(&lanes, format)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Pauses a lane, for so many milliseconds or until somebody resumes it.
pub(super) async fn pause(project: &Project, lane: &str, for_ms: Option<u64>, format: Format) -> Outcome {
    let (manifest, fleet) = (project.manifest()?, Fleet::of(project).await?);
    let lane = find_lane(&manifest, lane)?;
    let until_ms = match for_ms {
        Some(_) if fleet.stack.is_some() => {
            return Err(CliError::usage(
                "`--for` is not there with `--stack`: what is switched off on AWS stays off",
            )
            .hint(format!("pause it without, and `gantz resume {lane}` when it is time")));
        }
        Some(ms) => shell::clock().now_ms().saturating_add(ms),
        None => pause::UNTIL_RESUMED_MS,
    };
    // Processes first: a function that is switched off leaves them the more to do.
    pause::pause(&*fleet.ports.limits, lane, until_ms).await?;
    fleet.switch(&manifest, lane, false).await?;
    tell(lane, Some(until_ms), format)
}

pub(super) async fn resume(project: &Project, lane: &str, format: Format) -> Outcome {
    let (manifest, fleet) = (project.manifest()?, Fleet::of(project).await?);
    let lane = find_lane(&manifest, lane)?;
    fleet.switch(&manifest, lane, true).await?;
    pause::resume(&*fleet.ports.limits, lane).await?;
    tell(lane, None, format)
}

/// Says so of what was submitted, if it waits in a paused lane. `accepted` is its record.
pub(super) async fn note_if_paused(session: &Session, accepted: &Value) -> Result<(), CliError> {
    let lane = accepted.get("lane").and_then(Value::as_str).and_then(|lane| Lane::try_new(lane).ok());
    let Some(lane) = lane.filter(|_| accepted.get("finished_at").is_none()) else { return Ok(()) };
    let dispatcher = session.dispatcher();
    let (limits, now_ms) = (&*dispatcher.ports.limits, dispatcher.clock.now_ms());
    if let Some(ms) = pause::paused_until_ms(limits, &lane, now_ms).await? {
        note(&format!("the lane `{lane}` is paused {}", until(ms)));
    }
    Ok(())
}

fn tell(lane: &Lane, paused_until_ms: Option<u64>, format: Format) -> Outcome {
    match (format, paused_until_ms) {
        (Format::Json | Format::Jsonl, _) => {
            print_json(&json!({"lane": lane, "paused_until_ms": paused_until_ms}), format)?;
        }
        (Format::Table, Some(ms)) => {
            print(&format!("{lane} is paused {}: what runs ends, and nothing is begun", until(ms)));
        }
        (Format::Table, None) => print(&format!("{lane} is open")),
    }
    Ok(ExitCode::SUCCESS)
}

fn until(ms: u64) -> String {
    if ms >= pause::UNTIL_RESUMED_MS {
        "until it is resumed".to_owned()
    } else {
        format!("until {}", moment(ms))
    }
}

/// A fleet whose lanes are looked at.
struct Fleet {
    ports: Ports,
    stack: Option<Connected>,
}

impl Fleet {
    async fn of(project: &Project) -> Result<Self, CliError> {
        Ok(match &project.stack {
            Some(name) => {
                let stack = stack::connect(&project.aws, name).await?;
                Self { ports: stack.ports.clone(), stack: Some(stack) }
            }
            None => Self { ports: Ports::of(node::join(project)?), stack: None },
        })
    }

    /// Switches a lane's function, which asks nobody before it begins. Lanes that processes alone work have one that is
    /// always off.
    async fn switch(&self, manifest: &Manifest, lane: &Lane, on: bool) -> Result<(), CliError> {
        if let (Some(stack), true) = (&self.stack, template::has_function(manifest, lane)) {
            mappings::switch(&stack.session, &stack.settings, lane, on).await?;
        }
        Ok(())
    }
}
