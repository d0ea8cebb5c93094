//! On whose behalf a request is made, where the door in front of this one has found out.

use gantz_core::ids::Tenant;

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who may act for every tenant: the user of this machine, or whoever has the account's credentials.
    #[default]
    Trusted,
    /// Somebody with a token, who acts for this tenant alone. What is another's is not there.
    Of(Tenant),
}

impl Caller {
    /// Whether the caller may know of what is this tenant's.
    pub(crate) fn may_see(&self, tenant: &Tenant) -> bool {
        match self {
            Self::Trusted => true,
            Self::Of(own) => own == tenant,
        }
    }

    /// The tenant that a submission is for: the caller's own one, unless the caller may choose.
    ///
    /// # Errors
    /// With the caller's own one, when another was asked for.
    pub(crate) fn tenant_of(&self, asked: Option<String>) -> Result<Option<String>, Tenant> {
        match (self, asked) {
            (Self::Trusted, asked) => Ok(asked),
            (Self::Of(own), None) => Ok(Some(own.to_string())),
            (Self::Of(own), Some(asked)) if asked == own.as_str() => Ok(Some(asked)),
            (Self::Of(own), Some(_)) => Err(own.clone()),
        }
    }
}
