//! The part of a lane: its queues, and the function that works it.

use std::collections::{BTreeMap, BTreeSet};

use gantz_core::ids::Lane;
use gantz_core::limits;
use gantz_core::manifest::secret::SecretName;
use gantz_core::manifest::{LaneSpec, LaneWorkers, Manifest, ToolSpec};

use super::piece::{fill_holes, logical, section};
use super::{secrets, tools};

const PIECE: &str = include_str!("../../../infra/lane.yaml");
/// The longest that a Lambda function runs.
const FUNCTION_MAX_S: u64 = 900;
/// The shortest timeout that a worker gets: room for a cold start and for slow neighbours.
const FUNCTION_MIN_S: u64 = 60;
/// What an invocation needs besides its longest tool: to start, to record, to publish and to acknowledge.
const MARGIN_S: u64 = 15;
/// What AWS recommends, so that no message comes back while its batch may still be at work.
const VISIBILITY_FACTOR: u64 = 6;
/// What the maximum concurrency of an event source may be.
const EVENT_SOURCE_CONCURRENCY: (u32, u32) = (2, 1_000);
/// What each lane's dead letters invoke at once, as the piece has it.
const DEAD_LETTERS_CONCURRENCY: u32 = 2;

/// A lane, and the tools that run in it as far as the manifest tells.
pub(super) struct Working<'m> {
    pub(super) lane: &'m Lane,
    pub(super) spec: &'m LaneSpec,
    pub(super) tools: Vec<&'m ToolSpec>,
    /// Buckets besides the stack's own whose objects its tools are given.
    pub(super) buckets: BTreeSet<&'m str>,
    /// Secrets that its tools need.
    pub(super) secrets: BTreeSet<SecretName>,
}

impl<'m> Working<'m> {
    /// The lanes of a manifest: those that every manifest has, then the others by name.
    pub(super) fn all(manifest: &'m Manifest) -> Vec<Self> {
        let standing = Lane::standing();
        let mut lanes: Vec<_> =
            manifest.lanes().map(|(lane, spec)| Self::new(manifest, lane, spec)).collect();
        lanes.sort_by_key(|working| {
            standing.iter().position(|lane| lane == working.lane).unwrap_or(standing.len())
        });
        lanes
    }

    fn new(manifest: &'m Manifest, lane: &'m Lane, spec: &'m LaneSpec) -> Self {
        let scheduled = manifest.schedules().filter_map(|schedule| {
            let bucket = schedule.batch.as_ref().and_then(|batch| batch.bucket.as_deref());
            Some((manifest.tool(&schedule.tool)?, schedule.lane.as_ref(), bucket))
        });
        let uploads = manifest.triggers().filter_map(|trigger| {
            Some((manifest.tool(&trigger.tool)?, trigger.lane.as_ref(), trigger.bucket.as_deref()))
        });
        let calls: Vec<_> = scheduled.chain(uploads).collect();
        let here = |tool: &ToolSpec, wanted: Option<&Lane>| wanted.unwrap_or(&tool.policy.lane) == lane;
        let called = |tool: &ToolSpec| {
            calls.iter().any(|(called, wanted, _)| called.name == tool.name && here(tool, *wanted))
        };
        let tools: Vec<_> = manifest.tools().filter(|tool| here(tool, None) || called(tool)).collect();
        Self {
            lane,
            spec,
            secrets: tools.iter().flat_map(|tool| manifest.secrets(tool)).collect(),
            tools,
            buckets: calls
                .iter()
                .filter(|(tool, wanted, _)| here(tool, *wanted))
                .filter_map(|call| call.2)
                .collect(),
        }
    }

