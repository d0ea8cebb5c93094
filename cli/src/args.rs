//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use gantz_core::time::parse_duration_ms;
use gantz_dispatcher::http::WebOrigin;

/// Runs the tool calls of AI agents as durable jobs.
#[derive(Debug, Parser)]
#[command(name = "gantz", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Log more on stderr; given twice, the details too.
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = GLOBAL)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The heading of what every command takes.
const GLOBAL: &str = "Options of every command";

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The manifest; `gantz.yaml` in this folder or one above it if not given.
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL, env = "GANTZ_CONFIG")]
    pub(crate) manifest: Option<PathBuf>,
    /// Where jobs are kept; `.gantz` beside the manifest if not given.
    #[arg(long, value_name = "DIR", global = true, help_heading = GLOBAL, env = "GANTZ_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Work on this stack on AWS instead of a data directory.
    #[arg(long, value_name = "NAME", global = true, help_heading = GLOBAL, env = "GANTZ_STACK")]
    pub(crate) stack: Option<String>,
    /// The stack's region; what the AWS configuration says if not given.
    #[arg(long, value_name = "REGION", global = true, help_heading = GLOBAL)]
    pub(crate) region: Option<String>,
    /// Where AWS is, if not at its usual address.
    #[arg(long, value_name = "URL", global = true, help_heading = GLOBAL, env = "AWS_ENDPOINT_URL")]
    pub(crate) endpoint_url: Option<String>,
    /// How to print on stdout: for people, as one JSON document, or as one a line.
    #[arg(short, long, value_name = "FORMAT", global = true, help_heading = GLOBAL, default_value = "table")]
    pub(crate) output: Format,
}

