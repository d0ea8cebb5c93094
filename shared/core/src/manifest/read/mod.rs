//! From the tree to the manifest: every key is read once, and every problem is reported before giving up.

mod call;
mod command;
mod host;
mod http;
mod mcp;
mod output;
mod parameters;
mod policy;
mod schedule;
mod template;
mod tool;
mod trigger;
mod url;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Problems, Span};
use super::quantity::{duration_ms, format_ms};
use super::rules::{self, Rule};
use super::section::{Section, choice, mapping, text};
use super::syntax::cut;
use super::tree::{self, Entry, Kind, Node};
use super::trigger::DEFAULT_TOOL;
use super::{LaneSpec, LaneWorkers, Manifest, ManifestError, ToolSpec, TriggerSpec};
use crate::ids::Lane;
use crate::limits;
use call::Known;
use mcp::Servers;
use policy::Common;

const KEYS: [&str; 9] =
    ["name", "version", "description", "defaults", "lanes", "mcp_servers", "tools", "schedules", "triggers"];
const LANE_KEYS: [&str; 4] = ["workers", "batch_size", "function_timeout", "concurrency"];
const WORKERS: [(&str, LaneWorkers); 2] =
    [("lambda", LaneWorkers::Lambda), ("container", LaneWorkers::Container)];
const TOOLS_HELP: &str =
    "a tool is a name with its `description`, `parameters` and `handler` indented below it";

/// Reads a manifest's text.
pub(super) fn manifest(source_name: &str, source: &str) -> Result<Manifest, ManifestError> {
    let mut problems = Problems::new(source);
    if source.len() > limits::MANIFEST_MAX_BYTES {
        let message = format!(
            "the manifest has {} bytes, expected at most {}",
            source.len(),
            limits::MANIFEST_MAX_BYTES
        );
        problems.error(Span { start: 0, end: 0 }, message);
        return problems.into_result(source_name, None);
    }
    let root = tree::parse(source, &mut problems);
    let manifest = root.and_then(|root| read(&root, &mut problems));
    problems.into_result(source_name, manifest)
}

fn read(root: &Node, problems: &mut Problems<'_>) -> Option<Manifest> {
    let start = Span { start: root.span.start, end: root.span.start };
    let section = Section::open(root, start, "the manifest", &KEYS, problems)?;
    let name = section
        .require("name", "name: my-tools", problems)
        .and_then(|node| named(node, "name", &rules::MANIFEST, problems));
    let version = section
        .require("version", "version: 1.0.0", problems)
        .and_then(|node| named(node, "version", &rules::VERSION, problems));
    let description = section.text("description", problems);
    let lanes = section.get("lanes").and_then(|node| lanes(node, problems));
    let common = policy::common(section.entry("defaults"), lanes, problems);
    let mcp_servers = mcp::servers(&section, problems);
    // Those of another server may be about to be imported.
    let may_be_empty = !mcp_servers.is_empty();
    let tools = match section.get("tools") {
        None if may_be_empty => None,
        Some(Node { kind: Kind::Null, .. }) if may_be_empty => None,
        Some(Node { kind: Kind::Map(entries), .. }) if may_be_empty && entries.is_empty() => None,
        _ => section.require("tools", "tools:", problems),
    };
    let tools = tools.map(|node| tools_of(node, &common, &mcp_servers, problems)).unwrap_or_default();
    let names = tool_names(root);
    let known = Known { tools: &tools, names: &names, lanes: common.declared_lanes.as_ref() };
    let schedules = entries(&section, "schedules", limits::MANIFEST_SCHEDULES_MAX, problems)
        .iter()
        .filter_map(|entry| schedule::read(entry, &known, problems))
        .map(|schedule| (schedule.name.clone(), schedule))
        .collect::<BTreeMap<_, _>>();
    let triggers = entries(&section, "triggers", limits::MANIFEST_TRIGGERS_MAX, problems)
        .iter()
        .filter_map(|entry| trigger::read(entry, &known, problems))
        .map(|trigger| (trigger.name.clone(), trigger))
        .collect();
    let triggers = if section.get("triggers").is_some() { triggers } else { implied_triggers(&tools) };
    let mut lanes = common.declared_lanes.unwrap_or_default();
    let used = tools.values().map(|tool| &tool.policy.lane);
    let used = used.chain(schedules.values().filter_map(|schedule| schedule.lane.as_ref()));
    let used = used.chain(triggers.values().filter_map(|trigger| trigger.lane.as_ref()));
    for lane in used.cloned().chain(Lane::standing()) {
        lanes.entry(lane).or_insert(LaneSpec::DEFAULT);
    }
    tools_fit_their_lanes(root, &tools, &lanes, problems);
    Some(Manifest {
        name: name?,
        version: version?,
        description,
        tools,
        lanes,
        schedules,
        triggers,
        mcp_servers,
    })
}

/// A tool whose timeout a fresh invocation of its lane has no room for would be put off for ever.
fn tools_fit_their_lanes(
    root: &Node,
    tools: &BTreeMap<String, ToolSpec>,
    lanes: &BTreeMap<Lane, LaneSpec>,
    problems: &mut Problems<'_>,
) {
    for tool in tools.values() {
        let (lane, timeout_ms) = (&tool.policy.lane, tool.policy.timeout_ms);
        let Some(LaneSpec { workers: LaneWorkers::Lambda, function_timeout_ms: Some(function_ms), .. }) =
            lanes.get(lane)
        else {
            continue;
        };
        if timeout_ms + LaneSpec::FUNCTION_MARGIN_MS > *function_ms {
            let message = format!(
                "`{}` takes up to {}, and an invocation of its lane `{lane}` {}",
                tool.name,
                format_ms(timeout_ms),
                format_ms(*function_ms)
            );
            let help = format!(
                "the invocation needs {} more than its tool: lower the tool's `timeout`, raise the lane's \
                 `function_timeout`, or give the lane `workers: container`",
                format_ms(LaneSpec::FUNCTION_MARGIN_MS)
            );
            problems.error_help(root.at(&format!("/lanes/{lane}/function_timeout")).span, message, help);
        }
    }
}

