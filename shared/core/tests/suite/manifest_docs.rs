//! The examples of the reference are manifests.

use gantz_core::manifest::Manifest;

const REFERENCE: &str = include_str!("../../../../docs/manifest.md");

#[test]
fn every_example_of_the_reference_is_a_manifest() {
    let examples: Vec<_> = blocks("yaml").collect();
    assert!(examples.len() >= 7, "the examples are no longer found");
    for example in examples {
        if let Err(error) = Manifest::parse("docs/manifest.md", example) {
            panic!("{error}");
        }
    }
}

#[test]
fn the_error_that_the_reference_shows_is_the_one_that_is_given() {
    let manifest = include_str!("../corpus/manifests/param_unknown_keys.yaml");
    let errors = Manifest::parse("gantz.yaml", manifest).unwrap_err().to_string();
    let shown = blocks("text").next().unwrap();
    assert_eq!(errors.split("\n\n").next().unwrap(), shown.trim_end());
}

fn blocks(language: &'static str) -> impl Iterator<Item = &'static str> {
    REFERENCE.split("\n```").filter_map(move |block| block.strip_prefix(language)?.strip_prefix('\n'))
}