/// How to print: for people, as one JSON document, or as one a line. (Docs of the values would stretch every help.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Jsonl,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a project: a manifest, and what it needs.
    Init {
        /// What to start from.
        #[arg(long, value_enum, default_value = "local")]
        template: Template,
        /// The folder, made if need be.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Check the manifest, and list its tools.
    Check {
        /// Show how each tool is run: what it says, what the defaults say, and what holds otherwise.
        #[arg(long)]
        explain: bool,
    },
    /// Run dispatcher and workers on this machine, with an HTTP API.
    Dev {
        /// The port of the HTTP API; 0 for any that is free.
        #[arg(long, default_value_t = 4700)]
        port: u16,
        /// Listen on this address, and ask callers for a token: that in `GANTZ_TOKEN`, or a new one.
        #[arg(long, value_name = "ADDRESS", default_value_t = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))]
        listen: std::net::IpAddr,
        /// Let pages of this site ask, and read the answers, in a browser: such as `http://localhost:5173`.
        #[arg(long, value_name = "ORIGIN")]
        cors_origin: Vec<WebOrigin>,
        /// Make every file that appears in this folder a job.
        #[arg(long, value_name = "DIR")]
        watch: Option<PathBuf>,
        /// The tool that such a file is given to, as its parameter `path`.
        #[arg(long, value_name = "TOOL", default_value = "analyze_file")]
        watch_tool: String,
        /// Refuse submissions while more jobs than this are queued in their lane.
        #[arg(long, value_name = "JOBS", default_value_t = gantz_core::limits::BACKLOG_MAX)]
        max_backlog: u64,
    },
    /// Run a tool and print its result; `gantz run TOOL --help` lists its parameters.
    #[command(disable_help_flag = true)]
    Run(Call),
    /// Submit a job and print its id; a running worker goes on with it.
    #[command(disable_help_flag = true)]
    Submit(Call),
    /// Run a tool on many inputs.
    Batch(Box<Batch>),
    /// Show a job or a batch.
    Status {
        /// The job or batch.
        id: String,
        /// Stay until it has ended.
        #[arg(short, long)]
        watch: bool,
    },
    /// Print a job's result as JSON.
    Result {
        /// The job.
        id: String,
    },
    /// Cancel a job, or a batch with all its children.
    Cancel {
        /// The job or batch.
        id: String,
    },
    /// Do a job, or a batch's jobs, again that ended without success.
    #[command(
        after_help = "For a job there is a new one, for a batch a new batch of those children. Its id follows from the old \
        one's: retrying twice makes one. Deadlines and attempts are new, each job's `effect_key` is the old one's."
    )]
    Retry {
        /// The job or batch.
        id: String,
        /// Also what must not run twice and may have run: look first at what it did. A batch leaves such children out.
        #[arg(long)]
        even_if_it_ran: bool,
        /// Work on the new job or batch, and wait for its end.
        #[arg(long)]
        wait: bool,
    },
    /// List jobs, newest first.
    Jobs {
        /// Only jobs with this status.
        #[arg(long, value_parser = parse_status)]
        status: Option<gantz_core::job::JobStatus>,
        /// Only jobs of this tool.
        #[arg(long)]
        tool: Option<String>,
        /// Only jobs of this tenant.
        #[arg(long, value_parser = parse_tenant)]
        tenant: Option<gantz_core::ids::Tenant>,
        /// Only children of this batch.
        #[arg(long)]
        batch: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 20, value_parser = parse_at_least_one)]
        limit: usize,
    },
    /// Tell a job's story: its attempts, what held it up, how it ended.
    Why {
        /// The job.
        id: String,
    },
    /// List ends of jobs and batches, oldest first: what is sent to the event bus on AWS.
    Events {
        /// Only those after the event with this number.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: i64,
        /// At most this many.
        #[arg(long, default_value_t = 100, value_parser = parse_at_least_one)]
        limit: usize,
    },
    /// List dead letters, messages that no worker could read, or send them again.
    #[command(subcommand)]
    Dlq(Dlq),
    /// List the lanes: what waits in each, and whether it is paused.
    Lanes,
    /// Begin nothing more of a lane: what runs ends, what is submitted waits.
    Pause {
        /// The lane.
        lane: String,
        /// For so long, such as `90s`, `15m` or `2h`; until it is resumed if not given.
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        duration_ms: Option<u64>,
    },
    /// Work on a paused lane again.
    Resume {
        /// The lane.
        lane: String,
    },
    /// Put dispatcher and workers on AWS, as a stack; also changes one that is there.
    Deploy(Deploy),
    /// Delete a stack.
    Destroy(Destroy),
    /// Work on what is queued, on this machine or in a stack.
    Worker {
        /// Only these lanes; all if not given.
        #[arg(long, value_name = "LANE")]
        lane: Vec<String>,
        /// Jobs at once in each lane; what the manifest says if not given.
        #[arg(long, value_name = "JOBS")]
        concurrency: Option<u32>,
        /// How long running jobs may go on after the first signal; what then runs is handed back.
        #[arg(long, value_name = "SECONDS", default_value_t = 20)]
        drain: u64,
        /// Write metrics to stdout, in the format that CloudWatch reads out of logs.
        #[arg(long)]
        metrics: bool,
        /// Serve `GET /metrics` for Prometheus on this port of loopback; 0 for any that is free.
        #[arg(long, value_name = "PORT")]
        metrics_port: Option<u16>,
    },
    /// Write tools into the manifest that somebody else has described.
    #[command(subcommand)]
    Import(Import),
    /// Serve the manifest's tools to an agent, as an MCP server on stdin and stdout.
    #[command(
        after_help = "An agent starts this program. `gantz dev` and a stack serve the same over HTTP, at `/mcp`. Calls are \
        durable jobs: `gantz jobs` lists them."
    )]
    Mcp,
    /// Print the CloudFormation template of the manifest's stack.
    Template,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Where tools are described.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// The tools of an MCP server, which the manifest names under `mcp_servers`. Those that it has are left as they are.
    Mcp {
        /// The server's name in the manifest.
        server: String,
        /// Print them instead.
        #[arg(long)]
        print: bool,
    },
}

/// What to start a project from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Tools for files and programs of this machine.
    Local,
    /// Tools for AWS Lambda functions.
    AwsLambda,
}

/// A call of a tool. What follows the tool's name depends on the manifest.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// The tool, and its parameters as flags.
    #[arg(value_name = "TOOL", trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
    pub(crate) words: Vec<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["files", "s3", "jsonl", "resume"]))]
