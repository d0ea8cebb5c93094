//! What holds for every manifest and every parameters object.

use gantz_core::manifest::{Manifest, ParameterSpec, Parameters, ValueSpec};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

const SEED: &str = include_str!("../fixtures/seed.yaml");
const SHOP: &str = include_str!("../fixtures/shop.yaml");

/// What YAML and the manifest give a meaning to.
const TOKENS: [&str; 36] = [
    "\n",
    "\n  ",
    "\n    ",
    "\t",
    ": ",
    "- ",
    "? ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "'",
    "\"",
    "#",
    "&a ",
    "*a",
    "!!str ",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "<<",
    "~",
    "0x",
    ".inf",
    "-",
    "1e999",
    "\u{feff}",
    "é",
    "tools:",
    "type: ",
    "required: true",
    "{name}",
    "\0",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_the_parser(text in any::<String>()) {
        render(&text);
    }

    #[test]
    fn no_sequence_of_tokens_panics_the_parser(tokens in vec(select(&TOKENS[..]), 0..40)) {
        render(&tokens.concat());
    }

    #[test]
    fn no_mutation_of_a_good_manifest_panics_the_parser(
        source in select(&[SEED, SHOP][..]),
        edits in vec((any::<Index>(), 0..12_usize, select(&TOKENS[..])), 1..6),
    ) {
        let mut text: Vec<char> = source.chars().collect();
        for (at, removed, token) in edits {
            let start = at.index(text.len());
            let end = (start + removed).min(text.len());
            text.splice(start..end, token.chars());
        }
        render(&text.into_iter().collect::<String>());
    }

    #[test]
    fn a_problem_lies_within_the_text(tokens in vec(select(&TOKENS[..]), 0..40)) {
        let text = tokens.concat();
        if let Err(error) = Manifest::parse("gantz.yaml", &text) {
            let lines = text.matches('\n').count() + 1;
            prop_assert!(!error.diagnostics().is_empty());
            for diagnostic in error.diagnostics() {
                prop_assert!((1..=lines).contains(&diagnostic.line) && diagnostic.column >= 1 && diagnostic.length >= 1);
            }
        }
    }

    #[test]
    fn checking_agrees_with_the_schema((declared, given) in declared_and_given()) {
        let parameters = parameters(&declared);
        let schema = jsonschema::draft202012::new(&parameters.json_schema()).unwrap();
        let checked = parameters.check(given.clone());
        prop_assert_eq!(checked.is_ok(), schema.is_valid(&given), "{:?} {:?}", declared, checked);
        if let Ok(checked) = checked {
            prop_assert!(schema.is_valid(&checked), "{}", checked);
            prop_assert!(parameters.iter().all(|spec| is_filled(spec, &checked)), "{}", checked);
            prop_assert_eq!(parameters.check(checked.clone()), Ok(checked));
        }
    }
}

fn render(text: &str) {
    if let Err(error) = Manifest::parse("gantz.yaml", text) {
        assert!(!error.to_string().is_empty());
    }
}

fn is_filled(spec: &ParameterSpec, object: &Value) -> bool {
    match object.get(&spec.name) {
        None => spec.value.default.is_none(),
        Some(value) => is_filled_inside(&spec.value, value),
    }
}

fn is_filled_inside(spec: &ValueSpec, value: &Value) -> bool {
    let items = spec.items.as_ref().zip(value.as_array());
    spec.properties.iter().all(|property| is_filled(property, value))
        && items.is_none_or(|(spec, items)| items.iter().all(|item| is_filled_inside(spec, item)))
}

/// Reads declarations through a manifest; what contradicts itself is left out.
fn parameters(declared: &Map<String, Value>) -> Parameters {
    let mut accepted = Map::new();
    for (name, value) in declared {
        let one = Map::from_iter([(name.clone(), value.clone())]);
        if Manifest::parse("gantz.yaml", &manifest(&one)).is_ok() {
            accepted.extend(one);
        }
    }
    let manifest = Manifest::parse("gantz.yaml", &manifest(&accepted)).expect("each was accepted alone");
    manifest.tool("t").expect("the one tool").parameters.clone()
}

fn manifest(parameters: &Map<String, Value>) -> String {
    let tool = json!({"description": "T", "handler": "t", "parameters": parameters});
    json!({"name": "n", "version": "1", "tools": {"t": tool}}).to_string()
}

fn declared_and_given() -> impl Strategy<Value = (Map<String, Value>, Value)> {
    let declared = btree_map(name(), declaration(), 0..4);
    let given = btree_map(name(), value(), 0..5);
    (declared, given, 0..10_u8, value()).prop_map(|(declared, mut given, odd, other)| {
        // Strangers and what is no object are rejected so early that most cases do without.
        if odd > 0 {
            given.retain(|name, _| declared.contains_key(name));
        }
        let given = if odd == 1 { other } else { Value::Object(given.into_iter().collect()) };
        (declared.into_iter().collect(), given)
    })
}

/// Few names, so that what is declared and what is given meet.
fn name() -> impl Strategy<Value = String> {
    select(&["a", "b", "c", "d"][..]).prop_map(str::to_owned)
}

fn declaration() -> impl Strategy<Value = Value> {
    let leaf = (
        select(&["string", "integer", "number", "boolean", "array", "object"][..]),
        btree_map(
            select(&["minimum", "maximum", "min_length", "max_length", "min_items", "max_items"][..]),
            0..4_i64,
            0..2,
        ),
        select(&[None, None, Some("^x"), Some("[0-9]$"), Some("\\w\\d?")][..]),
        prop::option::weighted(0.2, vec(scalar(), 1..3)),
        prop::option::weighted(0.3, value()),
        any::<bool>(),
    )
        .prop_map(|(kind, bounds, pattern, choices, default, required)| {
            let mut declaration = Map::from_iter([("type".to_owned(), json!(kind))]);
            // Constraints that do not fit the type make the declaration invalid; most of them are not drawn.
            let fits = |key: &str| match kind {
                "string" => key.ends_with("length"),
                "integer" | "number" => key.ends_with("mum"),
                "array" => key.ends_with("items"),
                _ => false,
            };
            let bounds = bounds.into_iter().filter(|(key, _)| fits(key));
            declaration.extend(bounds.map(|(key, bound)| (key.to_owned(), json!(bound))));
            let mut insert = |key: &str, value: Option<Value>| {
                declaration.extend(value.map(|value| (key.to_owned(), value)));
            };
            insert("pattern", pattern.filter(|_| kind == "string").map(Value::from));
            insert("enum", choices.filter(|_| fits("length") || fits("maximum")).map(Value::from));
            insert("required", (required && default.is_none()).then_some(json!(true)));
            insert("default", default);
            Value::Object(declaration)
        });
    leaf.prop_recursive(2, 8, 3, |inner| {
        let object = (btree_map(name(), inner.clone(), 1..3), any::<bool>()).prop_map(|(properties, open)| {
            json!({"type": "object", "properties": properties, "additional_properties": open})
        });
        let array = inner.prop_map(|mut items| {
            if let Some(items) = items.as_object_mut() {
                items.remove("required");
                items.remove("default");
            }
            json!({"type": "array", "items": items})
        });
        prop_oneof![object, array]
    })
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2..6_i64).prop_map(Value::from),
        select(&[0.0, -0.0, 1.0, 1.5, 2.0, -3.25][..]).prop_map(Value::from),
        select(&["", "x", "x1", "abc", "ä", "true", "7"][..]).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