    /// The tools whose timeout is longer than any function can run.
    pub(super) fn too_long(&self) -> impl Iterator<Item = &'m ToolSpec> {
        self.tools.iter().copied().filter(|tool| needed_s(tool) > FUNCTION_MAX_S)
    }

    /// Whether a function works it: a tool that no invocation has time for would be handed back for ever.
    pub(super) fn has_function(&self) -> bool {
        self.spec.workers == LaneWorkers::Lambda && self.too_long().next().is_none()
    }

    /// Seconds that the lane's function may run.
    fn timeout_s(&self) -> u64 {
        if let Some(timeout_ms) = self.spec.function_timeout_ms {
            return timeout_ms.div_ceil(1_000);
        }
        let is_bulk = self.lane.as_str() == "bulk";
        let least = if is_bulk { FUNCTION_MAX_S } else { FUNCTION_MIN_S };
        let longest = self.tools.iter().map(|tool| needed_s(tool)).max().unwrap_or(0);
        longest.clamp(least, FUNCTION_MAX_S)
    }

    /// The lane's part of a section of the template, where `variables` has the parameters of secrets.
    pub(super) fn part(&self, name: &str, variables: &BTreeMap<String, String>) -> String {
        let (id, named) = match self.lane.as_str() {
            "fast" => ("Agent".to_owned(), "Fast".to_owned()),
            "bulk" => ("Async".to_owned(), "Bulk".to_owned()),
            other => {
                let id = format!("Lane{}", logical(other));
                (id.clone(), id)
            }
        };
        let timeout_s = self.timeout_s();
        let environment = tools::part(&self.tools, "Environment");
        let environment = secrets::environment(variables, &self.secrets, &environment) + &environment;
        let (least, most) = EVENT_SOURCE_CONCURRENCY;
        let concurrency = self.spec.concurrency.div_ceil(self.spec.batch_size).clamp(least, most);
        let piece = fill_holes(
            PIECE,
            &[
                ("id", &id),
                ("named", &named),
                ("worker", &format!("{id}Worker")),
                ("lane", self.lane.as_str()),
                ("timeout", &timeout_s.to_string()),
                ("visibility", &(timeout_s * VISIBILITY_FACTOR).to_string()),
                ("max_receives", &limits::MAX_RECEIVES.to_string()),
                ("batch", &self.spec.batch_size.to_string()),
                ("concurrency", &concurrency.to_string()),
                ("reservable", &at_least_or_empty(concurrency)),
                ("enabled", &self.has_function().to_string()),
                ("statements", &tools::statements(self)),
                ("function", &tools::part(&self.tools, "Function")),
                ("environment", &environment),
            ],
        );
        section(&piece, name)
    }
}

/// What the dead-letter handler's reserved concurrency may be, for so many lanes.
pub(super) fn dead_letters(lanes: usize) -> String {
    let least = DEAD_LETTERS_CONCURRENCY.saturating_mul(u32::try_from(lanes).unwrap_or(u32::MAX));
    let pattern = at_least_or_empty(least);
    format!(
        "AllowedPattern: {pattern}\nConstraintDescription: at least {least}, which its queues invoke at once, or empty\n"
    )
}

/// The pattern of the numbers of up to five digits that are no less, and of the empty text, as a scalar of YAML. The
/// parameter is a text, as a number could not be left out.
fn at_least_or_empty(least: u32) -> String {
    const DIGITS_MAX: usize = 5;
    let digits = least.to_string();
    let mut patterns = vec![digits.clone()];
    for (place, digit) in digits.char_indices().rev() {
        let rest = digits.len() - place - 1;
        if digit < '9' {
            let next = char::from(digit as u8 + 1);
            patterns.push(format!("{}[{next}-9]{}", &digits[..place], "[0-9]".repeat(rest)));
        }
    }
    if digits.len() < DIGITS_MAX {
        patterns.push(format!("[1-9][0-9]{{{},{}}}", digits.len(), DIGITS_MAX - 1));
    }
    format!("'({})?'", patterns.join("|"))
}

fn needed_s(tool: &ToolSpec) -> u64 {
    tool.policy.timeout_ms.div_ceil(1_000) + MARGIN_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_what_is_no_less() {
        assert_eq!(at_least_or_empty(2), "'(2|[3-9]|[1-9][0-9]{1,4})?'");
        assert_eq!(at_least_or_empty(97), "'(97|9[8-9]|[1-9][0-9]{2,4})?'");
        for least in [2, 7, 9, 10, 19, 30, 99, 100, 109, 999, 1_000] {
            let pattern = at_least_or_empty(least);
            let pattern = regex::Regex::new(&format!("^{}$", pattern.trim_matches('\''))).unwrap();
            assert!(pattern.is_match(""));
            for given in (0..2_000).chain([9_999, 10_000, 99_999, 100_000]) {
                let fits = (least..100_000).contains(&given);
                assert_eq!(pattern.is_match(&given.to_string()), fits, "{given}, at least {least}");
            }
        }
    }
}
