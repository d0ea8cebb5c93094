//! `gantz batch`: one tool, many inputs.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf, absolute};
use std::process::ExitCode;
use std::sync::Arc;

use gantz_core::batch::BatchProgress;
use gantz_core::ids::{JobId, sha256_hex};
use gantz_core::object_prefix::ObjectUrl;
use serde_json::{Map, Value, json};

use super::lanes::note_if_paused;
use super::status::{batch_end, exit_code, note_if_idle, show_batch};
use super::{Outcome, find_tool, first_step, interrupted, job_id, json_object};
use crate::args::{Batch, Format};
use crate::error::CliError;
use crate::inputs::Inputs;
use crate::project::Project;
use crate::reader::{Reader, pages};
use crate::session::Session;
use crate::signals::Signals;
use crate::summary::result_value;
use crate::tools;
use crate::view::{note, print, print_json};

/// What makes a pattern of a path.
const PATTERN: [char; 4] = ['*', '?', '[', '{'];
/// Read from stdin and digested at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What shall be told of the batch.
struct Wish {
    tool: String,
    /// Where each job's end goes, as a line.
    results: Option<PathBuf>,
    /// Whether it is of files: of none, it was meant otherwise.
    of_files: bool,
    format: Format,
}

pub(super) async fn run(project: &Project, batch: Batch, format: Format) -> Outcome {
    let manifest = project.manifest()?;
    let tool = find_tool(&manifest, &batch.tool)?.name.clone();
    let detach = batch.detach;
    let (results, of_files) = (batch.results.clone(), !batch.files.is_empty());
    let wish = Wish { tool: tool.clone(), results, of_files, format };
    let resumed = batch.resume.as_deref().map(job_id).transpose()?;
    if let Some(id) = &resumed {
        require_batch(project, id, &tool).await?;
    }
    // Before signals are listened to: until stdin has ended, Ctrl-C shall end this as it ends any program.
    let submission = submission(project, batch)?;
    if project.stack.is_none() && reads_objects(&submission) {
        require_region(project).await?;
    }
    let mut signals = Signals::listen()?;
    let mut session = Session::open(project, Arc::clone(&manifest)).await?;
    if session.own().is_some() && !detach {
        tools::warn_of_missing(project, &manifest, Some(&tool))?;
    }
    let outcome = match resumed {
        Some(id) => work_and_follow(&mut session, &id, &wish, &mut signals).await,
        None if detach => submit_and_leave(&session, &submission, format).await,
        None => match submit(&session, &submission).await {
            Ok((id, _)) => work_and_follow(&mut session, &id, &wish, &mut signals).await,
            Err(error) => Err(error),
        },
    };
    session.close(signals.next()).await;
    outcome
}

/// Whether the batch is planned from what is in S3.
fn reads_objects(submission: &Value) -> bool {
    let jsonl = submission.get("jsonl").and_then(Value::as_str);
    submission.get("s3").is_some() || jsonl.is_some_and(ObjectUrl::is_meant_by)
}

/// Before a batch is recorded that this machine could never plan.
async fn require_region(project: &Project) -> Result<(), CliError> {
    if tools::session(project).get().await.region().is_some() {
        return Ok(());
    }
    Err(CliError::usage("no region of AWS is configured, and without one S3 cannot be asked")
        .hint("`--region REGION` or `AWS_REGION` name it, `--stack NAME` a stack that reads its own objects"))
}

/// Before anything is started: whether there is such a batch to go on with.
async fn require_batch(project: &Project, id: &JobId, tool: &str) -> Result<(), CliError> {
    let batch = Reader::open(project).await?.batch(id).await?;
    let batch = batch.ok_or_else(|| CliError::failed(format!("there is no batch `{id}` to go on with")))?;
    if batch.batch.tool != tool {
        let message = format!("`{id}` is a batch of the tool `{}`, not of `{tool}`", batch.batch.tool);
        return Err(CliError::usage(message));
    }
    Ok(())
}

/// The batch's id, and all that was answered.
async fn submit(session: &Session, submission: &Value) -> Result<(JobId, Value), CliError> {
    let answer = session.client.post("/batches", submission).await;
    let answer = answer.map_err(|error| error.name_places(flag_of))?;
    let id = answer.body.get("batch_id").and_then(Value::as_str).unwrap_or_default();
    note_if_paused(session, &answer.body).await?;
    Ok((job_id(id)?, answer.body))
}

