//! From a job's parameters to a request.

use gantz_core::manifest::HttpSpec;
use gantz_core::manifest::secret::SecretName;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde_json::{Map, Value};

use super::body::Body;
use super::error::HttpSpecError;
use super::headers::{self, HeaderTemplate, Known, OfCall};
use super::url::UrlTemplate;

/// A request, before the parameters are known.
#[derive(Debug, Clone)]
pub(super) struct RequestTemplate {
    method: Method,
    url: UrlTemplate,
    headers: Vec<HeaderTemplate>,
    body: Body,
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<String>,
}

impl RequestTemplate {
    pub(super) fn try_new(spec: HttpSpec) -> Result<Self, HttpSpecError> {
        let method = Method::try_from(spec.method.as_str())
            .map_err(|_| HttpSpecError::Method { method: spec.method.clone() })?;
        let url = UrlTemplate::parse(&spec.url)?;
        let headers = headers::parse(&spec.headers)?;
        let in_headers = headers.iter().flat_map(HeaderTemplate::names);
        let used = url.names().chain(in_headers).map(str::to_owned).collect();
        let body = Body::parse(spec.body, used)?;
        Ok(Self { method, url, headers, body })
    }

    /// Whether a parameter has a say in which host is asked.
    pub(super) fn host_is_chosen(&self) -> bool {
        self.url.host_is_chosen()
    }

    /// The secrets that it needs.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.headers.iter().flat_map(HeaderTemplate::secrets)
    }

    /// The request of a job. An error says which parameter does not fit, and why.
    pub(super) fn fill(
        &self,
        parameters: &Value,
        secrets: &Known,
        of: OfCall<'_>,
    ) -> Result<Request, String> {
        let none = Map::new();
        let parameters = parameters.as_object().unwrap_or(&none);
        let url = self.url.fill(parameters)?;
        let body = self.body.fill(parameters).map(|json| json.to_string());
        let mut headers = headers::fill(&self.headers, parameters, secrets)?;
        headers::complete(&mut headers, &self.method, body.is_some(), of);
        Ok(Request { method: self.method.clone(), url, headers, body })
    }
}

impl Request {
    /// `POST https://api.example.com/things`: without the query, which may hold a secret.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        format!("{} {url}", self.method)
    }
}
