//! Secrets that a manifest names and does not hold: `Bearer ${env:SEARCH_TOKEN}`, `${ssm:/search/token}`.
//!
//! They may stand where programs and servers expect secrets, and nowhere else: in the environment of a program, and in the
//! headers of a request. `$$` before a `{` stands for `$` itself.

use std::fmt;

use super::rules;
use super::syntax::cut;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretName {
    /// In a variable of the worker's environment.
    Env(String),
    /// In a parameter of AWS Systems Manager's parameter store, by its full name, such as `/search/token`.
    Ssm(String),
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "${{env:{name}}}"),
            Self::Ssm(name) => write!(f, "${{ssm:{name}}}"),
        }
    }
}

/// A piece of a text that may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPart {
    /// Text as it is.
    Literal(String),
    /// The secret of this name.
    Secret(SecretName),
}

/// A text whose secrets cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// `${` without `}`.
    #[error("`${{` is never closed")]
    Unclosed,
    /// What stands between the braces names no secret.
    #[error("`${{{name}}}` names no secret")]
    NoSecret {
        /// What stands there, cut to its first characters.
        name: String,
    },
}

impl SecretError {
    /// What would be right.
    pub(super) const HELP: &str = "`${env:NAME}` stands for a variable of the worker, `${ssm:/path}` for a parameter of AWS's parameter \
                                   store; `$${` stands for `${` itself";
}

/// The parts of `text`, in order. Two literal parts never follow one another.
///
/// # Errors
/// When it holds `${` that begins no secret's name.
pub fn parts(text: &str) -> Result<Vec<SecretPart>, SecretError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, opened) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            literal += before;
            literal += "${";
            rest = opened;
            continue;
        }
        literal += before;
        let (name, after) = opened.split_once('}').ok_or(SecretError::Unclosed)?;
        let secret = named(name).ok_or_else(|| SecretError::NoSecret { name: cut(name) })?;
        if !literal.is_empty() {
            parts.push(SecretPart::Literal(std::mem::take(&mut literal)));
        }
        parts.push(SecretPart::Secret(secret));
        rest = after;
    }
    literal += rest;
    if !literal.is_empty() {
        parts.push(SecretPart::Literal(literal));
    }
    Ok(parts)
}

/// The secrets of a text that was checked.
pub(super) fn names(text: &str) -> impl Iterator<Item = SecretName> {
    parts(text).unwrap_or_default().into_iter().filter_map(|part| match part {
        SecretPart::Secret(name) => Some(name),
        SecretPart::Literal(_) => None,
    })
}

fn named(name: &str) -> Option<SecretName> {
    let (store, name) = name.split_once(':')?;
    match store {
        "env" => (rules::VARIABLE.holds)(name).then(|| SecretName::Env(name.to_owned())),
        "ssm" => rules::is_ssm_parameter(name).then(|| SecretName::Ssm(name.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_apart() {
        let literal = |text: &str| SecretPart::Literal(text.to_owned());
        let env = |name: &str| SecretPart::Secret(SecretName::Env(name.to_owned()));
        let ssm = |name: &str| SecretPart::Secret(SecretName::Ssm(name.to_owned()));
        let none = |name: &str| Err(SecretError::NoSecret { name: name.to_owned() });
        #[rustfmt::skip]
        let table = [
            ("", Ok(vec![])),
            ("plain", Ok(vec![literal("plain")])),
            ("{user} costs 5$", Ok(vec![literal("{user} costs 5$")])),
            ("${env:A_1}", Ok(vec![env("A_1")])),
            ("Bearer ${env:T}!", Ok(vec![literal("Bearer "), env("T"), literal("!")])),
            ("${ssm:/a/b-c.d_e}${env:B}", Ok(vec![ssm("/a/b-c.d_e"), env("B")])),
            ("$${env:A}", Ok(vec![literal("${env:A}")])),
            ("$$${env:A}", Ok(vec![literal("$${env:A}")])),
            ("a$$b", Ok(vec![literal("a$$b")])),
            ("x$${y} ${env:A}", Ok(vec![literal("x${y} "), env("A")])),
            ("${env:A", Err(SecretError::Unclosed)),
            ("${HOME}", none("HOME")),
            ("${env:}", none("env:")),
            ("${env:1A}", none("env:1A")),
            ("${env:A B}", none("env:A B")),
            ("${ssm:a}", none("ssm:a")),
            ("${ssm:/}", none("ssm:/")),
            ("${ssm:/a//b}", none("ssm:/a//b")),
            ("${ssm:/a/}", none("ssm:/a/")),
            ("${vault:/a}", none("vault:/a")),
        ];
        for (text, expected) in table {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["${env:TOKEN}", "${ssm:/search/token}"] {
            assert_eq!(names(text).map(|name| name.to_string()).collect::<Vec<_>>(), [text]);
        }
    }
}
