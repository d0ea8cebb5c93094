//! Sending a request, and following where it is redirected.

use std::error::Error;

use gantz_core::outcome::{ErrorKind, Failure, Outcome};
use reqwest::Response;

use super::allow::AllowList;
use super::client::{HttpClient, Reach};
use super::guard::{self, Refused};
use super::redirect::{self, REDIRECTS_MAX};
use super::request::Request;

/// The answer to `request`, and the last request sent to get it.
pub(super) async fn send(
    client: &HttpClient,
    allowed: &AllowList,
    mut request: Request,
) -> Result<(Request, Response), Outcome> {
    for _ in 0..=REDIRECTS_MAX {
        let response = send_once(client, allowed, &request).await?;
        match redirect::next(&request, response.status(), response.headers()) {
            Ok(None) => return Ok((request, response)),
            Ok(Some(next)) => request = next,
            Err(why) => {
                let message = format!("{}: {why}", request.shown());
                return Err(Outcome::permanent(ErrorKind::ToolError, message));
            }
        }
    }
    let message = format!("more than {REDIRECTS_MAX} redirects, the last one to {}", request.shown());
    Err(Outcome::permanent(ErrorKind::ToolError, message))
}

async fn send_once(client: &HttpClient, allowed: &AllowList, request: &Request) -> Result<Response, Outcome> {
    let reach = if allowed.covers(&request.url) { Reach::Anywhere } else { Reach::Public };
    if reach == Reach::Public {
        guard::admit_literal(&request.url).map_err(|refused| forbidden(request, &refused))?;
    }
    let client = client.with_reach(reach).await.map_err(|error| failed(request, error))?;
    let mut builder =
        client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    builder.send().await.map_err(|error| failed(request, error))
}

/// What a request or its answer got lost to. Networks recover, so it is tried again.
pub(super) fn failed(request: &Request, error: reqwest::Error) -> Outcome {
    // The URL that the error would show includes the query.
    let error = error.without_url();
    match causes(&error).find_map(|cause| cause.downcast_ref()) {
        Some(refused) => forbidden(request, refused),
        None => {
            let causes: Vec<_> = causes(&error).map(ToString::to_string).collect();
            let message = format!("{}: {}", request.shown(), causes.join(": "));
            // Once a connection was there, the service may have done what it was asked to.
            if error.is_connect() || error.is_builder() || request.method.is_safe() {
                return Outcome::transient(ErrorKind::Unavailable, message);
            }
            let message = format!("{message}; it may or may not have been done");
            Outcome::Failed(Failure::transient(ErrorKind::Unavailable, message).in_doubt())
        }
    }
}

fn forbidden(request: &Request, refused: &Refused) -> Outcome {
    Outcome::permanent(ErrorKind::AccessDenied, format!("{}: {refused}", request.shown()))
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
