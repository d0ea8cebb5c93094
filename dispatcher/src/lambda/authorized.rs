//! Who makes a request, as the gateway has found out from its token.

use gantz_core::ids::{JobId, Tenant};
use serde_json::Value;

use crate::caller::Caller;

/// What the names of such tenants begin with that a hash makes, and no others.
const HASHED: &str = "claim-";

/// What is known of the tokens that a gateway has checked before a request comes here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Who issues them: an HTTPS URL that clients are told to get them from.
    pub issuer: Option<String>,
    /// The claim that names the one tenant whom the bearer acts for. `None` does not tell bearers apart.
    pub tenant_claim: Option<String>,
}

/// The caller of a request. Without a token it has shown the account's credentials, or came through a door that asks for
/// nothing.
///
/// # Errors
/// With the claim's name, when the token lacks it.
pub(super) fn authorized<'c>(event: &Value, tenant_claim: Option<&'c str>) -> Result<Caller, &'c str> {
    let Some(claim) = tenant_claim else { return Ok(Caller::Trusted) };
    let authorizer = &event["requestContext"]["authorizer"];
    // Payload format 2.0 has the claims of a JWT below `jwt`, format 1.0 has them bare.
    let claims = authorizer["jwt"].get("claims").or_else(|| authorizer.get("claims"));
    let Some(claims) = claims.filter(|claims| !claims.is_null()) else { return Ok(Caller::Trusted) };
    let value = claims[claim].as_str().filter(|value| !value.is_empty()).ok_or(claim)?;
    tenant(value).map(Caller::Of).ok_or(claim)
}

/// The tenant that a claim names: itself where it can, else one that its hash makes, which no other claim has.
fn tenant(claim: &str) -> Option<Tenant> {
    let as_it_is = Tenant::try_new(claim).ok().filter(|_| !claim.starts_with(HASHED));
    as_it_is.or_else(|| {
        let hashed = JobId::from_key(&Tenant::default_tenant(), "tenant-claim", claim);
        Tenant::try_new(format!("{HASHED}{hashed}")).ok()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_names_its_tenant() {
        let of = |authorizer: Value| {
            authorized(&json!({"requestContext": {"authorizer": authorizer}}), Some("sub"))
        };
        let acme = Ok(Caller::Of(Tenant::try_new("acme").unwrap()));
        assert_eq!(of(json!({"jwt": {"claims": {"sub": "acme"}, "scopes": null}})), acme);
        assert_eq!(of(json!({"claims": {"sub": "acme"}})), acme);
        for trusted in [json!(null), json!({}), json!({"iam": {"userId": "AIDA"}}), json!({"jwt": {}})] {
            assert_eq!(of(trusted), Ok(Caller::Trusted));
        }
        for nobody in [json!({}), json!({"sub": ""}), json!({"sub": 7}), json!([])] {
            assert_eq!(of(json!({"jwt": {"claims": nobody}})), Err("sub"));
        }
        let Ok(Caller::Of(hashed)) = of(json!({"claims": {"sub": "auth0|5f7c"}})) else { panic!("a tenant") };
        assert!(hashed.as_str().starts_with(HASHED) && hashed.as_str().len() == 32, "{hashed}");
        let posing = of(json!({"claims": {"sub": hashed}}));
        assert!(posing.is_ok() && posing != Ok(Caller::Of(hashed)), "{posing:?}");
        assert_eq!(
            authorized(&json!({"requestContext": {"authorizer": {"claims": {}}}}), None),
            Ok(Caller::Trusted)
        );
    }
}
