//! Where a redirect leads, and what may go there.

use reqwest::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, HeaderMap,
    HeaderName, LOCATION,
};
use reqwest::{Method, StatusCode};

use super::headers::IDEMPOTENCY_KEY;
use super::request::Request;

/// Redirects followed for one request. More are a loop, or a detour that the manifest's author should know of.
pub(super) const REDIRECTS_MAX: usize = 5;

/// Headers that another origin than the one asked may see. Any other may be a secret, whatever its name.
const HARMLESS_HEADERS: [HeaderName; 3] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE];

/// The request that a response asks for instead of `request`; `None` if it is no redirect. An error says why it cannot
/// be followed.
pub(super) fn next(
    request: &Request,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Request>, String> {
    let location = headers.get(LOCATION).filter(|_| matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308));
    let Some(location) = location else { return Ok(None) };
    let target =
        str::from_utf8(location.as_bytes()).ok().and_then(|location| request.url.join(location).ok());
    let Some(mut url) = target else { return Err("it redirects to what is no URL".to_owned()) };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("it redirects to a URL of the scheme `{}`", url.scheme()));
    }
    // Neither call can fail on such a URL. A server has no say in whom we pose as.
    if !url.username().is_empty() || url.password().is_some() {
        url.set_username("")
            .and_then(|()| url.set_password(None))
            .map_err(|()| "it redirects to a user's URL")?;
    }

    let mut next = request.clone();
    // The rules of <https://fetch.spec.whatwg.org/#http-redirect-fetch>.
    let becomes_get = match status {
        StatusCode::SEE_OTHER => request.method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => request.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
        next.body = None;
        for name in [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, IDEMPOTENCY_KEY] {
            next.headers.remove(name);
        }
    }
    if url.origin() != request.url.origin() {
        next.headers = next
            .headers
            .iter()
            .filter(|(name, _)| HARMLESS_HEADERS.contains(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
    }
    next.url = url;
    Ok(Some(next))
}

#[cfg(test)]
mod tests {
    use reqwest::Url;
    use reqwest::header::HeaderValue;

    use super::*;

    fn follow(method: Method, status: u16, location: &str) -> Result<Option<Request>, String> {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "cookie", "x-api-key", "accept", "content-type", "idempotency-key"] {
            headers.insert(name, HeaderValue::from_static("v"));
        }
        let url = Url::parse("https://a.com/x/y?z=1").unwrap();
        let request = Request { method, url, headers, body: Some("{}".to_owned()) };
        let mut answer = HeaderMap::new();
        answer.insert(LOCATION, HeaderValue::try_from(location).unwrap());
        next(&request, StatusCode::from_u16(status).unwrap(), &answer)
    }

    #[test]
    fn keeps_or_changes_the_method() {
        let check = |method: Method, status, expect: Method, keeps_body| {
            let request = follow(method, status, "/z").unwrap().unwrap();
            assert_eq!((request.method, request.body.is_some()), (expect, keeps_body), "{status}");
            assert_eq!(request.headers.contains_key(CONTENT_TYPE), keeps_body);
        };
        check(Method::POST, 301, Method::GET, false);
        check(Method::POST, 302, Method::GET, false);
        check(Method::PUT, 302, Method::PUT, true);
        check(Method::PUT, 303, Method::GET, false);
        check(Method::HEAD, 303, Method::HEAD, true);
        check(Method::POST, 307, Method::POST, true);
        check(Method::DELETE, 308, Method::DELETE, true);
    }

    #[test]
    fn secrets_stay_with_their_origin() {
        let check = |location, url: &str, keeps_secrets| {
            let request = follow(Method::POST, 307, location).unwrap().unwrap();
            assert_eq!(request.url.as_str(), url);
            for name in ["authorization", "cookie", "x-api-key", "idempotency-key"] {
                assert_eq!(request.headers.contains_key(name), keeps_secrets, "{name} at {url}");
            }
            assert!(request.headers.contains_key(ACCEPT));
        };
        check("z", "https://a.com/x/z", true);
        check("//a.com:443/", "https://a.com/", true);
        check("https://a.com:444/", "https://a.com:444/", false);
        check("http://a.com/", "http://a.com/", false);
        check("https://b.a.com/", "https://b.a.com/", false);
        check("https://u:p@a.com/", "https://a.com/", true);
    }

    #[test]
    fn leaves_other_answers_alone() {
        for status in [200, 201, 300, 304, 305, 404] {
            assert!(follow(Method::GET, status, "/z").unwrap().is_none(), "{status}");
        }
        for location in ["ftp://a.com/", "file:///etc/passwd", "javascript:1", "http://", "http://a b/"] {
            assert!(follow(Method::GET, 302, location).is_err(), "{location}");
        }
    }
}
