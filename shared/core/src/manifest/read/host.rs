//! Hosts: what an entry of `allow_hosts` covers, and which hosts are private by what is written.
//!
//! Names are judged when a job runs, by the addresses they lead to then; the worker's guard has the last word on
//! addresses, too. Here an author is told at once what it would say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// A DNS name in lower case.
    Name(String),
    Address(IpAddr),
}

/// A host, and the port that is written behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: Host,
    pub(super) port: Option<u16>,
}

/// What is wrong with an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthorityError {
    Host,
    Port,
}

/// An entry of `allow_hosts`: a host, or every host below a domain, on one port or on any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    authority: Authority,
    is_domain: bool,
}

impl Authority {
    pub(super) fn parse(text: &str) -> Result<Self, AuthorityError> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        let host = Host::parse(host).ok_or(AuthorityError::Host)?;
        let port = port.map(|port| parse_port(port).ok_or(AuthorityError::Port)).transpose()?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            Host::Name(name) => f.write_str(name)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return address.parse().ok().map(|address| Self::Address(IpAddr::V6(address)));
        }
        if ends_in_a_number(text) {
            return text.parse().ok().map(|address| Self::Address(IpAddr::V4(address)));
        }
        is_name(text).then(|| Self::Name(text.to_ascii_lowercase()))
    }

    /// What the host is, if that is not on the public internet and can be told without asking anybody.
    pub(super) fn private_range(&self) -> Option<&'static str> {
        match self {
            Self::Name(name) if name == "localhost" || name.ends_with(".localhost") => Some("this machine"),
            Self::Name(_) => None,
            Self::Address(IpAddr::V4(address)) => private_v4(*address),
            Self::Address(IpAddr::V6(address)) => private_v6(*address),
        }
    }
}

impl Allowed {
    pub(super) fn parse(entry: &str) -> Option<Self> {
        // A bare IPv6 address has colons that start no port.
        if let Ok(address) = entry.parse::<Ipv6Addr>() {
            let authority = Authority { host: Host::Address(IpAddr::V6(address)), port: None };
            return Some(Self { authority, is_domain: false });
        }
        let (is_domain, text) = match entry.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, entry),
        };
        let authority = Authority::parse(text).ok()?;
        let below_an_address = is_domain && matches!(authority.host, Host::Address(_));
        (!below_an_address).then_some(Self { authority, is_domain })
    }

    /// Whether a URL with this host, on this port, may be asked whatever its address.
    pub(super) fn covers(&self, host: &Host, port: u16) -> bool {
        let host_matches = match (&self.authority.host, host) {
            (Host::Name(domain), Host::Name(name)) if self.is_domain => {
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (listed, host) => listed == host,
        };
        host_matches && self.authority.port.is_none_or(|listed| listed == port)
    }
}

/// Whether readers of URLs take the host for an IPv4 address: `127.1` and `0x7f000001` mean `127.0.0.1` to them. Only
/// the form of four decimals is accepted here, so that what is checked is what is asked.
fn ends_in_a_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let digits = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match digits {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()),
    }
}

fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

fn parse_port(port: &str) -> Option<u16> {
    let is_plain = port.bytes().all(|b| b.is_ascii_digit());
    port.parse().ok().filter(|port| is_plain && *port > 0)
}

fn private_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("this network"),
        [127, ..] => Some("this machine"),
        [100, 64..=127, ..] => Some("a provider's internal network"),
        [169, 254, ..] => Some("the local link, where clouds have their metadata services"),
        _ => address.is_private().then_some("a private network"),
    }
}

fn private_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.to_ipv4_mapped() {
        Some(mapped) => private_v4(mapped),
        None if address.is_loopback() => Some("this machine"),
        None if address.is_unspecified() => Some("this network"),
        None if address.is_unique_local() => Some("a private network"),
        None if address.is_unicast_link_local() => {
            Some("the local link, where clouds have their metadata services")
        }
        None => None,
    }
}
