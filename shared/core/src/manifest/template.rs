//! Texts with holes: `https://api.example.com/users/{user}`.
//!
//! `{name}` stands for a parameter; `{{` and `}}` stand for the braces themselves.

use super::rules;

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'t> {
    /// Text as it is.
    Literal(&'t str),
    /// The parameter of this name.
    Parameter(&'t str),
}

/// A template that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{` without `}`.
    #[error("`{{` is never closed")]
    Unclosed,
    /// `}` without `{`.
    #[error("`}}` closes nothing")]
    Unopened,
    /// What stands between the braces is no parameter's name.
    #[error("`{{{name}}}` names no parameter")]
    BadName {
        /// What stands there, cut to its first characters.
        name: String,
    },
}

/// The parts of `template`, in order. Literal parts that follow one another belong together.
///
/// # Errors
/// When braces do not match or hold something that cannot be a parameter's name.
pub fn parts(template: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        if at > 0 {
            parts.push(Part::Literal(&rest[..at]));
        }
        let (brace, after) = (&rest[at..=at], &rest[at + 1..]);
        rest = if let Some(after) = after.strip_prefix(brace) {
            parts.push(Part::Literal(brace));
            after
        } else if brace == "}" {
            return Err(TemplateError::Unopened);
        } else {
            let (name, after) = after.split_once('}').ok_or(TemplateError::Unclosed)?;
            if !rules::is_parameter_name(name) {
                return Err(TemplateError::BadName { name: super::syntax::cut(name) });
            }
            parts.push(Part::Parameter(name));
            after
        };
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest));
    }
    Ok(parts)
}
