use std::collections::BTreeSet;

use serde_json::Value;

use super::super::problem_kind::ProblemKind;
use super::super::routes;
use super::document;

#[test]
fn it_has_every_route_and_no_other() {
    let routes: BTreeSet<String> =
        routes::all().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let document = document();
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| {
            operations
                .as_object()
                .unwrap()
                .keys()
                .map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(described, routes);
}

#[test]
fn its_path_parameters_are_those_of_the_paths() {
    for (path, operations) in document()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let none = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&none);
            let named: Vec<String> = parameters
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
                .collect();
            let expect: Vec<&str> = path.split('/').filter(|segment| segment.starts_with('{')).collect();
            assert_eq!(named, expect, "{method} {path}");
        }
    }
}

#[test]
fn its_references_lead_somewhere_and_every_schema_is_used() {
    let document = document();
    let mut targets = BTreeSet::new();
    references(&document, &mut targets);
    for target in &targets {
        assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target} leads nowhere");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(targets.contains(&format!("#/components/schemas/{name}")), "{name} is never used");
    }
}

#[test]
fn its_operations_have_ids_of_their_own() {
    let document = document();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    let ids: Vec<&str> =
        operations.map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}

#[test]
fn problems_have_titles_of_their_own_and_an_operation_that_answers_them() {
    let paths = document()["paths"].to_string();
    let mut titles = BTreeSet::new();
    for kind in ProblemKind::ALL {
        assert!(titles.insert(kind.facts().title), "{kind:?}");
        // Of the whole API, not of an operation: the description says so once.
        let everywhere = matches!(kind, ProblemKind::MethodNotAllowed | ProblemKind::NotFound);
        assert!(everywhere || paths.contains(&format!("`{}`", kind.type_uri())), "{kind:?}");
    }
}

#[test]
fn the_whole_document() {
    let mut document = document();
    document["info"]["version"] = Value::from("[the crate's]");
    insta::assert_json_snapshot!(document);
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(target) if name == "$ref" => {
                        found.insert(target.clone());
                    }
                    value => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
