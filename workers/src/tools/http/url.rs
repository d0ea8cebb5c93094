//! URLs with holes. Whatever the parameters hold, scheme, path segments and query keep their shape.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde_json::{Map, Value};

use super::super::template::{Piece, Template, parameter_text};
use super::error::HttpSpecError;

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A template of a URL.
#[derive(Debug, Clone)]
pub(super) struct UrlTemplate {
    template: Template,
    host_is_chosen: bool,
}

/// Where in a URL a piece stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Authority,
    Path,
    /// The query or the fragment.
    Rest,
}

impl UrlTemplate {
    pub(super) fn parse(text: &str) -> Result<Self, HttpSpecError> {
        let refuse = |why: &str| HttpSpecError::Url { why: why.to_owned() };
        let template = Template::parse(text)
            .map_err(|source| HttpSpecError::Template { place: "`url`".to_owned(), source })?;
        let after_scheme = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let Some(after_scheme) = after_scheme else {
            return Err(refuse("it does not start with `https://` or `http://`"));
        };
        // Readers of URLs skip slashes here, and would take the path's first segment for the host.
        if after_scheme.starts_with(['/', '?', '#']) {
            return Err(refuse("it has no host"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(refuse("it holds white space or a backslash"));
        }
        let mut host_is_chosen = false;
        each_piece(&template, |place, piece| host_is_chosen |= is_hole(piece) && place == Place::Authority);
        let url = Self { template, host_is_chosen };

        // What holds with any harmless value holds with every value that `fill` accepts.
        let sample = url.template.names().map(|name| (name.to_owned(), Value::from(8))).collect();
        let sample = url.fill(&sample).map_err(|why| HttpSpecError::Url { why })?;
        if !sample.username().is_empty() || sample.password().is_some() {
            return Err(refuse("it holds a user name or a password, which belong in a header"));
        }
        Ok(url)
    }

    /// Whether a parameter has a say in which host is asked.
    pub(super) fn host_is_chosen(&self) -> bool {
        self.host_is_chosen
    }

    /// The parameters it names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.template.names()
    }

    /// The URL, with every parameter in its place.
    pub(super) fn fill(&self, parameters: &Map<String, Value>) -> Result<Url, String> {
        let mut text = String::new();
        let mut path = String::new();
        let mut problem = None;
        each_piece(&self.template, |place, piece| {
            let filled = match piece {
                PieceRef::Literal(literal) => literal.to_owned(),
                PieceRef::Hole(name) => encode(name, place, parameters).unwrap_or_else(|why| {
                    problem.get_or_insert(why);
                    String::new()
                }),
            };
            text.push_str(&filled);
            if place == Place::Path {
                path.push_str(&filled);
            }
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        // `..` needs no reserved character, and to encode its dots is no help: readers of URLs resolve `%2e%2e`, too.
        if path.split('/').any(is_dot_segment) {
            return Err(format!("the URL's path `{path}` has a segment that is `.` or `..`"));
        }
        Url::parse(&text).map_err(|error| format!("the URL is none: {error}"))
    }
}

#[derive(Clone, Copy)]
enum PieceRef<'t> {
    Literal(&'t str),
    Hole(&'t str),
}

fn is_hole(piece: PieceRef<'_>) -> bool {
    matches!(piece, PieceRef::Hole(_))
}

/// Calls `visit` with every piece and its place. Literals are cut where one place ends and the next begins; the scheme
/// counts to the authority.
fn each_piece<'t>(template: &'t Template, mut visit: impl FnMut(Place, PieceRef<'t>)) {
    let mut place = Place::Authority;
    for piece in template.pieces() {
        let mut rest = match piece {
            Piece::Parameter(name) => {
                visit(place, PieceRef::Hole(name));
                continue;
            }
            Piece::Literal(literal) => literal.as_str(),
        };
        if place == Place::Authority {
            let scheme = rest.find("://").map_or(0, |at| at + "://".len());
            let end = rest[scheme..].find(['/', '?', '#']).map_or(rest.len(), |at| scheme + at);
            visit(place, PieceRef::Literal(&rest[..end]));
            rest = &rest[end..];
            if !rest.is_empty() {
                place = Place::Path;
            }
        }
        if place == Place::Path {
            let end = rest.find(['?', '#']).unwrap_or(rest.len());
            visit(place, PieceRef::Literal(&rest[..end]));
            rest = &rest[end..];
            if !rest.is_empty() {
                place = Place::Rest;
            }
        }
        visit(place, PieceRef::Literal(rest));
    }
}

fn encode(name: &str, place: Place, parameters: &Map<String, Value>) -> Result<String, String> {
    let text = parameter_text(name, parameters).map_err(|missing| missing.to_string())?;
    match place {
        Place::Authority if !is_host_part(&text) => {
            Err(format!("`{name}` stands in the URL's host, where only letters, digits, `-` and `.` can"))
        }
        // `DELETE /things/{id}` with an empty id would mean all of them.
        Place::Path if text.is_empty() => Err(format!("`{name}` is empty, and stands in the URL's path")),
        _ => Ok(utf8_percent_encode(&text, RESERVED).to_string()),
    }
}

fn is_host_part(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

fn is_dot_segment(segment: &str) -> bool {
    let dots = segment.to_ascii_lowercase().replace("%2e", ".");
    dots == "." || dots == ".."
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fill(template: &str, parameters: &Value) -> Result<String, String> {
        UrlTemplate::parse(template).unwrap().fill(parameters.as_object().unwrap()).map(String::from)
    }

    #[test]
    fn fills_in_parameters() {
        let check = |template, parameters: Value, expect: Result<&str, &str>| match (
            fill(template, &parameters),
            expect,
        ) {
            (Ok(url), Ok(expected)) => assert_eq!(url, expected),
            (Err(why), Err(part)) => assert!(why.contains(part), "{template}: {why}"),
            (filled, _) => panic!("{template} with {parameters}: {filled:?}"),
        };
        let url = "https://a.com/u/{id}?q={q}";
        check(url, json!({"id": 7, "q": "x y&z=1"}), Ok("https://a.com/u/7?q=x%20y%26z%3D1"));
        check(url, json!({"id": "a/b?c#d@e:f", "q": ""}), Ok("https://a.com/u/a%2Fb%3Fc%23d%40e%3Af?q="));
        check(url, json!({"id": "../x", "q": "%2F"}), Ok("https://a.com/u/..%2Fx?q=%252F"));
        check(url, json!({"id": "ä\r\n", "q": "+"}), Ok("https://a.com/u/%C3%A4%0D%0A?q=%2B"));
        check(url, json!({"id": "..", "q": ""}), Err("`.` or `..`"));
        check(url, json!({"id": ".", "q": ""}), Err("`.` or `..`"));
        check("https://a.com/.{a}/", json!({"a": "."}), Err("`.` or `..`"));
        check(url, json!({"id": "", "q": ""}), Err("`id` is empty"));
        check(url, json!({"q": ""}), Err("`id` is absent"));
        check(url, json!({"id": 1, "q": null}), Err("`q` is absent"));
        check("https://{r}.a.com:{p}/", json!({"r": "eu-1", "p": 8443}), Ok("https://eu-1.a.com:8443/"));
        for host in ["", "a/b", "a@b", "a:1", "a%2f", "a#", "a?", "ä", "a b", "[::1]"] {
            check("https://{r}.a.com/", json!({"r": host}), Err("`r` stands in the URL's host"));
        }
        check("https://a.com/{{x}}", json!({}), Ok("https://a.com/%7Bx%7D"));
        check("https://a.com?q={q}#{q}", json!({"q": "?#"}), Ok("https://a.com/?q=%3F%23#%3F%23"));
    }

    #[test]
    fn refuses_templates_that_are_no_urls() {
        for template in [
            "",
            "/x",
            "ftp://a.com",
            "{url}",
            "{scheme}://a.com",
            "https://",
            "https://u:p@a.com/",
            "https://a.com/../b",
            "https://a.com/%2E%2e/b",
            "https://a.com\\b",
            "https://a.com/a b",
            "https://a.com:x/",
            "HTTPS//a",
            "https:///a",
            "https:///{a}",
            "https://?a",
        ] {
            let parsed = UrlTemplate::parse(template);
            assert!(matches!(parsed, Err(HttpSpecError::Url { .. })), "{template}: {parsed:?}");
        }
    }

    proptest! {
        #[test]
        fn decoding_gives_the_parameters_back(id in "\\PC+|[\\x00-\\x7f]{1,8}", q in any::<String>()) {
            let filled = fill("https://a.com/u/{id}/x?q={q}&r=1", &json!({"id": id, "q": q}));
            if matches!(id.as_str(), "." | "..") {
                prop_assert!(filled.is_err());
                return Ok(());
            }
            let url = Url::parse(&filled.unwrap()).unwrap();
            prop_assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some("a.com"), None));
            prop_assert_eq!(url.fragment(), None);
            prop_assert_eq!((url.username(), url.password()), ("", None));
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!((segments.len(), segments[0], segments[2]), (3, "u", "x"));
            prop_assert_eq!(percent_decode_str(segments[1]).decode_utf8().unwrap(), id.as_str());
            let query: Vec<_> = url.query().unwrap().split('&').collect();
            prop_assert_eq!((query.len(), query[1]), (2, "r=1"));
            prop_assert_eq!(percent_decode_str(&query[0][2..]).decode_utf8().unwrap(), q.as_str());
            prop_assert!(url.as_str().bytes().all(|b| b.is_ascii_graphic()));
        }

        #[test]
        fn a_chosen_host_stays_below_its_domain(region in "\\PC{0,12}|[a-z0-9.-]{0,12}") {
            if let Ok(filled) = fill("https://{r}.a.com:8443/x", &json!({"r": region})) {
                let url = Url::parse(&filled).unwrap();
                prop_assert!(url.host_str().unwrap().ends_with(".a.com"));
                prop_assert_eq!((url.port(), url.path(), url.username()), (Some(8443), "/x", ""));
            }
        }
    }
}
