//! Holds every answer against the API's own description of itself.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::{Method, Uri};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::http::app::{Answer, Ask};

/// An answer's status and media type are described, its body fits the schema, and its headers are announced.
pub(crate) fn check(ask: &Ask, answer: &Answer) {
    let target: Uri = ask.target.parse().unwrap();
    let path = target.path();
    let method = if ask.method == Method::HEAD { Method::GET } else { ask.method.clone() };
    let media_type = answer.header("content-type").unwrap_or_default();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let Some(template) = template(path).filter(|_| answer.status != 405) else {
        assert!(answer.body.is_empty() || media_type == "application/problem+json", "{path}: {media_type}");
        return fits("Problem", &json!({"$ref": "#/components/schemas/Problem"}), answer);
    };
    if method == Method::OPTIONS {
        return;
    }
    let operation = &DOCUMENT["paths"][template][method.as_str().to_lowercase()];
    let place = format!("{method} {template} {}", answer.status.as_str());
    let described = &operation["responses"][answer.status.as_str()];
    assert!(described.is_object(), "{place} is not described");
    if answer.status.is_client_error() || answer.status.is_server_error() {
        let (kind, description) = (answer.problem_or_head(ask), described["description"].as_str().unwrap());
        assert!(
            kind.is_none_or(|kind| description.contains(&format!("urn:gantz:problem:{kind}`"))),
            "{place}"
        );
    }
    for name in ["location", "content-location", "retry-after", "preference-applied"] {
        let announced =
            described["headers"].as_object().unwrap().keys().any(|known| known.eq_ignore_ascii_case(name));
        assert!(announced || answer.header(name).is_none(), "{place} does not announce {name}");
    }
    let schema = &described["content"][media_type]["schema"];
    assert!(!schema.is_null(), "{place} does not describe {media_type}");
    fits(&place, schema, answer);
}

/// The description, as the door serves it. Its routes depend on no settings.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let app = crate::http::app::App::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let document =
        std::thread::spawn(move || runtime.block_on(async move { crate::http::app::describe(&app).await }));
    document.join().unwrap()
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

fn template(path: &str) -> Option<&'static str> {
    let fits = |template: &str| {
        let (wanted, given) = (template.split('/'), path.split('/'));
        wanted.clone().count() == given.clone().count()
            && wanted
                .zip(given)
                .all(|(wanted, given)| wanted.starts_with('{') && !given.is_empty() || wanted == given)
    };
    DOCUMENT["paths"].as_object().unwrap().keys().map(String::as_str).find(|template| fits(template))
}

fn fits(place: &str, schema: &Value, answer: &Answer) {
    if answer.body.is_empty() || *schema == json!(true) {
        return;
    }
    let validator = Arc::clone(VALIDATORS.lock().unwrap().entry(schema.to_string()).or_insert_with(|| {
        let mut root = schema.clone();
        root["components"] = DOCUMENT["components"].clone();
        Arc::new(jsonschema::validator_for(&root).unwrap())
    }));
    let body = answer.json();
    if let Err(error) = validator.validate(&body) {
        panic!("{place}: {}: {error}\n{body:#}", error.instance_path());
    }
}

impl Answer {
    fn problem_or_head(&self, ask: &Ask) -> Option<String> {
        (ask.method != Method::HEAD).then(|| self.problem())
    }
}
