//! What stands behind `gantz run`: the tool's name, and the tool's own words.

use crate::args::Common;
use crate::error::CliError;

/// The words behind `gantz run`.
pub(super) struct Words {
    pub(super) common: Common,
    /// The tool's name; none to list the tools.
    pub(super) name: Option<String>,
    /// What stands behind the name.
    pub(super) rest: Vec<String>,
}

/// Takes the common flags from before the tool's name. What stands behind it is for the tool to read.
pub(super) fn split(mut common: Common, words: Vec<String>) -> Result<Words, CliError> {
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (flag, value) = parts(&word);
        match flag {
            "-h" | "--help" => return Ok(Words { common, name: None, rest: Vec::new() }),
            "--manifest" => common.manifest = Some(given(value, &mut words, flag)?.into()),
            "--data-dir" => common.data_dir = Some(given(value, &mut words, flag)?.into()),
            "--stack" => common.stack = Some(given(value, &mut words, flag)?),
            "--region" => common.region = Some(given(value, &mut words, flag)?),
            "--endpoint-url" => common.endpoint_url = Some(given(value, &mut words, flag)?),
            flag if flag.starts_with('-') => {
                return Err(CliError::usage(format!("`{flag}` stands before the tool's name"))
                    .hint("usage: gantz run TOOL [--PARAMETER VALUE]…"));
            }
            _ => return Ok(Words { common, name: Some(word), rest: words.collect() }),
        }
    }
    Ok(Words { common, name: None, rest: Vec::new() })
}

/// The value of `--manifest` among words that stand behind a tool's name: it has to be known before the tool, whose
/// parameters tell flags from values. `takes_value` knows the flags whose next word is a value, whatever it looks like.
pub(super) fn manifest(rest: &[String], takes_value: impl Fn(&str) -> bool) -> Option<&str> {
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match parts(word) {
            ("--manifest", Some(value)) => return Some(value),
            ("--manifest", None) => return rest.next().map(String::as_str),
            (flag, None) if takes_value(flag) => {
                rest.next();
            }
            _ => {}
        }
    }
    None
}

/// A flag and its value, if it has one after `=`.
fn parts(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
        _ => (word, None),
    }
}

fn given(
    value: Option<&str>,
    words: &mut impl Iterator<Item = String>,
    flag: &str,
) -> Result<String, CliError> {
    let value = value.map(str::to_owned).or_else(|| words.next());
    value.ok_or_else(|| CliError::usage(format!("`{flag}` needs a value")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_no_flag() {
        let check = |words: &str, expect: Option<&str>| {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            assert_eq!(manifest(&words, |flag| flag == "--what"), expect, "{words:?}");
        };
        check("--manifest a.yaml", Some("a.yaml"));
        check("--what x --manifest=a.yaml", Some("a.yaml"));
        check("--what --manifest x", None);
        check("--what=x --manifest --what", Some("--what"));
        check("--other --manifest a.yaml", Some("a.yaml"));
        check("--manifest", None);
        check("", None);
    }
}
