//! The command as people and programs use it: the real binary, in real projects, with real signals.
#![expect(clippy::print_stderr, reason = "the seed of a run, and what it met")]

mod batch;
mod canary;
mod cancel;
mod completions;
mod crash;
mod deploy;
mod dev;
mod dlq;
mod events;
mod failpoints;
mod full_disk;
mod init_check;
mod jobs;
mod lanes;
mod main_command;
mod mcp;
mod retry;
mod run;
mod signals;
mod startup;
mod status_result_why;
mod stopped;
mod submit;
mod support;
mod template;
mod terminal;
mod traces;
mod worker;
