//! The tools that call AWS: `aws_lambda.invoke`, `list_functions`, `get_logs` and `create_function`.
//!
//! They share a [`LazySession`](crate::LazySession), so that having them costs a process nothing until one is called. All
//! of them work in the session's own region and account.

mod create;
mod failure;
mod invoke;
mod list;
mod logs;
mod pages;

pub use create::{CreateFunction, CreateFunctionParameters, CreateFunctionSettings};
pub use invoke::{Invocation, Invoke, InvokeParameters};
pub use list::{ListFunctions, ListFunctionsParameters};
pub use logs::{GetLogs, GetLogsParameters};