pub(crate) struct Batch {
    /// The tool.
    pub(crate) tool: String,
    /// Folders, files, or patterns such as `src/**/*.rs`: each file is one job.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub(crate) files: Vec<String>,
    /// Objects of S3 below `s3://BUCKET/PREFIX`: each is one job.
    #[arg(long, value_name = "URL")]
    pub(crate) s3: Option<String>,
    /// A file of JSON Lines, one object of parameters each; `-` for stdin; or `s3://BUCKET/KEY`.
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: Option<String>,
    /// The parameter that takes a file's path.
    #[arg(long = "as", value_name = "PARAMETER", default_value = "path")]
    pub(crate) path_parameter: String,
    /// Parameters that all jobs share, as a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(crate) parameters: Option<String>,
    /// How many may fail: a number, or a share such as `2%`.
    #[arg(long, value_name = "N")]
    pub(crate) tolerate: Option<gantz_core::batch::Tolerance>,
    /// Go on with a batch that was interrupted.
    #[arg(long, value_name = "ID")]
    pub(crate) resume: Option<String>,
    /// The batch's id. Given again, it goes on with the same batch.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// What names the batch: given again, it is the same one.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Write a line of JSON for each job to this file, in their order.
    #[arg(long, value_name = "FILE", conflicts_with = "detach")]
    pub(crate) results: Option<PathBuf>,
    /// Tell the end of each job by an event of its own, not only that of the batch.
    #[arg(long)]
    pub(crate) child_events: bool,
    /// Return once the batch is accepted; it goes on while `gantz dev` runs.
    #[arg(long)]
    pub(crate) detach: bool,
}

/// How to deploy. The stack's name is the project's, unless `--stack` gives one.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// Where the functions run.
    #[arg(long, value_enum, default_value = "aws-lambda")]
    pub(crate) platform: Platform,
    /// What they run on.
    #[arg(long, value_enum, default_value = "arm64")]
    pub(crate) architecture: Architecture,
    /// A folder of prebuilt programs, instead of building them.
    #[arg(long, value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
    /// A parameter of the template; may be given again.
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Publish the worker as a layer, and make the workers of the manifest and its scripts only.
    #[arg(long)]
    pub(crate) layer: bool,
    /// Show what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// How to delete a stack.
#[derive(Debug, Args)]
pub(crate) struct Destroy {
    /// Its table and buckets too, with all jobs, results and uploads.
    #[arg(long)]
    pub(crate) delete_data: bool,
    /// Yes, delete it.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Where functions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Platform {
    AwsLambda,
}

/// What functions run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    Arm64,
    #[value(name = "x86_64", alias = "x86-64")]
    X86_64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// List them, with the reason.
    Ls {
        #[command(flatten)]
        from: SetAside,
        /// At most this many.
        #[arg(long, default_value_t = 100, value_parser = parse_at_least_one)]
        limit: usize,
    },
    /// Show one of them in full.
    Show {
        /// The message, as `ls` lists it.
        id: String,
        #[command(flatten)]
        from: SetAside,
    },
    /// Send them to their lane again, or submit them again.
    Redrive {
        #[command(flatten)]
        from: SetAside,
        /// At most this many.
        #[arg(long, default_value_t = 1_000, value_parser = parse_at_least_one)]
        limit: usize,
    },
}

/// Where messages were set aside.
#[derive(Debug, Args)]
pub(crate) struct SetAside {
    /// The lane.
    #[arg(long, default_value = "fast")]
    pub(crate) lane: String,
    /// Submissions that became no jobs, instead of a lane's; of a stack.
    #[arg(long, conflicts_with = "lane")]
    pub(crate) ingest: bool,
}

fn parse_at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn parse_duration(text: &str) -> Result<u64, String> {
    parse_duration_ms(text).ok_or_else(|| "expected a duration such as `90s`, `15m` or `2h`".to_owned())
}

fn parse_tenant(text: &str) -> Result<gantz_core::ids::Tenant, String> {
    gantz_core::ids::Tenant::try_new(text).map_err(|error| error.to_string())
}

fn parse_status(text: &str) -> Result<gantz_core::job::JobStatus, String> {
    let name = text.to_ascii_uppercase().replace('-', "_");
    gantz_core::job::JobStatus::from_wire(&name).ok_or_else(|| {
        let known: Vec<&str> = gantz_core::job::JobStatus::ALL.iter().map(|status| status.as_str()).collect();
        format!("expected one of {}", known.join(", "))
    })
}
