//! `gantz`: runs the tool calls of AI agents as durable jobs.

mod args;
mod client;
mod commands;
mod deploy;
mod desk;
mod error;
mod inputs;
mod local;
mod node;
mod project;
mod reader;
mod schedules;
mod session;
mod shell;
mod signals;
mod stack;
mod summary;
mod template;
mod tools;
mod view;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use args::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    shell::trace(arguments.verbose);
    let outcome = match shell::runtime() {
        Ok(runtime) => runtime.block_on(commands::execute(arguments)),
        Err(error) => Err(error::CliError::failed(format!("cannot start: {error}"))),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}
