//! Templates: that each can be read, and that the parameters it names exist and fit their place.

use super::super::ParameterSpec;
use super::super::diagnostic::Problems;
use super::super::parameters::Parameters;
use super::super::suggest::{closest, listing};
use super::super::template::{self, Part, TemplateError};
use super::super::tree::Node;

/// Where a template stands: that decides which parameters fit.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// In a program's argument, of which there are always as many. Lists and objects are written as JSON.
    Argument,
    /// In the URL, whose shape must not depend on what a caller leaves out.
    Url,
    /// In a header.
    Header,
    /// In a longer string of the body.
    Text,
    /// Alone in a string of the body: the value itself takes its place.
    Alone,
}

impl Place {
    fn takes_scalars_only(self) -> bool {
        matches!(self, Self::Url | Self::Header | Self::Text)
    }

    /// What needs the parameter, where it may not be absent.
    fn in_need(self) -> Option<&'static str> {
        match self {
            Self::Argument => Some("argument"),
            Self::Url => Some("URL"),
            Self::Header | Self::Text | Self::Alone => None,
        }
    }
}

/// Checks that a template can be read and that the parameters it names exist and fit.
pub(super) fn check_template(
    node: &Node,
    template: &str,
    place: Place,
    parameters: &Parameters,
    problems: &mut Problems<'_>,
) {
    let parts = match template::parts(template) {
        Ok(parts) => parts,
        Err(TemplateError::BadName { name })
            if ["env:", "ssm:"].iter().any(|store| name.starts_with(store)) =>
        {
            return misplaced_secret(node, problems);
        }
        Err(error) => {
            let help = "`{name}` stands for a parameter; a brace itself is written twice: `{{` or `}}`";
            return problems.error_help(node.span, error.to_string(), help);
        }
    };
    let place = if place == Place::Text && parts.len() == 1 { Place::Alone } else { place };
    for part in parts {
        let Part::Parameter(name) = part else { continue };
        match parameters.get(name) {
            Some(spec) => check_fit(node, spec, place, problems),
            None => {
                let names = || parameters.iter().map(|spec| spec.name.as_str());
                let help = match closest(name, names()) {
                    Some(near) => format!("did you mean `{{{near}}}`?"),
                    None if parameters.iter().next().is_none() => "the tool takes no parameters".to_owned(),
                    None => format!("the tool takes {}", listing(names())),
                };
                let help = match place {
                    // Programs take arguments that hold braces; URLs and headers hardly ever hold any.
                    Place::Argument => format!("{help} (the braces themselves are written `{{{{{name}}}}}`)"),
                    _ => help,
                };
                problems.error_help(node.span, format!("`{{{name}}}` names no parameter of the tool"), help);
            }
        }
    }
}

/// A secret stands where its value would be seen.
pub(super) fn misplaced_secret(node: &Node, problems: &mut Problems<'_>) {
    let help = "secrets may stand in the `env` of a program and in the `headers` of a request only";
    problems.error_help(node.span, "a secret may not stand here", help);
}

fn check_fit(node: &Node, spec: &ParameterSpec, place: Place, problems: &mut Problems<'_>) {
    let ParameterSpec { name, required, value } = spec;
    if place.takes_scalars_only() && !value.kind.is_scalar() {
        let message = format!("`{{{name}}}` is an {}, which cannot stand in a text", value.kind.as_str());
        problems.error_help(node.span, message, "send it in the body, as a value of its own");
    } else if let Some(needs) = place.in_need()
        && !required
        && value.default.is_none()
    {
        let message = format!("`{{{name}}}` may be absent, and the {needs} needs it");
        let help = format!("give `{name}` a `default`, or `required: true`");
        problems.error_help(node.span, message, help);
    }
}
