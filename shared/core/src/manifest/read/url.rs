//! The URL of a request: which host it may reach is decided here, not by what a caller sends.

use super::super::diagnostic::Problems;
use super::super::parameters::Parameters;
use super::super::section::text;
use super::super::syntax::cut;
use super::super::tree::Node;
use super::host::{Allowed, Authority, AuthorityError};
use super::template::{Place, check_template};

const URL_HELP: &str = "a URL looks like `https://api.example.com/things/{id}`";

/// Reads a URL template.
pub(super) fn read(
    node: &Node,
    allow_hosts: &[String],
    parameters: &Parameters,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let url = text(node, "url", problems)?;
    let Some((scheme, rest)) = url.split_once("://") else {
        problems.error_help(node.span, "`url` has no scheme", URL_HELP);
        return None;
    };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => {
            let message = format!("`url` has the scheme `{}`, expected http or https", cut(scheme));
            problems.error_help(node.span, message, URL_HELP);
            return None;
        }
    };
    if url.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        problems.error_help(node.span, "`url` holds white space or a backslash", "write a space as `%20`");
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    check_authority(node, authority, default_port, allow_hosts, problems);
    check_template(node, url, Place::Url, parameters, problems);
    Some(url.to_owned())
}

fn check_authority(
    node: &Node,
    authority: &str,
    default_port: u16,
    allow_hosts: &[String],
    problems: &mut Problems<'_>,
) {
    if authority.contains('@') {
        let help = "leave it out: a manifest is no place for secrets";
        return problems.error_help(node.span, "`url` holds a user name or a password", help);
    }
    if authority.contains('{') {
        if allow_hosts.is_empty() {
            let help = "write the host out, or list the hosts that may be asked under `allow_hosts`";
            problems.error_help(node.span, "a parameter may not choose the host of `url`", help);
        }
        return;
    }
    match Authority::parse(authority) {
        Ok(authority) => check_reach(node, &authority, default_port, allow_hosts, problems),
        Err(AuthorityError::Host) => {
            let message = format!("`url` has no valid host: `{}`", cut(authority));
            problems.error_help(node.span, message, URL_HELP);
        }
        Err(AuthorityError::Port) => {
            problems.error_help(node.span, "`url` has no valid port", "a port is a number, 1 to 65535");
        }
    }
}

/// A host that is private by what is written is listed, or every job of the tool would fail.
fn check_reach(
    node: &Node,
    authority: &Authority,
    default_port: u16,
    allow_hosts: &[String],
    problems: &mut Problems<'_>,
) {
    let Some(range) = authority.host.private_range() else { return };
    let port = authority.port.unwrap_or(default_port);
    let mut allowed = allow_hosts.iter().filter_map(|entry| Allowed::parse(entry));
    if !allowed.any(|entry| entry.covers(&authority.host, port)) {
        let message =
            format!("`{authority}` is a private address ({range}), and `allow_hosts` does not list it");
        let help = format!("if the request may go there, add `allow_hosts: [\"{authority}\"]`");
        problems.error_help(node.span, message, help);
    }
}
