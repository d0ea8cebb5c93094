//! What the process allows `aws_lambda.create_function` to do.

use std::path::PathBuf;

use gantz_core::outcome::{ErrorKind, Failure};

use super::super::failure::invalid;

/// Which functions may be created. Nothing, unless both parts are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateFunctionSettings {
    role_arn: Option<String>,
    packages: Option<Packages>,
}

/// Where packages may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Packages {
    Folder(PathBuf),
    Objects { bucket: String, prefix: String },
}

/// A package that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Package {
    File { path: String },
    Object { bucket: String, key: String },
}

impl CreateFunctionSettings {
    /// Variable of the folder, or `s3://bucket/prefix`, below which packages lie.
    pub const DIR: &'static str = "GANTZ_CREATE_FUNCTION_DIR";
    /// Variable of the role's ARN that new functions run with.
    pub const ROLE: &'static str = "GANTZ_CREATE_FUNCTION_ROLE";

    /// Reads the settings through `look_up`. What is missing or empty allows nothing.
    pub fn read(look_up: impl Fn(&str) -> Option<String>) -> Self {
        let given = |variable| look_up(variable).filter(|value| !value.is_empty());
        Self { role_arn: given(Self::ROLE), packages: given(Self::DIR).map(Packages::read) }
    }

    /// The folder that packages may come from, if it is one.
    pub fn folder(&self) -> Option<&PathBuf> {
        match &self.packages {
            Some(Packages::Folder(folder)) => Some(folder),
            _ => None,
        }
    }

    pub(super) fn role(&self) -> Result<&str, Failure> {
        self.role_arn
            .as_deref()
            .ok_or_else(|| off(Self::ROLE, "the ARN of the role that new functions run with"))
    }

    pub(super) fn package(&self, code_path: &str) -> Result<Package, Failure> {
        let allowed = self.packages.as_ref().ok_or_else(|| {
            off(Self::DIR, "the folder, or the `s3://bucket/prefix`, below which packages lie")
        })?;
        match (split_object(code_path), allowed) {
            (None, Packages::Folder(_)) => Ok(Package::File { path: code_path.to_owned() }),
            (Some((_, "")), _) => {
                Err(invalid(format!("`{code_path}` names no object: give `s3://bucket/key`")))
            }
            (Some((bucket, key)), Packages::Objects { bucket: own, prefix })
                if bucket == own && key.starts_with(prefix) =>
            {
                Ok(Package::Object { bucket: bucket.to_owned(), key: key.to_owned() })
            }
            (_, allowed) => {
                let message = format!("`{code_path}` may not be used: packages lie {}", allowed.shown());
                Err(Failure::permanent(ErrorKind::AccessDenied, message))
            }
        }
    }
}

impl Packages {
    fn read(place: String) -> Self {
        match split_object(&place) {
            None => Self::Folder(place.into()),
            Some((bucket, prefix)) => {
                // Below `s3://b/code` is not `s3://b/code-of-others`.
                let closed = prefix.is_empty() || prefix.ends_with('/');
                let prefix = if closed { prefix.to_owned() } else { format!("{prefix}/") };
                Self::Objects { bucket: bucket.to_owned(), prefix }
            }
        }
    }

    /// A folder's path is nobody's business who calls a tool.
    fn shown(&self) -> String {
        match self {
            Self::Folder(_) => "in the worker's folder for them, give a path below it".into(),
            Self::Objects { bucket, prefix } => format!("below `s3://{bucket}/{prefix}`"),
        }
    }
}

/// Bucket and key of `s3://bucket/key`.
fn split_object(place: &str) -> Option<(&str, &str)> {
    let rest = place.strip_prefix("s3://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

fn off(variable: &str, what: &str) -> Failure {
    let message = format!("creating functions is off: to allow it, set the worker's `{variable}` to {what}");
    Failure::permanent(ErrorKind::AccessDenied, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(dir: &str) -> CreateFunctionSettings {
        let dir = dir.to_owned();
        CreateFunctionSettings::read(move |variable| match variable {
            CreateFunctionSettings::DIR => Some(dir.clone()),
            CreateFunctionSettings::ROLE => Some("arn:aws:iam::123456789012:role/new".into()),
            _ => None,
        })
    }

    fn check(dir: &str, code_path: &str, expect: Result<Package, &str>) {
        match (settings(dir).package(code_path), expect) {
            (Ok(package), Ok(expect)) => assert_eq!(package, expect),
            (Err(failure), Err(part)) => {
                assert!(failure.message.contains(part), "{code_path}: {}", failure.message);
            }
            (package, _) => panic!("{code_path}: {package:?}"),
        }
    }

    fn object(key: &str) -> Result<Package, &str> {
        Ok(Package::Object { bucket: "b".into(), key: key.into() })
    }

    #[test]
    fn is_off_by_default() {
        let off = CreateFunctionSettings::read(|_| Some(String::new()));
        assert_eq!(off, CreateFunctionSettings::default());
        assert!(off.role().unwrap_err().message.contains("GANTZ_CREATE_FUNCTION_ROLE"));
        let failure = off.package("a.zip").unwrap_err();
        assert_eq!(failure.kind, ErrorKind::AccessDenied);
        assert!(failure.message.contains("GANTZ_CREATE_FUNCTION_DIR"), "{}", failure.message);
    }

    #[test]
    fn allows_only_what_lies_below() {
        check("/srv/code", "a.zip", Ok(Package::File { path: "a.zip".into() }));
        check("/srv/code", "s3://b/a.zip", Err("in the worker's folder"));
        check("s3://b/code", "s3://b/code/a.zip", object("code/a.zip"));
        check("s3://b", "s3://b/a.zip", object("a.zip"));
        check("s3://b/code", "s3://b/code-of-others/a.zip", Err("below `s3://b/code/`"));
        check("s3://b/code/", "s3://c/code/a.zip", Err("below `s3://b/code/`"));
        check("s3://b/code", "a.zip", Err("below `s3://b/code/`"));
        check("s3://b", "s3://b/", Err("names no object"));
        check("s3://b", "s3://b", Err("names no object"));
    }
}