/// The names under `tools`, whatever stands below them.
fn tool_names(root: &Node) -> BTreeSet<&str> {
    match &root.at("/tools").kind {
        Kind::Map(entries) => entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => BTreeSet::new(),
    }
}

/// The entries of a mapping that may be left out, if they are not too many.
fn entries<'n>(section: &Section<'n>, key: &str, max: usize, problems: &mut Problems<'_>) -> &'n [Entry] {
    let Some(node) = section.get(key) else { return &[] };
    let entries = mapping(node, &format!("`{key}`"), problems).unwrap_or_default();
    if entries.len() > max {
        let message = format!("{} {key}, expected at most {max}", entries.len());
        problems.error_help(node.span, message, "spread them over several manifests");
        return &[];
    }
    entries
}

/// Uploads are analysed where nothing is said about them, if the tool for it takes an object of S3 and nothing more.
fn implied_triggers(tools: &BTreeMap<String, ToolSpec>) -> BTreeMap<String, TriggerSpec> {
    let Some(tool) = tools.get(DEFAULT_TOOL) else { return BTreeMap::new() };
    let (trigger, parameters) = (TriggerSpec::implied(tool), &tool.parameters);
    let given = |name: &str| trigger.parameters.contains_key(name);
    let others_optional = parameters.iter().all(|spec| !spec.required || given(&spec.name));
    let takes = others_optional && trigger.parameters.keys().all(|name| parameters.get(name).is_some());
    if takes { BTreeMap::from([(trigger.name.clone(), trigger)]) } else { BTreeMap::new() }
}

fn tools_of(
    node: &Node,
    common: &Common,
    servers: &Servers,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, ToolSpec> {
    let entries = match &node.kind {
        Kind::Map(entries) if !entries.is_empty() => entries,
        Kind::Map(_) | Kind::Null => {
            problems.error_help(node.span, "`tools` is empty: a manifest has at least one tool", TOOLS_HELP);
            return BTreeMap::new();
        }
        _ => {
            let message = format!("`tools`: expected a mapping, got {}", super::syntax::describe(node));
            problems.error_help(node.span, message, TOOLS_HELP);
            return BTreeMap::new();
        }
    };
    if entries.len() > limits::MANIFEST_TOOLS_MAX {
        let message = format!("{} tools, expected at most {}", entries.len(), limits::MANIFEST_TOOLS_MAX);
        problems.error_help(node.span, message, "spread them over several manifests");
        return BTreeMap::new();
    }
    entries
        .iter()
        .filter_map(|entry| {
            check_name(&entry.key, entry.key_span, &rules::TOOL, problems);
            tool::read(entry, common, servers, problems)
        })
        .map(|tool| (tool.name.clone(), tool))
        .collect()
}

fn lanes(node: &Node, problems: &mut Problems<'_>) -> Option<BTreeMap<Lane, LaneSpec>> {
    let mut lanes = BTreeMap::new();
    for entry in mapping(node, "`lanes`", problems)? {
        let what = format!("lane `{}`", cut(&entry.key));
        let section = Section::open(&entry.value, entry.key_span, what, &LANE_KEYS, problems);
        let spec = section.and_then(|section| lane(&section, problems)).unwrap_or(LaneSpec::DEFAULT);
        match Lane::try_new(entry.key.as_str()) {
            Ok(lane) => {
                lanes.insert(lane, spec);
            }
            Err(error) => problems.error(entry.key_span, error.to_string()),
        }
    }
    Some(lanes)
}

fn lane(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<LaneSpec> {
    let default = LaneSpec::DEFAULT;
    let workers = section.get("workers").map(|node| choice(node, "workers", &WORKERS, problems));
    let mut count = |key, max| section.integer(key, 1, u64::from(max), problems).map(u32::try_from);
    let concurrency = count("concurrency", LaneSpec::CONCURRENCY_MAX);
    let batch_size = count("batch_size", LaneSpec::BATCH_SIZE_MAX);
    let function_timeout_ms = section.get("function_timeout").map(|node| {
        duration_ms(node, "function_timeout", 1_000, LaneSpec::FUNCTION_TIMEOUT_MAX_MS, problems)
    });
    Some(LaneSpec {
        workers: workers.unwrap_or(Some(default.workers))?,
        concurrency: concurrency.unwrap_or(Ok(default.concurrency)).ok()?,
        batch_size: batch_size.unwrap_or(Ok(default.batch_size)).ok()?,
        function_timeout_ms: function_timeout_ms.map_or(Some(None), |read| read.map(Some))?,
    })
}

/// A text that keeps a rule.
fn named(node: &Node, key: &str, rule: &Rule, problems: &mut Problems<'_>) -> Option<String> {
    let name = text(node, key, problems)?;
    check_name(name, node.span, rule, problems).then(|| name.to_owned())
}

/// Whether a name keeps its rule; if not, that is reported.
fn check_name(name: &str, span: Span, rule: &Rule, problems: &mut Problems<'_>) -> bool {
    let holds = (rule.holds)(name);
    if !holds {
        problems.error_help(span, format!("`{}` is no valid {}", cut(name), rule.what), rule.expected);
    }
    holds
}
