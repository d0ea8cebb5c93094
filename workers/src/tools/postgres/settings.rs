//! Where the database is, and what may be done there.

use std::path::PathBuf;

/// The settings of `postgres.query`.
#[derive(Clone, Default)]
pub struct PostgresSettings {
    /// The address with the password: it is never shown.
    url: Option<String>,
    writes: bool,
}

/// The address, taken apart.
pub(super) struct Address {
    pub(super) config: tokio_postgres::Config,
    /// A file of the certificates to trust instead of the system's.
    pub(super) root_certificates: Option<PathBuf>,
}

impl PostgresSettings {
    /// Variable of the database's address: `postgres://user:password@host:port/database?sslmode=require`.
    pub const URL: &'static str = "DATABASE_URL";
    /// Variable that allows statements to write when it is `true`.
    pub const WRITES: &'static str = "GANTZ_POSTGRES_WRITES";

    /// Reads the settings through `look_up`.
    pub fn read(look_up: impl Fn(&str) -> Option<String>) -> Self {
        let url = look_up(Self::URL).filter(|url| !url.is_empty());
        Self { url, writes: look_up(Self::WRITES).is_some_and(|value| value == "true") }
    }

    pub(super) fn writes(&self) -> bool {
        self.writes
    }

    /// The address, or what is wrong with it, without quoting any of it.
    pub(super) fn into_address(self) -> Result<Address, String> {
        let url = self.url.ok_or_else(|| {
            let example = "postgres://user:password@host:5432/database";
            format!("no database is configured: set the worker's `{}`, such as `{example}`", Self::URL)
        })?;
        let (url, root_certificates) = take_extras(&url);
        let config = url.parse().map_err(|error: tokio_postgres::Error| {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("`{}` is no address of a PostgreSQL database: {source}", Self::URL)
        })?;
        Ok(Address { config, root_certificates })
    }
}

/// Takes out of an address what libpq knows and the driver does not. Encrypted connections always verify the server, so that
/// the stricter modes are the same as `require`.
fn take_extras(url: &str) -> (String, Option<PathBuf>) {
    let Some((base, options)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut root_certificates = None;
    let mut kept = Vec::new();
    for option in options.split('&') {
        match option.split_once('=') {
            Some(("sslrootcert", path)) => {
                let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
                root_certificates = (path != "system").then(|| PathBuf::from(path.as_ref()));
            }
            Some(("sslmode", "verify-ca" | "verify-full")) => kept.push("sslmode=require"),
            Some(("sslmode", "allow")) => kept.push("sslmode=prefer"),
            _ => kept.push(option),
        }
    }
    let options = kept.join("&");
    let separator = if options.is_empty() { "" } else { "?" };
    (format!("{base}{separator}{options}"), root_certificates)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    fn settings(url: &str) -> PostgresSettings {
        PostgresSettings::read(|variable| (variable == PostgresSettings::URL).then(|| url.to_owned()))
    }

    #[test]
    fn reads_addresses() {
        let check = |url: &str, mode, roots: Option<&str>| {
            let address = settings(url).into_address().unwrap();
            assert_eq!(address.config.get_ssl_mode(), mode, "{url}");
            assert_eq!(address.root_certificates, roots.map(PathBuf::from), "{url}");
        };
        check("postgres://u:p@h/d", SslMode::Prefer, None);
        check("postgres://u:p@h/d?sslmode=disable", SslMode::Disable, None);
        check("postgres://u:p@h/d?sslmode=require&application_name=x", SslMode::Require, None);
        check(
            "postgres://u:p@h/d?sslmode=verify-full&sslrootcert=/a%20b.pem",
            SslMode::Require,
            Some("/a b.pem"),
        );
        check("postgres://u:p@h/d?sslrootcert=system", SslMode::Prefer, None);
        check("host=h user=u sslmode=require", SslMode::Require, None);
    }

    #[test]
    fn refuses_others_without_quoting_them() {
        for url in
            ["mysql://u:secret@h/d", "postgres://u:secret@h:port/d", "postgres://u:secret@h/d?color=red"]
        {
            let problem = settings(url).into_address().err().unwrap();
            assert!(problem.starts_with("`DATABASE_URL` is no address"), "{problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
        assert!(settings("").into_address().err().unwrap().contains("set the worker's `DATABASE_URL`"));
    }

    #[test]
    fn writes_only_where_it_says_true() {
        for (value, expect) in [(None, false), (Some("true"), true), (Some("yes"), false), (Some(""), false)]
        {
            let look_up = |variable: &str| {
                (variable == PostgresSettings::WRITES).then_some(value).flatten().map(str::to_owned)
            };
            assert_eq!(PostgresSettings::read(look_up).writes(), expect, "{value:?}");
        }
    }
}
