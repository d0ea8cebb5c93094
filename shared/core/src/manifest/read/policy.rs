//! How a tool is run: what it says, over what `defaults` says, over what Gantz does by itself.

use std::collections::BTreeMap;

use super::super::diagnostic::{Problems, Span};
use super::super::quantity::{duration_ms, format_ms, per_second};
use super::super::section::{Section, choice, number, text, whole, wrong_type};
use super::super::suggest::{closest, listing};
use super::super::syntax::cut;
use super::super::tree::{Entry, Kind, Node};
use super::super::{Handler, LaneSpec};
use crate::ids::Lane;
use crate::limits;
use crate::policy::{
    BreakerPolicy, BreakerRule, ConcurrencyRule, Effects, LimitKey, PolicyError, RateLimit, RateRule,
    RetryPolicy, Scope, ToolPolicy,
};

/// An attempt's timeout when nothing is said: longer than a slow answer, shorter than a person waits.
const TIMEOUT_DEFAULT_MS: u64 = 60_000;
const DEFAULTS_KEYS: [&str; 6] = ["timeout", "retry", "rate_limit", "concurrency", "breaker", "lane"];
const SCOPES: [(&str, Scope); 2] = [("process", Scope::Process), ("fleet", Scope::Fleet)];
const EFFECTS: [(&str, Effects); 3] =
    [("read_only", Effects::ReadOnly), ("keyed", Effects::Keyed), ("at_most_once", Effects::AtMostOnce)];
/// Built-in handlers that only look.
const READ_ONLY_HANDLERS: [&str; 3] = ["aws_lambda.list_functions", "aws_lambda.get_logs", "s3.analyze_file"];

/// The policy keys of one section, as far as they are given.
#[derive(Debug, Clone, Default)]
pub(super) struct PolicyKeys {
    timeout_ms: Option<u64>,
    retry: RetryKeys,
    rate_limit: Setting<RateRule>,
    concurrency: Setting<ConcurrencyRule>,
    breaker: Setting<BreakerKeys>,
    lane: Option<Lane>,
}

/// A key that can be left out, turned off, or set.
#[derive(Debug, Clone, Default)]
enum Setting<T> {
    #[default]
    Unset,
    Off,
    On(T),
}