async fn submit_and_leave(session: &Session, submission: &Value, format: Format) -> Outcome {
    let (id, answer) = submit(session, submission).await?;
    match format {
        Format::Table => print(id.as_str()),
        Format::Json | Format::Jsonl => print_json(&answer, format)?,
    }
    note_if_idle(&session.reader, &id).await?;
    Ok(ExitCode::SUCCESS)
}

async fn work_and_follow(session: &mut Session, id: &JobId, wish: &Wish, signals: &mut Signals) -> Outcome {
    session.work_on(id).await?;
    let session = &*session;
    tokio::select! {
        ended = batch_end(&session.reader, id) => {
            let ended = ended?;
            if let Some(path) = &wish.results {
                write_results(&session.reader, &ended, path).await?;
            }
            end(session, &ended, wish).await
        }
        () = signals.next() => {
            let again = format!("`gantz batch {} --resume {id}` goes on with it here", wish.tool);
            Err(interrupted(session, "batch", id, &again).await)
        }
    }
}

/// One line for each child, in the order of their index. The file appears whole, or not at all.
async fn write_results(reader: &Reader, progress: &BatchProgress, path: &Path) -> Result<(), CliError> {
    let unfinished = path.with_added_extension("part");
    let written = write_lines(reader, progress, &unfinished).await.and_then(|()| {
        fs::rename(&unfinished, path)
            .map_err(|error| CliError::failed(format!("cannot write `{}`: {error}", path.display())))
    });
    if written.is_err() {
        // The error that matters is the first one.
        fs::remove_file(&unfinished).ok();
    }
    written
}

async fn write_lines(reader: &Reader, progress: &BatchProgress, path: &Path) -> Result<(), CliError> {
    let cannot = |error: io::Error| CliError::failed(format!("cannot write `{}`: {error}", path.display()));
    let mut file = io::BufWriter::new(File::create(path).map_err(cannot)?);
    let mut inputs = Inputs::new(reader, &progress.batch.id);
    for page in pages(progress.batch.planned) {
        for child in reader.children(&progress.batch.id, page).await? {
            let input = inputs.of(&child).await?;
            let mut line = json!({
                "job_id": child.id, "index": child.index, "input": input, "status": child.status,
            });
            if let Some(result) = result_value(reader, &child).await? {
                line["result"] = result;
            }
            if let Some(error) = &child.error {
                line["error"] = json!(error);
            }
            writeln!(file, "{line}").map_err(cannot)?;
        }
    }
    file.into_inner().map_err(io::IntoInnerError::into_error).map_err(cannot)?.sync_all().map_err(cannot)
}

async fn end(session: &Session, progress: &BatchProgress, wish: &Wish) -> Outcome {
    let format = wish.format;
    if let (0, Some(error)) = (progress.batch.planned, &progress.batch.planning_error) {
        if format != Format::Table {
            show_batch(&session.reader, progress, true, format).await?;
        }
        return Err(CliError::failed(format!("batch `{}` has no jobs: {error}", progress.batch.id)));
    }
    show_batch(&session.reader, progress, true, format).await?;
    if progress.batch.planned == 0 && wish.of_files {
        let message = format!("batch `{}` has no jobs: no file matches", progress.batch.id);
        return Err(CliError::failed(message)
            .hint("`**/` looks into folders below, and names that begin with a dot need it in the pattern"));
    }
    if progress.batch.planned == 0 {
        note("warning: there was nothing to do");
    }
    Ok(exit_code(progress.batch.status))
}

/// The flag that a place in the submission comes from.
fn flag_of(pointer: &str) -> String {
    let (field, rest) = first_step(pointer);
    match field {
        "tool" => "TOOL".to_owned(),
        "batch_id" => "--id".to_owned(),
        "idempotency_key" => "--idempotency-key".to_owned(),
        "items" => format!("--jsonl{rest}"),
        "files" | "s3" | "jsonl" | "as" | "parameters" | "tolerate" => format!("--{field}{rest}"),
        _ => pointer.to_owned(),
    }
}

