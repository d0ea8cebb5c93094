//! What secrets need that a manifest names: a parameter of the stack for each variable, and the permission to read each
//! parameter of the parameter store.

use std::collections::{BTreeMap, BTreeSet};

use gantz_core::manifest::Manifest;
use gantz_core::manifest::secret::SecretName;

use super::piece::{logical, quoted};

/// Variables that a function has anyway: from Lambda, or from the template.
const GIVEN_PREFIXES: [&str; 4] = ["AWS_", "GANTZ_", "LAMBDA_", "_"];
const GIVEN: [&str; 6] = ["LANG", "LD_LIBRARY_PATH", "LOG_LEVEL", "PATH", "RUST_LOG", "TZ"];

/// The parameters of the stack's that hold variables, as a section of the template.
pub(super) fn parameters(named: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (variable, parameter) in named {
        text.push_str(&format!(
            "{parameter}:\n  Type: String\n  NoEcho: true\n  Description: What tools know as ${{env:{variable}}}.\n"
        ));
    }
    text
}

/// Of these secrets, those that are [`named`] variables of a function whose environment is otherwise `environment`.
pub(super) fn environment(
    named: &BTreeMap<String, String>,
    secrets: &BTreeSet<SecretName>,
    environment: &str,
) -> String {
    let has = |variable: &str| environment.lines().any(|line| line.starts_with(&format!("{variable}:")));
    let needed = secrets.iter().filter_map(|secret| match secret {
        SecretName::Env(variable) if !has(variable) => named.get_key_value(variable.as_str()),
        _ => None,
    });
    needed.map(|(variable, parameter)| format!("{variable}: !Ref {parameter}\n")).collect()
}

/// What the workers with these secrets may read.
pub(super) fn statements(secrets: &BTreeSet<SecretName>) -> String {
    let arn = |secret: &SecretName| match secret {
        SecretName::Ssm(path) => {
            let arn =
                format!("arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter{path}");
            Some(format!("    - !Sub {}\n", quoted(&arn)))
        }
        SecretName::Env(_) => None,
    };
    let arns: String = secrets.iter().filter_map(arn).collect();
    if arns.is_empty() {
        return arns;
    }
    format!("- Effect: Allow\n  Action: ssm:GetParameter\n  Resource:\n{arns}")
}

/// The variables that somebody has to give, and their parameters: `SecretSearchToken` of `SEARCH_TOKEN`.
pub(crate) fn named(manifest: &Manifest) -> BTreeMap<String, String> {
    let secrets: BTreeSet<SecretName> = manifest.tools().flat_map(|tool| manifest.secrets(tool)).collect();
    let variables: BTreeSet<String> = secrets
        .into_iter()
        .filter_map(|secret| match secret {
            SecretName::Env(variable) => Some(variable),
            SecretName::Ssm(_) => None,
        })
        .filter(|variable| {
            !GIVEN.contains(&variable.as_str())
                && !GIVEN_PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
        })
        .collect();
    let alike = |short: &str| variables.iter().filter(|variable| in_words(variable) == short).count() > 1;
    let parameter = |variable: &String| {
        let short = in_words(variable);
        let parameter = if alike(&short) { logical(variable) } else { short };
        (variable.clone(), format!("Secret{parameter}"))
    };
    variables.iter().map(parameter).collect()
}

/// `SearchToken` of `SEARCH_TOKEN`. Different names may give the same.
fn in_words(variable: &str) -> String {
    let mut words = String::with_capacity(variable.len());
    for word in variable.split('_') {
        let mut letters = word.chars();
        words.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        words.extend(letters.map(|letter| letter.to_ascii_lowercase()));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
name: secrets
version: 1.0.0
mcp_servers:
  notes: {command: [notes-server], env: {KEY: "${env:NOTES_KEY}"}}
  search: {url: "https://search.example.com/mcp", bearer_env: SEARCH_TOKEN}
  idle: {url: "https://idle.example.com/mcp", bearer_env: OF_NO_TOOL}
tools:
  a:
    description: d
    handler: command
    command:
      program: a
      env: {ONE: "${env:a_b}", TWO: "${env:AB}", THREE: "x ${ssm:/a/b} $${env:C}", FOUR: "${env:AWS_REGION}"}
  b:
    description: d
    handler: http.request
    http: {url: "https://api.example.com", headers: {Authorization: "Bearer ${ssm:/z}${env:A_B}"}}
  c: {description: d, handler: mcp.notes}
  d: {description: d, handler: mcp.search}
"#;

    fn manifest() -> Manifest {
        Manifest::parse("gantz.yaml", MANIFEST).unwrap()
    }

    #[test]
    fn a_variable_is_a_parameter_of_the_stack() {
        let named = named(&manifest());
        let named: Vec<_> = named.iter().map(|(variable, parameter)| (&**variable, &**parameter)).collect();
        let expected = [
            ("AB", "SecretAb"),
            ("A_B", "SecretABx6c1908f9"),
            ("NOTES_KEY", "SecretNotesKey"),
            ("SEARCH_TOKEN", "SecretSearchToken"),
            ("a_b", "SecretABx648fa9b3"),
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn a_function_has_those_of_its_tools() {
        let manifest = manifest();
        let named = named(&manifest);
        let of = |tool: &str| manifest.secrets(manifest.tool(tool).unwrap());
        assert_eq!(environment(&named, &of("d"), ""), "SEARCH_TOKEN: !Ref SecretSearchToken\n");
        assert_eq!(environment(&named, &of("d"), "SEARCH_TOKEN: x\n"), "");
        assert_eq!(statements(&of("d")), "");
        insta::assert_snapshot!(statements(&(&of("a") | &of("b"))), @r#"
        - Effect: Allow
          Action: ssm:GetParameter
          Resource:
            - !Sub "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/a/b"
            - !Sub "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/z"
        "#);
    }
}
