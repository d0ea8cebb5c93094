//! The worker function: deployed as `bootstrap`, it runs the jobs of lanes, and direct invokes.

use std::process::ExitCode;
use std::sync::Arc;

use gantz_aws::tools::{CreateFunction, CreateFunctionSettings, GetLogs, Invoke, ListFunctions};
use gantz_aws::{Objects, ParameterStore, Session, Settings};
use gantz_workers::Registry;
use gantz_workers::lambda::Duty;
use gantz_workers::lambda::start::{self, Project};
use gantz_workers::tools::analyze::{AnalyzeFile, LocalFiles};
use gantz_workers::tools::postgres::{PostgresQuery, PostgresSettings};

#[tokio::main]
async fn main() -> ExitCode {
    start::trace(env);
    start::report(run().await)
}

async fn run() -> Result<(), lambda_runtime::Error> {
    let settings = Arc::new(Settings::read(env)?);
    let mut project = Project::read(env)?;
    let session = Arc::new(Session::from_env().await);
    project.secrets = project.secrets.and_store(ParameterStore::new(Arc::clone(&session)));
    let ports = gantz_aws::connect(Arc::clone(&session), Arc::clone(&settings), project.clock.clone());
    let handlers = handlers(&project, &session)?;
    let function = project.function(Duty::Jobs, ports, &handlers, &settings.queue_url_prefix)?;
    start::serve(function).await
}

/// Every handler that this function has besides those that the manifest configures, `command` and `http.request`.
fn handlers(project: &Project, session: &Arc<Session>) -> Result<Registry, lambda_runtime::Error> {
    let files = LocalFiles::below(&project.base_dir)?;
    let objects = Objects::new(Arc::clone(session));
    let creation = CreateFunctionSettings::read(env);
    let packages = creation.folder().map(|folder| LocalFiles::below(folder)).transpose()?;
    let mut create_function = CreateFunction::new(Arc::clone(session), creation);
    if let Some(packages) = packages {
        create_function = create_function.with_files(packages);
    }
    Ok(Registry::default()
        .with(AnalyzeFile::default().with_files(files).with_objects(objects))
        .with(Invoke::new(Arc::clone(session)))
        .with(ListFunctions::new(Arc::clone(session)))
        .with(GetLogs::new(Arc::clone(session), project.clock.clone()))
        .with(create_function)
        .with(PostgresQuery::new(PostgresSettings::read(env))))
}

fn env(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}