/// The batch as the API wants it, with absolute paths: the process that plans it may stand elsewhere.
fn submission(project: &Project, batch: Batch) -> Result<Value, CliError> {
    let mut body = Map::new();
    body.insert("tool".into(), json!(batch.tool));
    if !batch.files.is_empty() {
        if project.stack.is_some() {
            return Err(CliError::usage("`--files` are files of this machine, which a stack cannot read")
                .hint("upload them and give `--s3 s3://BUCKET/PREFIX`"));
        }
        let patterns = batch.files.iter().map(|given| files(given)).collect::<Result<Vec<_>, _>>()?;
        body.insert("files".into(), json!(patterns));
        body.insert("as".into(), json!(batch.path_parameter));
    }
    if let Some(prefix) = batch.s3 {
        body.insert("s3".into(), json!(prefix));
    }
    match batch.jsonl {
        Some(url) if ObjectUrl::is_meant_by(&url) => {
            body.insert("jsonl".into(), json!(url));
        }
        Some(file) if project.stack.is_some() => {
            body.insert("items".into(), Value::Array(items(&file)?));
        }
        Some(file) => {
            let path = if file == "-" { spool_stdin(project)? } else { readable(&file)? };
            body.insert("jsonl".into(), json!(text(&path)?));
        }
        None => {}
    }
    if let Some(parameters) = batch.parameters {
        body.insert("parameters".into(), Value::Object(json_object("--parameters", &parameters)?));
    }
    if let Some(tolerate) = batch.tolerate {
        body.insert("tolerate".into(), json!(tolerate));
    }
    if let Some(id) = batch.id {
        body.insert("batch_id".into(), json!(id));
    }
    if let Some(key) = batch.idempotency_key {
        body.insert("idempotency_key".into(), json!(key));
    }
    if batch.child_events {
        body.insert("child_events".into(), json!(true));
    }
    Ok(Value::Object(body))
}

/// What `--files` means, from the root on. A path that exists is meant as it is; of a pattern, the folder that it is
/// relative to is no part, whatever characters that has.
fn files(given: &str) -> Result<String, CliError> {
    let path = absolute(given)?;
    if Path::new(given).is_absolute() || path.exists() {
        return Ok(text(&path)?.to_owned());
    }
    if !given.contains(PATTERN) {
        let path = path.display();
        return Err(CliError::usage(format!("there is no file or folder `{path}`")));
    }
    // Without dots: a pattern is compared with paths as the walk spells them.
    let mut folder = std::env::current_dir()?;
    let mut pattern = PathBuf::new();
    for part in Path::new(given).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if pattern.as_os_str().is_empty() => {
                folder.pop();
            }
            part => pattern.push(part),
        }
    }
    Ok(text(&Path::new(&literally(text(&folder)?)).join(pattern))?.to_owned())
}

/// A pattern that matches this text only.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' => pattern.extend(['[', char, ']']),
            _ => pattern.push(char),
        }
    }
    pattern
}

/// The file's path from the root on, if it can be read: before there is a batch that would say so.
fn readable(file: &str) -> Result<PathBuf, CliError> {
    let path = absolute(file)?;
    match File::open(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(CliError::usage(format!("cannot open `{}`: {error}", path.display()))),
    }
}

fn text(path: &Path) -> Result<&str, CliError> {
    path.to_str().ok_or_else(|| CliError::usage(format!("`{}` is not UTF-8", path.display())))
}

/// The lines of a file or of stdin, for a planner that does not run on this machine.
fn items(file: &str) -> Result<Vec<Value>, CliError> {
    let cannot = |error: io::Error| CliError::failed(format!("cannot read `{file}`: {error}"));
    let content = if file == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    let content = content.map_err(cannot)?;
    let lines = content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                CliError::usage(format!("`{file}`, line {}, is no JSON: {error}", number + 1))
            })
        })
        .collect()
}

/// Copies stdin to a file of the data directory: planning may have to read it again after a crash. The file's name
/// follows from its content, so that the same lines given again with `--id` are the same batch.
fn spool_stdin(project: &Project) -> Result<PathBuf, CliError> {
    let folder = project.data_dir.join("spool");
    fs::create_dir_all(&folder)?;
    let unfinished = folder.join(format!("{}.part", std::process::id()));
    let mut file = File::create(&unfinished)?;
    let mut stdin = io::stdin().lock();
    let (mut digest, mut chunk) = (String::new(), Vec::with_capacity(CHUNK_BYTES));
    loop {
        chunk.clear();
        // Always whole chunks, or the digest would depend on how a pipe cuts its content.
        if stdin.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)? == 0 {
            break;
        }
        file.write_all(&chunk)?;
        digest = sha256_hex(format!("{digest}{}", sha256_hex(&chunk)).as_bytes());
    }
    file.sync_all()?;
    let path = folder.join(format!("{digest}.jsonl"));
    fs::rename(unfinished, &path)?;
    Ok(path)
}
