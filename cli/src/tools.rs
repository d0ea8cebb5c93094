//! The tools that this binary can run.

use std::fmt;

use gantz_aws::tools::{CreateFunction, CreateFunctionSettings, GetLogs, Invoke, ListFunctions};
use gantz_aws::{LazySession, Objects, ParameterStore};
use gantz_core::host::Clock;
use gantz_core::manifest::secret::SecretName;
use gantz_core::manifest::{Handler, Manifest, closest};
use gantz_workers::tools::analyze::{AnalyzeFile, LocalFiles};
use gantz_workers::tools::postgres::{PostgresQuery, PostgresSettings};
use gantz_workers::{Registry, ToolSettings, Toolbox};

use crate::error::CliError;
use crate::project::Project;
use crate::shell;
use crate::view::note;

/// The manifest's tools. AWS and databases are only looked for when a tool that needs them is called.
pub(crate) fn toolbox(project: &Project, manifest: &Manifest, clock: &Clock) -> Result<Toolbox, CliError> {
    let registry = registry(project, clock)?;
    Toolbox::build(manifest, &registry, &settings(project))
        .map_err(|error| CliError::failed(error.to_string()))
}

/// What tools need of this process.
pub(crate) fn settings(project: &Project) -> ToolSettings {
    let mut settings = ToolSettings::new(&project.base_dir, &shell::clock());
    settings.secrets = settings.secrets.and_store(ParameterStore::new(session(project)));
    settings
}

/// A tool whose handler this program lacks: its jobs fail here, though another worker may have it.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) tool: String,
    handler: String,
    suggestion: Option<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tool, handler, suggestion } = self;
        write!(f, "the tool `{tool}` needs a handler `{handler}`, which this program lacks")?;
        suggestion.as_ref().map_or(Ok(()), |like| write!(f, "; did you mean `{like}`?"))
    }
}

/// The manifest's tools that this program cannot run.
pub(crate) fn missing(project: &Project, manifest: &Manifest) -> Result<Vec<Missing>, CliError> {
    let registry = registry(project, &shell::clock())?;
    let known: Vec<&str> = registry.names().chain([Handler::COMMAND, Handler::HTTP]).collect();
    let missing = manifest.tools().filter_map(|tool| {
        let handler = tool.handler.name();
        let lacking = matches!(tool.handler, Handler::Builtin(_)) && !known.contains(&handler);
        lacking.then(|| Missing {
            tool: tool.name.clone(),
            handler: handler.to_owned(),
            suggestion: closest(handler, known.iter().copied()).map(str::to_owned),
        })
    });
    Ok(missing.collect())
}

/// Warns of the tools that this program cannot run, or lacks a secret for; of this one only, if one is given.
pub(crate) fn warn_of_missing(
    project: &Project,
    manifest: &Manifest,
    tool: Option<&str>,
) -> Result<(), CliError> {
    for missing in missing(project, manifest)? {
        if tool.is_none_or(|tool| tool == missing.tool) {
            note(&format!("warning: {missing}"));
        }
    }
    for tool in manifest.tools().filter(|spec| tool.is_none_or(|tool| tool == spec.name)) {
        for secret in manifest.secrets(tool) {
            if let SecretName::Env(name) = &secret
                && variable(name).is_none()
            {
                note(&format!("warning: the tool `{}` needs `{secret}`, which is not set here", tool.name));
            }
        }
    }
    Ok(())
}

/// AWS as this project means it, spoken to when something first needs it.
pub(crate) fn session(project: &Project) -> LazySession {
    LazySession::with(project.aws.region.clone(), project.aws.endpoint_url.clone())
}

fn registry(project: &Project, clock: &Clock) -> Result<Registry, CliError> {
    let session = session(project);
    let files = AnalyzeFile::default().with_files(LocalFiles::default());
    let creation = CreateFunctionSettings::read(variable);
    let packages = creation.folder().map(|folder| LocalFiles::below(folder)).transpose()?;
    let mut create_function = CreateFunction::new(session.clone(), creation);
    if let Some(packages) = packages {
        create_function = create_function.with_files(packages);
    }
    Ok(Registry::default()
        .with(files.with_objects(Objects::new(session.clone())))
        .with(Invoke::new(session.clone()))
        .with(ListFunctions::new(session.clone()))
        .with(GetLogs::new(session, clock.clone()))
        .with(create_function)
        .with(PostgresQuery::new(PostgresSettings::read(variable))))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
