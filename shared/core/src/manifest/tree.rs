//! YAML as a tree in which every node knows its place.
//!
//! Built from the parser's events instead of through serde, so that one reading can report many problems, each with its
//! span. Bounded in depth and, aliases expanded, in nodes.

use std::collections::{BTreeMap, HashMap};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};
use serde_json::{Number, Value};

use super::diagnostic::{Problem, Problems, Span};
use super::{scalar, syntax};
use crate::limits;

/// Nodes of one manifest, aliases expanded: four times what [`limits::MANIFEST_TOOLS_MAX`] tools of a dozen parameters
/// need, and what a "billion laughs" document runs into at once.
const NODES_MAX: usize = 250_000;

/// A node and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

/// A node's value.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and what it stands for. Keys are texts, whatever they would be as values.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Node,
}

/// Reads the one document of the source. `None` when a problem kept it from being read to its end.
pub(super) fn parse<'s>(source: &'s str, problems: &mut Problems<'s>) -> Option<Node> {
    let options = granit_parser::options! { emit_comments: false };
    let parser = Parser::new_from_str_with_options(source, options);
    let mut builder = Builder { parser, problems, anchors: HashMap::new(), nodes: 0 };
    match builder.document() {
        Ok(root) => Some(root),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

impl Node {
    /// The JSON value that the node stands for.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
            ),
        }
    }

    /// The node at a JSON pointer below this one, or the last that exists on the way to it.
    pub(super) fn at(&self, pointer: &str) -> &Node {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                Kind::Map(entries) => {
                    entries.iter().find(|entry| entry.key == step).map(|entry| &entry.value)
                }
                Kind::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    fn size(&self) -> usize {
        match &self.kind {
            Kind::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Kind::Map(entries) => 1 + entries.iter().map(|entry| entry.value.size()).sum::<usize>(),
            _ => 1,
        }
    }
}

struct Builder<'s, 'p> {
    parser: Parser<'s, StrInput<'s>>,
    problems: &'p mut Problems<'s>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'s> Builder<'s, '_> {
    fn document(&mut self) -> Result<Node, Problem> {
        let root = loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, span) => return Err(problem(span, "the manifest is empty").help(START)),
                (event, span) => break self.node(event, span, 0)?,
            }
        };
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(root),
                (Event::DocumentStart(..), span) => {
                    return Err(
                        problem(span, "a second document starts here").help("a manifest is one document")
                    );
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'s>, span: Span, depth: usize) -> Result<Node, Problem> {
        if depth > limits::JSON_DEPTH_MAX {
            let message = format!("nested deeper than {} levels", limits::JSON_DEPTH_MAX);
            return Err(problem(span, message));
        }
        self.spend(1, span)?;
        if let Some(tag) = event.tag() {
            return Err(problem(span, format!("the tag `{}` is not supported", tag.original()))
                .help("leave it out; to force a string, write it in quotes"));
        }
        let anchor = event.anchor_id();
        let node = match event {
            Event::Alias(id) => self.alias(id, span)?,
            Event::Scalar(text, ScalarStyle::Plain, ..) => Node { span, kind: scalar::resolve(&text) },
            Event::Scalar(text, ..) => Node { span, kind: Kind::Text(text.into_owned()) },
            Event::SequenceStart(..) => self.list(span, depth)?,
            Event::MappingStart(..) => self.map(span, depth)?,
            _ => return Err(problem(span, "expected a value")),
        };
        if let Some(anchor) = anchor {
            self.spend(node.size(), span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let span = Span { start: start.start, end: end.end.max(start.end) };
                    return Ok(Node { span, kind: Kind::List(items) });
                }
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Problem> {
        let mut entries = Vec::new();
        let mut first_places = BTreeMap::new();
        loop {
            let (key, key_span) = match self.next()? {
                (Event::MappingEnd, end) => {
                    let span = Span { start: start.start, end: end.end.max(start.end) };
                    return Ok(Node { span, kind: Kind::Map(entries) });
                }
                (Event::Scalar(text, style, ..), span) => (self.key(&text, style, span)?, span),
                (_, span) => {
                    return Err(problem(span, "a key must be a word or a string")
                        .help("write `key: value`, with the key in quotes if it holds special characters"));
                }
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if let Some(first) = first_places.get(&key) {
                self.duplicate(&key, key_span, *first);
                continue;
            }
            first_places.insert(key.clone(), key_span.start);
            entries.push(Entry { key, key_span, value });
        }
    }

    fn duplicate(&mut self, key: &str, span: Span, first: usize) {
        let message = format!("duplicate key `{}`", syntax::cut(key));
        // Counting lines takes time in the size of the source, which thousands of duplicates would multiply.
        if self.problems.is_full() {
            return self.problems.error(span, message);
        }
        let line = self.problems.line(first);
        let help = format!("it was first given on line {line}; remove or rename one of them");
        self.problems.error_help(span, message, help);
    }

    fn key(&self, text: &str, style: ScalarStyle, span: Span) -> Result<String, Problem> {
        match (text, style) {
            ("<<", ScalarStyle::Plain) => Err(problem(span, "merge keys (`<<`) are not supported")
                .help("put what tools share under the top-level key `defaults`")),
            _ => Ok(text.to_owned()),
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, Problem> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(problem(span, "this alias refers to the value it is part of"));
        };
        self.spend(node.size(), span)?;
        Ok(node)
    }

    fn spend(&mut self, nodes: usize, span: Span) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("the manifest has more than {NODES_MAX} values, its aliases expanded");
        Err(problem(span, message).help("aliases that refer to aliases multiply; write the values out"))
    }

    fn next(&mut self) -> Result<(Event<'s>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(0..0);
                Ok((event, Span { start: range.start, end: range.end }))
            }
            Some(Err(error)) => Err(self.syntax_error(&error)),
            None => Err(problem(Span { start: 0, end: 0 }, "the manifest ends too early")),
        }
    }

    fn syntax_error(&self, error: &ScanError) -> Problem {
        let at = error.marker().byte_offset().unwrap_or(0);
        let (message, help) = syntax::explain(error);
        Problem { span: Span { start: at, end: at }, message, help }
    }
}

const START: &str = "start with `name: my-tools`, `version: 1.0.0` and `tools:`";

fn problem(span: Span, message: impl Into<String>) -> Problem {
    Problem { span, message: message.into(), help: None }
}

impl Problem {
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