#[derive(Debug, Clone, Copy, Default)]
struct RetryKeys {
    max_attempts: Option<u32>,
    first_ms: Option<u64>,
    factor: Option<f64>,
    max_ms: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct BreakerKeys {
    failure_ratio: Option<f64>,
    minimum: Option<u32>,
    window_ms: Option<u64>,
    open_ms: Option<u64>,
    key: Option<LimitKey>,
}

/// What the top level says for all tools.
#[derive(Debug, Default)]
pub(super) struct Common {
    defaults: PolicyKeys,
    /// The lanes of the key `lanes`; `None` if it is left out, and every lane exists that a tool names.
    pub(super) declared_lanes: Option<BTreeMap<Lane, LaneSpec>>,
}

/// Reads the top-level `defaults`.
pub(super) fn common(
    defaults: Option<&Entry>,
    declared_lanes: Option<BTreeMap<Lane, LaneSpec>>,
    problems: &mut Problems<'_>,
) -> Common {
    let mut common = Common { defaults: PolicyKeys::default(), declared_lanes };
    let section = defaults.and_then(|entry| {
        Section::open(&entry.value, entry.key_span, "`defaults`", &DEFAULTS_KEYS, problems)
    });
    let Some(section) = section else { return common };
    let keys = keys(&section, &common, problems);
    // Checked here, so that a wrong default is reported once and at its own place.
    if build_retry(&section, keys.retry, problems).is_some() {
        common.defaults = keys;
    }
    common
}

/// Reads a tool's policy keys and completes them.
pub(super) fn read(
    section: &Section<'_>,
    common: &Common,
    handler: Option<&Handler>,
    problems: &mut Problems<'_>,
) -> Option<ToolPolicy> {
    let defaults = &common.defaults;
    let own = keys(section, common, problems);
    let effects = section.get("effects").and_then(|node| choice(node, "effects", &EFFECTS, problems));
    let retry = build_retry(section, own.retry.over(defaults.retry), problems);
    let breaker = match own.breaker.over(defaults.breaker.clone(), BreakerKeys::over) {
        Setting::On(keys) => Some(keys.build(section, problems)?),
        Setting::Off | Setting::Unset => None,
    };
    Some(ToolPolicy {
        timeout_ms: own.timeout_ms.or(defaults.timeout_ms).unwrap_or(TIMEOUT_DEFAULT_MS),
        retry: retry?,
        rate_limit: own.rate_limit.over(defaults.rate_limit.clone(), |own, _| own).on(),
        concurrency: own.concurrency.over(defaults.concurrency.clone(), |own, _| own).on(),
        breaker,
        effects: effects.unwrap_or_else(|| default_effects(handler)),
        lane: own.lane.or_else(|| defaults.lane.clone()).unwrap_or_else(Lane::default_lane),
    })
}

fn keys(section: &Section<'_>, common: &Common, problems: &mut Problems<'_>) -> PolicyKeys {
    let timeout = section.get("timeout");
    PolicyKeys {
        timeout_ms: timeout
            .and_then(|node| duration_ms(node, "timeout", 1, limits::TIMEOUT_MAX_MS, problems)),
        retry: retry(section, problems),
        rate_limit: section.get("rate_limit").map(|node| rate_limit(node, problems)).unwrap_or_default(),
        concurrency: section.get("concurrency").map(|node| concurrency(node, problems)).unwrap_or_default(),
        breaker: breaker(section, problems),
        lane: section.get("lane").and_then(|node| lane(node, common.declared_lanes.as_ref(), problems)),
    }
}

fn retry(section: &Section<'_>, problems: &mut Problems<'_>) -> RetryKeys {
    let keys = ["max_attempts", "first", "factor", "max"];
    let Some(entry) = section.entry("retry") else { return RetryKeys::default() };
    if let Kind::Number(count) = &entry.value.kind {
        let help = format!("write `retry: {{max_attempts: {count}}}`; the first attempt counts");
        problems.error_help(
            entry.value.span,
            format!("`retry`: expected a mapping, got the number {count}"),
            help,
        );
        return RetryKeys::default();
    }
    let section = Section::open(&entry.value, entry.key_span, "`retry`", &keys, problems);
    let Some(section) = section else { return RetryKeys::default() };
    let mut delay = |key: &str| {
        section.get(key).and_then(|node| duration_ms(node, key, 1, limits::POSTPONE_MAX_MS, problems))
    };
    let (first_ms, max_ms) = (delay("first"), delay("max"));
    let max_attempts = section.integer("max_attempts", 1, u64::from(limits::ATTEMPTS_MAX), problems);
    let factor = section.get("factor").and_then(|node| factor(node, problems));
    RetryKeys { max_attempts: narrow(max_attempts), first_ms, factor, max_ms }
}

/// A retry policy from keys that are each within bounds; together they may still contradict one another.
fn build_retry(section: &Section<'_>, keys: RetryKeys, problems: &mut Problems<'_>) -> Option<RetryPolicy> {
    let default = RetryPolicy::DEFAULT;
    let attempts = keys.max_attempts.unwrap_or(default.max_attempts());
    let first_ms = keys.first_ms.unwrap_or(default.ceiling_ms(1));
    let factor = keys.factor.unwrap_or(2.0);
    let max_ms = keys.max_ms.unwrap_or(default.ceiling_ms(u32::MAX));
    let span = section.entry("retry").map_or(section.span(), |entry| entry.key_span);
    if first_ms > max_ms {
        let (first, max) = (format_ms(first_ms), format_ms(max_ms));
        let message = format!("`first` ({first}) is longer than `max` ({max})");
        problems.error_help(span, message, format!("add `max: {first}` or more"));
        return None;
    }
    accept(RetryPolicy::try_new(attempts, first_ms, factor, max_ms), span, problems)
}

fn rate_limit(node: &Node, problems: &mut Problems<'_>) -> Setting<RateRule> {
    let (mut scope, mut key) = (None, None);
    let (rate, burst) = match &node.kind {
        Kind::Bool(false) => return Setting::Off,
        Kind::Map(_) => {
            let keys = ["rate", "burst", "scope", "key"];
            let section = Section::open(node, node.span, "`rate_limit`", &keys, problems);
            let Some(section) = section else { return Setting::Unset };
            let burst = section.integer("burst", 1, 1_000_000, problems);
            scope = section.get("scope").and_then(|node| choice(node, "scope", &SCOPES, problems));
            key = limit_key(&section, problems);
            (section.require("rate", "rate: 200/s", problems), narrow(burst))
        }
        _ => (Some(node), None),
    };
    let limit = rate.and_then(|node| {
        let rate = per_second(node, "rate_limit", problems)?;
        let burst = burst.unwrap_or_else(|| RateLimit::default_burst(rate));
        accept(RateLimit::try_new(rate, burst), node.span, problems)
    });
    let rule = |limit| RateRule { limit, scope: scope.unwrap_or_default(), key: key.unwrap_or_default() };
    limit.map_or(Setting::Unset, |limit| Setting::On(rule(limit)))
}

fn concurrency(node: &Node, problems: &mut Problems<'_>) -> Setting<ConcurrencyRule> {
    const WANTED: &str = "a number of calls such as `10`, `{max: 10, key: tenant}`, or false";
    let most = u64::from(ConcurrencyRule::MAX);
    let (max, key) = match &node.kind {
        Kind::Bool(false) => return Setting::Off,
        Kind::Number(_) => (whole(node, "concurrency", 1, most, problems), None),
        Kind::Map(_) => {
            let section = Section::open(node, node.span, "`concurrency`", &["max", "key"], problems);
            let Some(section) = section else { return Setting::Unset };
            section.require("max", "max: 10", problems);
            (section.integer("max", 1, most, problems), limit_key(&section, problems))
        }
        _ => return wrong_type(node, "`concurrency`", WANTED, problems).unwrap_or_default(),
    };
    let rule = |max| ConcurrencyRule { max, key: key.unwrap_or_default() };
    narrow(max).map_or(Setting::Unset, |max| Setting::On(rule(max)))
}

/// What is counted together: `tool`, `tenant` or `param:NAME`.
fn limit_key(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<LimitKey> {
    let node = section.get("key")?;
    let name = text(node, "key", problems)?;
    match name.strip_prefix(LimitKey::PARAMETER_PREFIX) {
        Some(parameter) if !parameter.is_empty() => return Some(LimitKey::Parameter(parameter.to_owned())),
        None if name == "tool" => return Some(LimitKey::Tool),
        None if name == "tenant" => return Some(LimitKey::Tenant),
        _ => {}
    }
    let message =
        format!("`key` is `{}`, expected `tool`, `tenant` or `param:` and a parameter's name", cut(name));
    problems.error_help(
        node.span,
        message,
        "`param:host` counts calls by the value of their parameter `host`",
    );
    None
}

fn breaker(section: &Section<'_>, problems: &mut Problems<'_>) -> Setting<BreakerKeys> {
    let Some(entry) = section.entry("breaker") else { return Setting::Unset };
    match entry.value.kind {
        Kind::Bool(true) => return Setting::On(BreakerKeys::default()),
        Kind::Bool(false) => return Setting::Off,
        Kind::Map(_) => {}
        _ => {
            let wanted = "true, false or a mapping such as `{failure_ratio: 0.5, open: 30s}`";
            return wrong_type(&entry.value, "`breaker`", wanted, problems).unwrap_or_default();
        }
    }
    let keys = ["failure_ratio", "minimum", "window", "open", "key"];
    let Some(section) = Section::open(&entry.value, entry.key_span, "`breaker`", &keys, problems) else {
        return Setting::Unset;
    };
    let keys = BreakerKeys {
        failure_ratio: section.get("failure_ratio").and_then(|node| ratio(node, problems)),
        minimum: narrow(section.integer("minimum", 1, 100_000, problems)),
        window_ms: section
            .get("window")
            .and_then(|node| duration_ms(node, "window", 10, 3_600_000, problems)),
        open_ms: section
            .get("open")
            .and_then(|node| duration_ms(node, "open", 1, limits::POSTPONE_MAX_MS, problems)),
        key: limit_key(&section, problems),
    };
    Setting::On(keys)
}

fn ratio(node: &Node, problems: &mut Problems<'_>) -> Option<f64> {
    let ratio = number(node, "failure_ratio", problems)?.as_f64()?;
    if (0.01..=1.0).contains(&ratio) {
        return Some(ratio);
    }
    let message = format!("`failure_ratio` is {ratio}, expected 0.01 to 1");
    problems.error_help(node.span, message, "0.5 means: half of the calls failed");
    None
}

fn factor(node: &Node, problems: &mut Problems<'_>) -> Option<f64> {
    let factor = number(node, "factor", problems)?.as_f64()?;
    if (1.0..=RetryPolicy::FACTOR_MAX).contains(&factor) {
        return Some(factor);
    }
    let message = format!("`factor` is {factor}, expected 1 to {}", RetryPolicy::FACTOR_MAX);
    problems.error_help(node.span, message, "2 means: each wait may be twice as long as the one before");
    None
}

/// A lane, one of those declared if any are: a lane of its own for a misspelt name would wait for workers that nobody
/// counted with.
pub(super) fn lane(
    node: &Node,
    declared: Option<&BTreeMap<Lane, LaneSpec>>,
    problems: &mut Problems<'_>,
) -> Option<Lane> {
    let name = text(node, "lane", problems)?;
    let lane = Lane::try_new(name).map_err(|error| problems.error(node.span, error.to_string())).ok()?;
    if let Some(declared) = declared
        && !declared.contains_key(&lane)
        && !Lane::standing().contains(&lane)
    {
        let standing = Lane::standing();
        let own = || declared.keys().filter(|lane| !standing.contains(lane));
        let names = || own().chain(&standing).map(Lane::as_str);
        let known = format!("the lanes are {}", listing(names()));
        let help = match closest(name, names()) {
            Some(near) => format!("did you mean `{near}`? {known}"),
            None => {
                format!(
                    "{known}; add `{name}: {{concurrency: {}}}` under `lanes`",
                    LaneSpec::DEFAULT.concurrency
                )
            }
        };
        problems.error_help(node.span, format!("there is no lane `{name}`"), help);
        return None;
    }
    Some(lane)
}

fn default_effects(handler: Option<&Handler>) -> Effects {
    match handler {
        Some(Handler::Builtin(name)) if READ_ONLY_HANDLERS.contains(&name.as_str()) => Effects::ReadOnly,
        _ => Effects::default(),
    }
}

impl<T> Setting<T> {
    /// What a tool says over what the defaults say; `merge` decides where both say something.
    fn over(self, defaults: Self, merge: impl Fn(T, T) -> T) -> Self {
        match (self, defaults) {
            (Self::Unset, defaults) => defaults,
            (Self::On(own), Self::On(defaults)) => Self::On(merge(own, defaults)),
            (own, _) => own,
        }
    }

    fn on(self) -> Option<T> {
        if let Self::On(value) = self { Some(value) } else { None }
    }
}

impl RetryKeys {
    fn over(self, defaults: Self) -> Self {
        Self {
            max_attempts: self.max_attempts.or(defaults.max_attempts),
            first_ms: self.first_ms.or(defaults.first_ms),
            factor: self.factor.or(defaults.factor),
            max_ms: self.max_ms.or(defaults.max_ms),
        }
    }
}

impl BreakerKeys {
    fn over(self, defaults: Self) -> Self {
        Self {
            failure_ratio: self.failure_ratio.or(defaults.failure_ratio),
            minimum: self.minimum.or(defaults.minimum),
            window_ms: self.window_ms.or(defaults.window_ms),
            open_ms: self.open_ms.or(defaults.open_ms),
            key: self.key.or(defaults.key),
        }
    }

    fn build(self, section: &Section<'_>, problems: &mut Problems<'_>) -> Option<BreakerRule> {
        // The values of `BreakerPolicy::DEFAULT`, which a test compares.
        let policy = BreakerPolicy::try_new(
            self.failure_ratio.unwrap_or(0.5),
            self.minimum.unwrap_or(10),
            self.window_ms.unwrap_or(60_000),
            self.open_ms.unwrap_or(30_000),
        );
        let policy = accept(policy, section.span(), problems)?;
        Some(BreakerRule { policy, key: self.key.unwrap_or_default() })
    }
}

fn accept<T>(policy: Result<T, PolicyError>, span: Span, problems: &mut Problems<'_>) -> Option<T> {
    policy.map_err(|error| problems.error(span, error.to_string())).ok()
}

fn narrow(value: Option<u64>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok())
}
