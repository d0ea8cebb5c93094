//! `aws_lambda.list_functions`: what functions there are.

use std::ops::ControlFlow;

use aws_sdk_lambda::types::FunctionConfiguration;
use gantz_core::outcome::{Failure, Outcome};
use gantz_core::tool::{Call, Tool};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::failure::{failure, invalid};
use super::pages::{self, Budget, Page, follow};
use crate::session::{LazySession, Session};

/// What a result may hold: more would be of no use to an agent.
const ITEMS_MAX: u64 = 1_000;
/// Lambda gives 50 functions per page: as many as 20,000 are looked through.
const PAGES_MAX: u32 = 400;
const PAGE_ITEMS: i32 = 50;

/// The tool `aws_lambda.list_functions`.
///
/// The prefix is applied before the limit, and all pages are read until there are `max_items`. A result that may lack
/// functions has `complete: false` and says in `why` what they are lacking for.
#[derive(Debug, Clone)]
pub struct ListFunctions {
    session: LazySession,
}

/// The parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct ListFunctionsParameters {
    /// What the names must begin with.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Functions to return, 1 to 1,000.
    #[serde(default = "default_max_items")]
    pub max_items: u64,
}

fn default_max_items() -> u64 {
    50
}

/// A function, as a result shows it.
#[derive(Debug, PartialEq, Serialize)]
struct Function {
    name: String,
    runtime: String,
    memory: Option<i32>,
    timeout: Option<i32>,
    last_modified: Option<String>,
    code_size: i64,
    handler: String,
}

impl ListFunctions {
    /// Lists the functions of the session's region and account.
    pub fn new(session: impl Into<LazySession>) -> Self {
        Self { session: session.into() }
    }

    async fn list(&self, call: Call<ListFunctionsParameters>) -> Result<Value, Failure> {
        let ListFunctionsParameters { prefix, max_items } = call.parameters;
        if !(1..=ITEMS_MAX).contains(&max_items) {
            return Err(invalid(format!("`max_items` is {max_items}, expected 1 to {ITEMS_MAX}")));
        }
        let prefix = prefix.unwrap_or_default();
        let session = self.session.get().await;
        let mut functions = Vec::new();
        let mut more = false;
        let mut budget = Budget::new(PAGES_MAX, call.timeout_ms);
        let end = follow(
            &mut budget,
            |marker| page(&session, marker),
            |function: FunctionConfiguration| {
                if !function.function_name().is_some_and(|name| name.starts_with(&prefix)) {
                    return ControlFlow::Continue(());
                }
                // Only the one that no longer fits tells that there are more.
                more = functions.len() as u64 == max_items;
                if more {
                    return ControlFlow::Break(());
                }
                functions.push(shown(function));
                ControlFlow::Continue(())
            },
        );
        let end = end.await;
        let why = if more {
            Some(format!("there are more than `max_items`, {max_items}"))
        } else {
            pages::lacking(end, functions.is_empty())?
        };
        Ok(result(&functions, why))
    }
}

impl Tool for ListFunctions {
    const HANDLER: &'static str = "aws_lambda.list_functions";

    type Parameters = ListFunctionsParameters;

    async fn run(&self, call: Call<ListFunctionsParameters>) -> Outcome {
        self.list(call).await.map_or_else(Outcome::Failed, Outcome::Done)
    }
}

async fn page(session: &Session, marker: Option<String>) -> Result<Page<FunctionConfiguration>, Failure> {
    let request = session.lambda().list_functions().max_items(PAGE_ITEMS).set_marker(marker);
    let answer = request.send().await.map_err(|error| failure("ListFunctions", &error))?;
    Ok(Page { items: answer.functions.unwrap_or_default(), next: answer.next_marker })
}

fn result(functions: &[Function], why: Option<String>) -> Value {
    let mut result = json!({ "count": functions.len(), "functions": functions, "complete": why.is_none() });
    if let Some(why) = why {
        result["why"] = why.into();
    }
    result
}

fn shown(function: FunctionConfiguration) -> Function {
    let none = || "N/A".to_owned();
    Function {
        name: function.function_name.unwrap_or_default(),
        runtime: function.runtime.map_or_else(none, |runtime| runtime.as_str().to_owned()),
        memory: function.memory_size,
        timeout: function.timeout,
        last_modified: function.last_modified,
        code_size: function.code_size,
        handler: function.handler.unwrap_or_else(none),
    }
}
