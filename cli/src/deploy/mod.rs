//! `gantz deploy` and `gantz destroy`: the fleet as a stack on AWS.
//!
//! Programs are found or built ([`programs`]), packed with the project ([`package`]), stored by the hash of their content,
//! and named in the template's parameters; the rest is CloudFormation's work, shown as it happens ([`watch`]). The
//! way back is [`mod@destroy`].

mod destroy;
mod package;
mod programs;
mod watch;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use gantz_aws::stack::{Artifacts, Change, Stack, Stacks, Wanted};
use gantz_core::ids::sha256_hex;
use gantz_core::manifest::Manifest;
use serde_json::json;

pub(crate) use self::destroy::destroy;
use self::package::Files;
use self::programs::Programs;
use crate::args::{Architecture, Deploy, Format};
use crate::error::CliError;
use crate::project::Project;
use crate::shell;
use crate::template::{parameter_names, render, secret_parameters};
use crate::view::{note, print, print_json, table};

/// Digits of a content's hash in its key: enough for all deployments there will ever be.
const HASH_DIGITS: usize = 16;

/// A function of the template: the parameter that names its package, the program in it, and whether it runs tools.
const FUNCTIONS: [(&str, &str, bool); 3] = [
    ("DispatcherKey", "gantz-dispatcher", false),
    ("WorkerKey", "gantz-worker", true),
    ("DeadLetterKey", "gantz-dead-letter", false),
];

/// The parameter that names the workers' layer.
const LAYER: &str = "WorkerLayerKey";

/// Deploys the project.
pub(crate) async fn deploy(project: &Project, options: Deploy, format: Format) -> Result<ExitCode, CliError> {
    let manifest = project.written_manifest()?;
    let name = stack_name(project, &manifest);
    let programs = Programs::locate(options.artifacts.as_deref(), options.architecture)?;
    let packages = packages(project, &programs, options.layer)?;
    let session = Arc::new(project.aws.session().await);
    let stacks = Stacks::new(&session);
    check_secrets(&stacks, &name, &manifest, &options.parameters).await?;
    let artifacts = Artifacts::open(Arc::clone(&session)).await?;
    let mut parameters: BTreeMap<String, String> = options.parameters.iter().cloned().collect();
    // Said each time, as a stack keeps what it was told last.
    parameters.insert(LAYER.to_owned(), String::new());
    for package in packages {
        upload(&artifacts, &package.key, || package.files.zip()).await?;
        parameters.insert(package.parameter.to_owned(), package.key);
    }
    parameters.insert("ArtifactsBucket".into(), artifacts.bucket().to_owned());
    parameters.insert("Architecture".into(), options.architecture.as_str().to_owned());
    if let Some(endpoint) = &project.aws.endpoint_url {
        for (key, value) in for_endpoint(endpoint, artifacts.account(), &name) {
            parameters.entry(key.to_owned()).or_insert(value);
        }
    }
    let template = render(&manifest);
    let known_parameters = parameter_names(&template);
    let key = format!("gantz/template-{}.yaml", short(&sha256_hex(template.as_bytes())));
    upload(&artifacts, &key, || Ok(template.into_bytes())).await?;
    let wanted = Wanted { name, template_url: artifacts.url(&key), parameters, known_parameters };
    apply(&stacks, &wanted, options.dry_run, format).await
}

/// Refuses a deployment whose functions would lack a secret: before anything is stored, and in words that CloudFormation does
/// not have.
async fn check_secrets(
    stacks: &Stacks,
    name: &str,
    manifest: &Manifest,
    given: &[(String, String)],
) -> Result<(), CliError> {
    let named = secret_parameters(manifest);
    if named.is_empty() {
        return Ok(());
    }
    // A new stack may be what takes the place of one that never was complete.
    let stack = stacks.find(name).await?.filter(|stack| !stack.is_stillborn());
    let known = stack.map(|stack| stack.parameters).unwrap_or_default();
    let lacking = named.iter().find(|(_, parameter)| {
        !known.contains(*parameter) && !given.iter().any(|(key, _)| key == *parameter)
    });
    lacking.map_or(Ok(()), |(variable, parameter)| {
        let message = format!(
            "the manifest names the secret `${{env:{variable}}}`, which the stack has not been given"
        );
        Err(CliError::usage(message).hint(format!("`--parameter {parameter}=\"${variable}\"`")))
    })
}

/// A package to be stored.
struct Package {
    parameter: &'static str,
    key: String,
    files: Files,
}

impl Package {
    fn new(parameter: &'static str, name: &str, files: Files) -> Self {
        Self { parameter, key: format!("gantz/{name}-{}.zip", short(&files.hash())), files }
    }
}

/// The functions' packages; with `layer`, the one that runs tools has its program in a package of its own.
fn packages(project: &Project, programs: &Programs, layer: bool) -> Result<Vec<Package>, CliError> {
    let manifest = Files::manifest(project)?;
    let all = Files::project(project)?;
    let mut packages = Vec::with_capacity(FUNCTIONS.len() + 1);
    for (parameter, program, runs_tools) in FUNCTIONS {
        let files = if runs_tools { &all } else { &manifest };
        let bootstrap = Files::program(programs.read(program)?);
        if runs_tools && layer {
            packages.push(Package::new(LAYER, &format!("{program}-layer"), bootstrap));
            packages.push(Package::new(parameter, program, files.clone()));
        } else {
            packages.push(Package::new(parameter, program, bootstrap.followed_by(files)));
        }
    }
    Ok(packages)
}

