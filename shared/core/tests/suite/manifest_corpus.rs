//! Bad input and what it is answered. Each snapshot is what a person reads: it has to say what to do.

use gantz_core::manifest::{Manifest, ParameterError};
use serde_json::Value;

#[test]
fn bad_manifests_are_explained() {
    insta::glob!("../corpus/manifests", "*.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let error = Manifest::parse("gantz.yaml", &text).expect_err("a manifest of the corpus must be bad");
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(error.to_string());
        });
    });
}

#[test]
fn bad_parameters_are_explained() {
    let manifest = Manifest::parse("shop.yaml", include_str!("../fixtures/shop.yaml")).unwrap();
    insta::glob!("../corpus/submissions", "*.json", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let mut submission: Value = serde_json::from_str(&text).unwrap();
        let tool = manifest.tool(submission["tool"].as_str().unwrap()).unwrap();
        let errors = tool
            .parameters
            .check(submission["parameters"].take())
            .expect_err("a submission of the corpus must be bad");
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(errors.iter().map(line).collect::<Vec<_>>().join("\n"));
        });
    });
}

fn line(error: &ParameterError) -> String {
    let ParameterError { pointer, code, message } = error;
    format!("{pointer:?} {code:?}: {message}")
}
