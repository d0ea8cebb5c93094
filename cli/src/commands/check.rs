//! `gantz check`: is the manifest right, and what does it offer?

use std::process::ExitCode;

use gantz_core::manifest::{LaneSpec, Manifest, ToolSpec};
use gantz_core::policy::{BreakerRule, Effects, LimitKey, RateRule, Scope};
use serde_json::{Value, json};

use super::Outcome;
use crate::args::Format;
use crate::project::Project;
use crate::tools::missing;
use crate::view::{Rows, count, duration, note, print, print_json, shortened, table};

/// Waits between attempts that are listed one by one.
const WAITS_SHOWN: u32 = 5;

pub(super) fn run(project: &Project, explain: bool, format: Format) -> Outcome {
    let manifest = project.written_manifest()?;
    let warnings: Vec<String> = missing(project, &manifest)?.iter().map(ToString::to_string).collect();
    match format {
        Format::Table => {
            print(&if explain { explained(&manifest) } else { describe(&manifest) });
            warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        }
        Format::Json | Format::Jsonl => print_json(&document(&manifest, &warnings), format)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(manifest: &Manifest) -> String {
    let mut tools = table(["TOOL", "HANDLER", "TIMEOUT", "ATTEMPTS", "LANE", "PARAMETERS", "WHAT IT DOES"])
        .sparing(&[4, 3, 2, 1]);
    for tool in manifest.offered() {
        tools.add_row([
            tool.name.as_str(),
            tool.handler.name(),
            &duration(tool.policy.timeout_ms),
            &tool.policy.retry.max_attempts().to_string(),
            tool.policy.lane.as_str(),
            &parameters(tool),
            &shortened(&tool.description, 60),
        ]);
    }
    let number = count(manifest.offered().count() as u64, "tool");
    format!("{} {}: {number}, no errors\n\n{tools}", manifest.name(), manifest.version())
}

/// Each tool's policy in full.
fn explained(manifest: &Manifest) -> String {
    let tools = manifest.offered().map(|tool| {
        let mut card = Rows::card();
        for (name, value) in policy(manifest, tool) {
            card.add_row([format!("  {name}"), value]);
        }
        format!("{}\n{card}\n", tool.name)
    });
    tools.collect::<Vec<_>>().join("\n")
}

fn policy(manifest: &Manifest, tool: &ToolSpec) -> Vec<(&'static str, String)> {
    let policy = &tool.policy;
    let attempts = policy.retry.max_attempts();
    let waits = (1..attempts.min(WAITS_SHOWN + 1)).map(|attempt| duration(policy.retry.ceiling_ms(attempt)));
    let more = if attempts > WAITS_SHOWN + 1 { " …" } else { "" };
    let retry = match attempts {
        1 => "none".to_owned(),
        _ => format!("{attempts} attempts; waits up to {}{more}", waits.collect::<Vec<_>>().join(", ")),
    };
    let lane =
        manifest.lanes().find(|(lane, _)| **lane == policy.lane).map_or(LaneSpec::DEFAULT, |lane| *lane.1);
    let mut rows = vec![
        ("handler", tool.handler.name().to_owned()),
        ("parameters", parameters(tool)),
        ("timeout", duration(policy.timeout_ms)),
        ("retry", retry),
        ("effects", effects(policy.effects).to_owned()),
        ("lane", format!("{}, {} at once", policy.lane, lane.concurrency)),
    ];
    if let Some(RateRule { limit, scope, key }) = &policy.rate_limit {
        let whose = match scope {
            Scope::Process => "of each worker",
            Scope::Fleet => "of the fleet",
        };
        let rate = format!("{} a second, {} at once, {whose}{}", limit.per_second(), limit.burst(), by(key));
        rows.push(("rate limit", rate));
    }
    if let Some(rule) = &policy.concurrency {
        rows.push(("concurrency", format!("{} at once in each worker{}", rule.max, by(&rule.key))));
    }
    if let Some(BreakerRule { policy: breaker, key }) = &policy.breaker {
        let words = format!(
            "opens for {} when {:.0} % of at least {} calls within {} failed",
            duration(breaker.open_ms()),
            breaker.failure_ratio() * 100.0,
            breaker.min_calls(),
            duration(breaker.window_ms()),
        ) + &by(key);
        rows.push(("breaker", words));
    }
    rows
}

fn by(key: &LimitKey) -> String {
    match key {
        LimitKey::Tool => String::new(),
        LimitKey::Tenant => ", by tenant".to_owned(),
        LimitKey::Parameter(name) => format!(", by `{name}`"),
    }
}

fn effects(effects: Effects) -> &'static str {
    match effects {
        Effects::ReadOnly => "read_only: it only looks",
        Effects::Keyed => "keyed: run again, it brings about nothing more",
        Effects::AtMostOnce => "at_most_once: it is never started again",
    }
}

/// Names, the optional ones in brackets.
fn parameters(tool: &ToolSpec) -> String {
    let names = tool.parameters.iter().map(|parameter| {
        if parameter.required { parameter.name.clone() } else { format!("[{}]", parameter.name) }
    });
    names.collect::<Vec<_>>().join(" ")
}

fn document(manifest: &Manifest, warnings: &[String]) -> Value {
    let tools = manifest.offered().map(|tool| {
        json!({
            "name": tool.name, "description": tool.description, "handler": tool.handler.name(),
            "timeout_ms": tool.policy.timeout_ms, "max_attempts": tool.policy.retry.max_attempts(),
            "effects": tool.policy.effects, "lane": tool.policy.lane, "parameters": tool.parameters.json_schema(),
        })
    });
    json!({
        "name": manifest.name(), "version": manifest.version(), "tools": tools.collect::<Vec<_>>(),
        "warnings": warnings,
    })
}
