//! What runs a tool.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::limits;

/// What runs a tool.
#[derive(Debug, Clone, PartialEq)]
pub enum Handler {
    /// Something compiled into the worker, by name: `aws_lambda.invoke`, `s3.analyze_file`, or a Rust type that
    /// implements [`Tool`](crate::tool::Tool). Whether the worker has it is known only there.
    Builtin(String),
    /// A program: parameters in on stdin, result out on stdout.
    Command(CommandSpec),
    /// An HTTP request.
    Http(HttpSpec),
    /// A tool of another MCP server.
    Mcp(McpToolSpec),
}

impl Handler {
    /// The name of [`Handler::Command`] in a manifest.
    pub const COMMAND: &str = "command";
    /// The name of [`Handler::Http`] in a manifest.
    pub const HTTP: &str = "http.request";
    /// What the name of [`Handler::Mcp`] begins with in a manifest; the server's follows.
    pub const MCP_PREFIX: &str = "mcp.";
    /// The name of the built-in handler that makes functions, which a manifest has to allow by `creates_functions`.
    pub const CREATE_FUNCTION: &str = "aws_lambda.create_function";

    /// The name, as the manifest's `handler` gives it.
    pub fn name(&self) -> &str {
        match self {
            Self::Builtin(name) => name,
            Self::Command(_) => Self::COMMAND,
            Self::Http(_) => Self::HTTP,
            Self::Mcp(tool) => &tool.handler,
        }
    }
}

/// A program that is a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// The program: a path, or a name that is looked up in `PATH`. No shell is involved. A path is relative to the
    /// manifest's folder.
    pub program: String,
    /// [Templates](super::template) of its arguments. The parameters they name are always present: required, or with a
    /// default.
    pub args: Vec<String>,
    /// Environment variables set for it, besides the few that it inherits. Their values may name [secrets](super::secret).
    pub env: BTreeMap<String, String>,
    /// The folder it runs in, relative to the manifest's; the manifest's own if absent.
    pub cwd: Option<String>,
    /// How its stdout is read.
    pub output: CommandOutput,
    /// Exit codes after which there is no other attempt; every other one but 0 may be tried again.
    pub permanent: Vec<i32>,
    /// Bytes of stdout that are read, 1 to [`limits::RESULT_MAX_BYTES`]. More fail the job.
    pub max_output_bytes: u64,
}

impl CommandSpec {
    /// A program without arguments, and everything else as it is when nothing is said.
    pub fn of(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            output: CommandOutput::default(),
            permanent: PERMANENT_EXIT_CODES.to_vec(),
            max_output_bytes: MAX_OUTPUT_BYTES,
        }
    }
}

/// Exit codes that mean the same the next time, where nothing else is said: `EX_USAGE`, `EX_DATAERR`, `EX_NOINPUT`,
/// `EX_NOPERM` and `EX_CONFIG` of `sysexits.h`, and a shell's for a program that cannot be run or is not there.
pub(super) const PERMANENT_EXIT_CODES: [i32; 7] = [64, 65, 66, 77, 78, 126, 127];

/// How a program's stdout becomes a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommandOutput {
    /// It is one JSON value.
    #[default]
    Json,
    /// It is text, and the result is that text as a JSON string.
    Text,
}

/// An HTTP request that is a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSpec {
    /// A [template](super::template) of an `http` or `https` URL. The parameters it names are scalars and always
    /// present: required, or with a default. The host is literal unless `allow_hosts` says which ones are allowed.
    pub url: String,
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Headers by name; what is left of the values without the [secrets](super::secret) that they name are templates over
    /// scalar parameters.
    pub headers: BTreeMap<String, String>,
    /// What is sent.
    pub body: HttpBody,
    /// Hosts, in lower case, that may be asked whatever their address, private ones included: `api.example.com`,
    /// `10.0.0.7:8080`, `[::1]:8080`, or `*.example.com` for every host below it. Without a port, every port is meant.
    /// Where a parameter stands in the URL's host, these are the only ones it may choose.
    pub allow_hosts: Vec<String>,
    /// A JSON pointer (RFC 6901) to the part of the response's body that is the result.
    pub response: Option<String>,
    /// Bytes of the response that are read, 1 to [`limits::RESULT_MAX_BYTES`]. More fail the job.
    pub max_response_bytes: u64,
}

/// A tool of another MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpToolSpec {
    /// `mcp.`, and the server's name in the manifest.
    pub handler: String,
    /// What the server calls the tool.
    pub tool: String,
}

impl McpToolSpec {
    /// The server's name in the manifest.
    pub fn server_name(&self) -> &str {
        self.handler.strip_prefix(Handler::MCP_PREFIX).unwrap_or(&self.handler)
    }
}

/// Where an MCP server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpServerSpec {
    /// A program that speaks MCP on stdin and stdout. A worker starts it once, and again when it has ended.
    Program {
        /// A path, or a name that is looked up in `PATH`. A path is relative to the manifest's folder.
        program: String,
        /// Its arguments, as they are.
        args: Vec<String>,
        /// Environment variables set for it, besides the few that it inherits. Their values may name
        /// [secrets](super::secret).
        env: BTreeMap<String, String>,
        /// The folder it runs in, relative to the manifest's; the manifest's own if absent.
        cwd: Option<String>,
    },
    /// A service that speaks MCP's Streamable HTTP.
    Http {
        /// An `http` or `https` URL.
        url: String,
        /// The environment variable of the worker that holds a bearer token for it.
        bearer_env: Option<String>,
    },
}

/// What an HTTP request sends.
#[derive(Debug, Clone, PartialEq)]
pub enum HttpBody {
    /// Nothing.
    None,
    /// A JSON object of the parameters that neither the URL nor a header uses.
    Parameters,
    /// This JSON value, the [templates](super::template) in its strings filled in. A string that is nothing but
    /// `{name}` becomes the parameter itself, whatever its type.
    Template(Value),
}

/// What a tool may return when its section does not say.
pub(super) const MAX_OUTPUT_BYTES: u64 = limits::RESULT_MAX_BYTES as u64;

impl HttpSpec {
    /// Headers that follow from the URL, the body and the connection. Whoever sets them sends two requests as one, or asks
    /// another host than the guard has seen.
    pub const OWN_HEADERS: [&str; 10] = [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
}
