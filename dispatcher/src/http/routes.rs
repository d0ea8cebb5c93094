//! Every route, in one visible list.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};

use super::{Door, agent, batches, health, jobs, openapi, tools};

/// Whether somebody is there: the one path that asks for no token.
pub(super) const HEALTH: &str = "/healthz";

pub(super) struct Route {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read by the test that compares routes and their description")
    )]
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) handler: MethodRouter<Door>,
}

pub(super) fn all() -> Vec<Route> {
    vec![
        post("/jobs", jobs::submit),
        get("/jobs", jobs::list),
        get("/jobs/{id}", jobs::show),
        get("/jobs/{id}/result", jobs::result),
        post("/jobs/{id}/cancel", jobs::cancel),
        post("/jobs/{id}/retry", jobs::retry),
        post("/batches", batches::submit),
        get("/batches", batches::list),
        get("/batches/{id}", batches::show),
        post("/agent", agent::call),
        get("/tools", tools::list),
        get(HEALTH, health::check),
        get("/openapi.json", openapi::show),
    ]
}

fn get<T: 'static>(path: &'static str, handler: impl Handler<T, Door>) -> Route {
    Route { method: Method::GET, path, handler: routing::get(handler) }
}

fn post<T: 'static>(path: &'static str, handler: impl Handler<T, Door>) -> Route {
    Route { method: Method::POST, path, handler: routing::post(handler) }
}
