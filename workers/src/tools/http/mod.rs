//! `http.request`: any HTTP API is a tool.
//!
//! The URL, the headers and the body are [templates], filled in such that a parameter never changes the shape of what
//! is sent. A parameter may choose the host only among those the manifest allows.
//!
//! **Private networks are out of reach**, as the parameters, and with redirects the servers asked, have a say in where
//! a request goes: see `guard.rs`. Hosts listed in `allow_hosts` are exempt, whatever address they have.
//!
//! The result is `{"status", "headers", "body"}`, or, where `response` is set, the part of the body that it points to.
//! What a status means for the job is decided by the table in `verdict.rs`.
//!
//! [templates]: gantz_core::manifest::template

mod allow;
mod body;
mod client;
mod error;
mod exchange;
mod guard;
mod headers;
mod redirect;
mod request;
mod result;
mod url;
mod verdict;

use gantz_core::manifest::HttpSpec;
use gantz_core::outcome::{ErrorKind, Outcome};
use gantz_core::tool::{Call, Tool};
use serde_json::Value;

use allow::AllowList;
use headers::{Known, OfCall};
use request::RequestTemplate;
use result::Selection;

use crate::secrets::Secrets;

pub use client::HttpClient;
pub(super) use client::Reach;
pub use error::HttpSpecError;

/// An HTTP request as a tool.
#[derive(Debug, Clone)]
pub struct HttpTool {
    request: RequestTemplate,
    allowed: AllowList,
    selection: Selection,
    client: HttpClient,
    secrets: Secrets,
}

impl HttpTool {
    /// The request that `spec` describes, sent by `client`. What its headers name is in `secrets`.
    ///
    /// # Errors
    /// When `spec` describes none.
    pub fn new(spec: HttpSpec, client: HttpClient, secrets: Secrets) -> Result<Self, HttpSpecError> {
        Ok(Self {
            allowed: AllowList::parse(&spec.allow_hosts)?,
            selection: Selection::try_new(spec.response.clone(), spec.max_response_bytes)?,
            request: RequestTemplate::try_new(spec)?,
            client,
            secrets,
        })
    }

    async fn known(&self) -> Result<Known, Outcome> {
        let mut known = Known::new();
        for name in self.request.secrets() {
            known.insert(name.clone(), self.secrets.value(name).await?);
        }
        Ok(known)
    }
}

impl Tool for HttpTool {
    const HANDLER: &'static str = "http.request";
    type Parameters = Value;

    async fn run(&self, call: Call<Value>) -> Outcome {
        let secrets = match self.known().await {
            Ok(known) => known,
            Err(lacking) => return lacking,
        };
        let of = OfCall { effect_key: &call.effect_key, trace: call.trace.as_ref() };
        let request = match self.request.fill(&call.parameters, &secrets, of) {
            Ok(request) => request,
            Err(message) => return Outcome::permanent(ErrorKind::Invalid, message),
        };
        if self.request.host_is_chosen() && !self.allowed.covers(&request.url) {
            let host = request.url.host_str().unwrap_or_default();
            let message = format!("the host `{host}` is not among the tool's `allow_hosts`");
            return Outcome::permanent(ErrorKind::AccessDenied, message);
        }
        let (sent, response) = match exchange::send(&self.client, &self.allowed, request).await {
            Ok(answer) => answer,
            Err(failed) => return failed,
        };
        if verdict::is_success(response.status()) {
            return match result::read(&self.selection, response).await {
                Ok(result) => Outcome::Done(result),
                Err(error) => error.into_outcome(&sent),
            };
        }
        verdict::judge(&sent, response, self.client.now_ms()).await
    }
}
