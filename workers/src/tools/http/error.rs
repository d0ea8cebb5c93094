//! What can be wrong with a request as the manifest describes it.

use gantz_core::manifest::secret::SecretError;
use gantz_core::manifest::template::TemplateError;

/// A manifest's `http` section cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpSpecError {
    /// A text is no template.
    #[error("{place} is no template")]
    Template {
        /// Where the text stands, for people.
        place: String,
        /// What is wrong with it.
        source: TemplateError,
    },
    /// The URL cannot be used, whatever the parameters.
    #[error("`url` cannot be used: {why}")]
    Url {
        /// What is wrong with it.
        why: String,
    },
    /// A place names what is no secret.
    #[error("{place}")]
    Secret {
        /// Where.
        place: String,
        /// What is wrong with it.
        source: SecretError,
    },
    /// The method is none.
    #[error("`{method}` is no HTTP method")]
    Method {
        /// What the manifest says.
        method: String,
    },
    /// A header's name is none, or one that follows from the request.
    #[error("the header `{name}` {why}")]
    Header {
        /// What the manifest says.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An entry of `allow_hosts` is no host.
    #[error("`{entry}` of `allow_hosts` is none of `host`, `*.domain`, `host:port`, `*.domain:port`")]
    AllowedHost {
        /// What the manifest says.
        entry: String,
    },
    /// `response` is no JSON pointer.
    #[error("`response` is no JSON pointer (RFC 6901): `{pointer}`")]
    Pointer {
        /// What the manifest says.
        pointer: String,
    },
}