/// Stores what `make` gives under a key that follows from it, unless it is there already.
async fn upload(
    artifacts: &Artifacts,
    key: &str,
    make: impl FnOnce() -> Result<Vec<u8>, CliError>,
) -> Result<(), CliError> {
    let place = format!("s3://{}/{key}", artifacts.bucket());
    if artifacts.has(key).await? {
        note(&format!("kept  {place}"));
        return Ok(());
    }
    let bytes = make()?;
    let size = bytes.len();
    artifacts.put(key, bytes).await?;
    note(&format!("sent  {place}  {} KB", size.div_ceil(1_024)));
    Ok(())
}

/// What functions and their queues' addresses need where AWS is somewhere else.
fn for_endpoint(endpoint: &str, account: &str, stack: &str) -> [(&'static str, String); 2] {
    let endpoint = endpoint.trim_end_matches('/');
    let queues = format!("{endpoint}/{account}/{stack}-");
    [("EndpointUrl", endpoint.to_owned()), ("QueueUrlPrefix", queues)]
}

async fn apply(
    stacks: &Stacks,
    wanted: &Wanted,
    dry_run: bool,
    format: Format,
) -> Result<ExitCode, CliError> {
    let name = &wanted.name;
    let mut now = stacks.find(name).await?;
    if let Some(stillborn) = now.take_if(|stack| stack.is_stillborn()) {
        let status = &stillborn.status;
        note(&format!("the stack `{name}` is {status}: it was never complete, and is removed first"));
        if dry_run {
            // Until then, CloudFormation works out no change.
            show_changes(&[removal(name)], dry_run, format)?;
            note("then everything is created");
            return Ok(ExitCode::SUCCESS);
        }
        delete(stacks, name, &stillborn, format).await?;
    }
    let since_ms = shell::clock().now_ms();
    let Some(change) = stacks.prepare(wanted, now.as_ref(), &format!("gantz-{since_ms}")).await? else {
        note("nothing to change");
        let outputs = now.map(|stack| stack.outputs).unwrap_or_default();
        report(stacks, name, "UNCHANGED", &outputs, format)?;
        return Ok(ExitCode::SUCCESS);
    };
    show_changes(&change.changes, dry_run, format)?;
    if dry_run {
        stacks.discard(&change).await?;
        return Ok(ExitCode::SUCCESS);
    }
    stacks.execute(&change).await?;
    let end = watch::until_idle(stacks, name, since_ms, format).await?;
    let stack = end.stack.as_ref().ok_or_else(|| CliError::failed(format!("the stack `{name}` is gone")))?;
    if !stack.is_well() {
        return Err(end.failed(name, stack));
    }
    report(stacks, name, &stack.status, &stack.outputs, format)?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(stacks: &Stacks, name: &str, stack: &Stack, format: Format) -> Result<(), CliError> {
    let since_ms = shell::clock().now_ms();
    stacks.delete(name).await?;
    let end = watch::until_idle(stacks, &stack.id, since_ms, format).await?;
    match &end.stack {
        Some(stack) if stack.status != "DELETE_COMPLETE" => Err(end.failed(name, stack)),
        _ => Ok(()),
    }
}

/// That the whole stack is removed.
fn removal(name: &str) -> Change {
    Change {
        action: "Remove".into(),
        resource: name.to_owned(),
        kind: "AWS::CloudFormation::Stack".into(),
        replacement: None,
    }
}

fn show_changes(changes: &[Change], dry_run: bool, format: Format) -> Result<(), CliError> {
    if format != Format::Table {
        // The one document on stdout is the outcome; of a dry run, that is the changes.
        return if dry_run { print_json(&json!({ "changes": changes }), format) } else { Ok(()) };
    }
    let mut rows = table(["CHANGE", "RESOURCE", "TYPE", "REPLACED"]);
    for change in changes {
        let replaced = change.replacement.as_deref().filter(|replacement| *replacement != "False");
        rows.add_row([&change.action, &change.resource, &change.kind, replaced.unwrap_or_default()]);
    }
    print(&rows.to_string());
    Ok(())
}

fn report(
    stacks: &Stacks,
    name: &str,
    status: &str,
    outputs: &BTreeMap<String, String>,
    format: Format,
) -> Result<(), CliError> {
    if format != Format::Table {
        return print_json(
            &json!({ "stack": name, "region": stacks.region(), "status": status, "outputs": outputs }),
            format,
        );
    }
    let mut rows = table(["OUTPUT", "VALUE"]);
    for (key, value) in outputs {
        rows.add_row([key, value]);
    }
    let outputs = if outputs.is_empty() { String::new() } else { format!("\n\n{rows}") };
    print(&format!("{name} is {status}{outputs}"));
    Ok(())
}

/// The stack's name: as given, or as the project's, in the letters that stacks may have.
fn stack_name(project: &Project, manifest: &Manifest) -> String {
    project.stack.clone().unwrap_or_else(|| manifest.name().replace(['.', '_'], "-"))
}

fn short(hash: &str) -> &str {
    hash.get(..HASH_DIGITS).unwrap_or(hash)
}

impl Architecture {
    /// CloudFormation's name.
    fn as_str(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// The flag of `cargo lambda`.
    fn flag(self) -> &'static str {
        match self {
            Self::Arm64 => "--arm64",
            Self::X86_64 => "--x86-64",
        }
    }

    /// Whether a program built by this machine for itself is one for functions of this architecture.
    fn is_this_machines(self) -> bool {
        let arch = match self {
            Self::Arm64 => "aarch64",
            Self::X86_64 => "x86_64",
        };
        (std::env::consts::OS, std::env::consts::ARCH) == ("linux", arch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_of_an_endpoint_are_those_of_the_account() {
        let [(_, endpoint), (_, queues)] = for_endpoint("http://localhost:4566/", "123456789012", "tools");
        assert_eq!(endpoint, "http://localhost:4566");
        assert_eq!(queues, "http://localhost:4566/123456789012/tools-");
    }
}
