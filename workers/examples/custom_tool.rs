//! A fleet of your own: a tool in Rust, the embedded backend, and one job from its submission to its result.
//!
//! `cargo run -p gantz-workers --example custom_tool`
#![expect(clippy::print_stdout, reason = "the result is what the program is for")]

use std::error::Error;
use std::sync::Arc;

use gantz_core::tool::{Call, Tool};
use gantz_core::{
    admit::Origin, ids::Lane, manifest::Manifest, outcome::Outcome, ports::Ports, spec::JobSpec,
};
use gantz_dispatcher::Dispatcher;
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_workers::{Phase, Registry, Switch, ToolSettings, Toolbox, Worker, machine, pool};
use serde_json::json;

const MANIFEST: &str = "
name: example
version: 1.0.0
tools:
  count_words:
    description: Counts the words of a text.
    handler: example.count_words
    parameters:
      text: {type: string, required: true}
";

struct CountWords;

#[derive(serde::Deserialize)]
struct Text {
    text: String,
}

impl Tool for CountWords {
    const HANDLER: &'static str = "example.count_words";
    type Parameters = Text;

    async fn run(&self, call: Call<Text>) -> Outcome {
        Outcome::Done(json!({"words": call.parameters.text.split_whitespace().count()}))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (clock, entropy) = (machine::clock(), machine::entropy());
    let directory = tempfile::tempdir()?;
    let ports =
        Ports::of(Embedded::open(Directory::create(directory.path())?, clock.clone(), Settings::default())?);

    let manifest = Arc::new(Manifest::parse("example", MANIFEST)?);
    let settings = ToolSettings::new(directory.path(), &clock);
    let tools = Toolbox::build(&manifest, &Registry::default().with(CountWords), &settings)?;
    let dispatcher = Dispatcher::new(ports.clone(), manifest, clock.clone(), entropy.clone());
    let worker = Arc::new(Worker::new(ports.clone(), tools, clock, entropy, "example"));
    let switch = Switch::default();
    let working = tokio::spawn(pool::serve(worker, Lane::default_lane(), 4, switch.stop()));

    let spec = JobSpec::new("count_words", json!({"text": "to be or not to be"}));
    let mut job = dispatcher.submit(spec, &Origin { source: "example", occurrence: None }).await?.record;
    while !job.is_finished() {
        job = ports.jobs.changed(&job.id, job.updated_at_ms, 10_000).await?.ok_or("the job is gone")?;
    }
    println!("{} {}: {}", job.id, job.status.as_str(), json!(job)["result"]);

    switch.set(Phase::Drain);
    Ok(working.await?)
}
