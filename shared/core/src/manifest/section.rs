//! Typed readers over the tree: each takes a node, gives a value, or reports what it expected instead.

use serde_json::Number;

use super::diagnostic::{Problems, Span};
use super::suggest::{closest, listing};
use super::syntax::{cut, describe};
use super::tree::{Entry, Kind, Node};

/// Keys of later versions.
const LATER: [&str; 2] = ["workflows", "cache"];

/// A mapping whose keys are known.
pub(super) struct Section<'n> {
    /// What the section is, as messages call it.
    what: String,
    /// Where a missing key is reported.
    span: Span,
    entries: &'n [Entry],
}

impl<'n> Section<'n> {
    /// Opens `node`, which stands under what `span` covers. Reports a node that is no mapping, and every key that is
    /// not one of `keys`.
    pub(super) fn open(
        node: &'n Node,
        span: Span,
        what: impl Into<String>,
        keys: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        Self::open_listing(node, span, what.into(), keys, keys, problems)
    }

    /// As [`Section::open`], for a section that takes fewer keys the more is known about it: only `listed` are offered
    /// in place of an unknown one.
    pub(super) fn open_listing(
        node: &'n Node,
        span: Span,
        what: String,
        keys: &[&str],
        listed: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let entries = mapping(node, &what, problems)?;
        for entry in entries.iter().filter(|entry| !keys.contains(&entry.key.as_str())) {
            if LATER.contains(&entry.key.as_str()) {
                let help = "a later version of Gantz will take it; remove it for now";
                problems.error_help(entry.key_span, format!("`{}` is not supported yet", entry.key), help);
                continue;
            }
            let known = listing(listed.iter().copied());
            let help = match closest(&entry.key, listed.iter().copied()) {
                Some(key) => format!("did you mean `{key}`? Known here: {known}"),
                None => format!("{what} takes {known}"),
            };
            problems.error_help(entry.key_span, format!("unknown key `{}`", cut(&entry.key)), help);
        }
        Some(Self { what, span, entries })
    }

    pub(super) fn what(&self) -> &str {
        &self.what
    }

    pub(super) fn span(&self) -> Span {
        self.span
    }

    pub(super) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key that must be there; `example` is what a line with it looks like.
    pub(super) fn require(&self, key: &str, example: &str, problems: &mut Problems<'_>) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() {
            let message = format!("{} has no `{key}`", self.what);
            problems.error_help(self.span, message, format!("add `{example}`"));
        }
        node
    }

    /// The text of a key, if it is there.
    pub(super) fn text(&self, key: &str, problems: &mut Problems<'_>) -> Option<String> {
        text(self.get(key)?, key, problems).map(str::to_owned)
    }

    /// The switch of a key, if it is there.
    pub(super) fn boolean(&self, key: &str, problems: &mut Problems<'_>) -> Option<bool> {
        let node = self.get(key)?;
        match &node.kind {
            Kind::Bool(value) => Some(*value),
            Kind::Text(word) if matches!(word.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off") => {
                let help = "YAML 1.2 knows only `true` and `false`";
                problems.error_help(node.span, expected(&format!("`{key}`"), "true or false", node), help);
                None
            }
            _ => wrong_type(node, &format!("`{key}`"), "true or false", problems),
        }
    }

    /// The whole number of a key, if it is there, within bounds.
    pub(super) fn integer(&self, key: &str, min: u64, max: u64, problems: &mut Problems<'_>) -> Option<u64> {
        whole(self.get(key)?, key, min, max, problems)
    }
}

/// A whole number within bounds.
pub(super) fn whole(node: &Node, key: &str, min: u64, max: u64, problems: &mut Problems<'_>) -> Option<u64> {
    let number = number(node, key, problems)?;
    match number.as_u64() {
        Some(value) if (min..=max).contains(&value) => Some(value),
        _ => {
            let message = format!("`{key}` is {number}, expected a whole number, {min} to {max}");
            problems.error(node.span, message);
            None
        }
    }
}

/// The entries of a mapping.
pub(super) fn mapping<'n>(node: &'n Node, what: &str, problems: &mut Problems<'_>) -> Option<&'n [Entry]> {
    match &node.kind {
        Kind::Map(entries) => Some(entries),
        Kind::Null => {
            let help = "indent its `key: value` lines below it";
            problems.error_help(node.span, expected(what, "a mapping", node), help);
            None
        }
        _ => wrong_type(node, what, "a mapping (`key: value` lines)", problems),
    }
}

/// The items of a list.
pub(super) fn list<'n>(node: &'n Node, key: &str, problems: &mut Problems<'_>) -> Option<&'n [Node]> {
    match &node.kind {
        Kind::List(items) => Some(items),
        _ => wrong_type(node, &format!("`{key}`"), "a list", problems),
    }
}

/// A string that is not empty.
pub(super) fn text<'n>(node: &'n Node, key: &str, problems: &mut Problems<'_>) -> Option<&'n str> {
    let what = format!("`{key}`");
    match &node.kind {
        Kind::Text(text) if text.trim().is_empty() => {
            problems.error(node.span, format!("{what} is empty"));
            None
        }
        Kind::Text(text) => Some(text),
        Kind::Number(_) | Kind::Bool(_) => {
            let help = format!("write it in quotes: \"{}\"", problems.raw(node.span));
            problems.error_help(node.span, expected(&what, "a string", node), help);
            None
        }
        _ => wrong_type(node, &what, "a string", problems),
    }
}

/// A string, or a number or a boolean as it is written: what arguments and environment variables are made of.
pub(super) fn word(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<String> {
    match &node.kind {
        Kind::Text(text) => Some(text.clone()),
        Kind::Number(_) | Kind::Bool(_) => Some(problems.raw(node.span).to_owned()),
        _ => wrong_type(node, what, "a string", problems),
    }
}

/// A number.
pub(super) fn number<'n>(node: &'n Node, key: &str, problems: &mut Problems<'_>) -> Option<&'n Number> {
    match &node.kind {
        Kind::Number(number) => Some(number),
        _ => wrong_type(node, &format!("`{key}`"), "a number", problems),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    node: &Node,
    key: &str,
    choices: &[(&str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let names = || choices.iter().map(|(name, _)| *name);
    let Kind::Text(word) = &node.kind else {
        return wrong_type(node, &format!("`{key}`"), &format!("one of {}", listing(names())), problems);
    };
    let found = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    if found.is_none() {
        let known = format!("`{key}` is one of {}", listing(names()));
        let help = match closest(word, names()) {
            Some(name) => format!("did you mean `{name}`? {known}"),
            None => known,
        };
        problems.error_help(node.span, format!("unknown {key} `{}`", cut(word)), help);
    }
    found
}

/// Reports that `what` should have been something else.
pub(super) fn wrong_type<T>(node: &Node, what: &str, wanted: &str, problems: &mut Problems<'_>) -> Option<T> {
    problems.error(node.span, expected(what, wanted, node));
    None
}

fn expected(what: &str, wanted: &str, node: &Node) -> String {
    format!("{what}: expected {wanted}, got {}", describe(node))
}
