//! Hosts that a tool may ask although they are in a private network.

use reqwest::Url;

use super::error::HttpSpecError;

/// The manifest's `allow_hosts`.
#[derive(Debug, Clone, Default)]
pub(super) struct AllowList(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    /// In lower case, without a last dot; an IPv6 address in brackets. `.example.com` stands for what is below it.
    host: String,
    is_domain: bool,
    port: Option<u16>,
}

impl AllowList {
    pub(super) fn parse(entries: &[String]) -> Result<Self, HttpSpecError> {
        let entries = entries.iter().map(|entry| {
            parse_entry(entry).ok_or_else(|| HttpSpecError::AllowedHost { entry: entry.clone() })
        });
        Ok(Self(entries.collect::<Result<_, _>>()?))
    }

    /// Whether the URL's host is listed, with no port or with the URL's.
    pub(super) fn covers(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host = host.strip_suffix('.').unwrap_or(host);
        self.0.iter().any(|entry| {
            let host_matches = if entry.is_domain {
                host.len() > entry.host.len() && host.ends_with(&entry.host)
            } else {
                host == entry.host
            };
            host_matches && entry.port.is_none_or(|port| url.port_or_known_default() == Some(port))
        })
    }
}

fn parse_entry(entry: &str) -> Option<Entry> {
    let (is_domain, host_and_port) = match entry.strip_prefix("*.") {
        Some(domain) => (true, domain),
        None => (false, entry),
    };
    // A bare IPv6 address has colons that start no port.
    let bracketed =
        if entry.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{entry}]") } else { String::new() };
    let host_and_port = if bracketed.is_empty() { host_and_port } else { &bracketed };
    // The URL reader brings hosts into the one form that URLs are compared in.
    let url = Url::parse(&format!("http://{host_and_port}/")).ok()?;
    let host = url.host_str()?;
    let is_just_that = !host_and_port.contains(['/', '\\', '?', '#', '@', '%', '*'])
        && !host_and_port.chars().any(|c| c.is_whitespace() || c.is_control());
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    if !is_just_that || is_domain && is_address {
        return None;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    Some(Entry {
        host: if is_domain { format!(".{host}") } else { host.to_owned() },
        is_domain,
        port: explicit_port(host_and_port)?,
    })
}

/// The port after a host; `Some(None)` if there is none. (A parsed URL no longer tells `host` from `host:80`.)
fn explicit_port(host_and_port: &str) -> Option<Option<u16>> {
    match host_and_port.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().ok().map(Some),
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &str, url: &str, expect: bool) {
        let list = AllowList::parse(&[entry.to_owned()]).unwrap();
        assert_eq!(list.covers(&Url::parse(url).unwrap()), expect, "{entry} and {url}");
    }

    #[test]
    fn covers_hosts() {
        check("example.com", "https://example.com/x", true);
        check("Example.COM", "http://EXAMPLE.com:8080", true);
        check("example.com", "http://example.com./", true);
        check("example.com", "http://www.example.com/", false);
        check("example.com", "http://example.com.evil.net/", false);
        check("*.example.com", "http://a.b.example.com/", true);
        check("*.example.com", "http://example.com/", false);
        check("*.example.com", "http://badexample.com/", false);
        check("example.com:8080", "http://example.com:8080/", true);
        check("example.com:8080", "http://example.com/", false);
        check("example.com:80", "http://example.com/", true);
        check("example.com:443", "https://example.com/", true);
        check("example.com:80", "https://example.com/", false);
        check("*.example.com:8443", "https://a.example.com:8443/", true);
        check("127.0.0.1", "http://127.1:9/", true);
        check("127.0.0.1", "http://localhost/", false);
        check("::1", "http://[::1]:8080/", true);
        check("[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/", true);
        check("[::1]:8080", "http://[::1]/", false);
    }

    #[test]
    fn refuses_what_is_no_host() {
        for entry in [
            "",
            "*",
            "*.",
            "a b",
            "http://a.com",
            "a.com/x",
            "u@a.com",
            "a.com:x",
            "*.127.0.0.1",
            "a.*.com",
            "a%2e",
        ] {
            let expect = HttpSpecError::AllowedHost { entry: entry.to_owned() };
            assert_eq!(AllowList::parse(&[entry.to_owned()]).unwrap_err(), expect);
        }
    }
}
