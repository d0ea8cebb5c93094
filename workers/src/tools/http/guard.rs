//! Which addresses a request may reach: those of the public internet.
//!
//! A name is judged by the addresses that the connection is then made to, not by a look-up of its own that could give
//! another answer a moment later: the judge sits in the client's resolver. Addresses that are written into a URL never
//! reach a resolver, and are judged before the request is sent. Both happen again at every redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A request would have reached an address that is not public.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` is {address}, {range}; the tool's `allow_hosts` would have to list it")]
pub(super) struct Refused {
    host: String,
    address: IpAddr,
    range: &'static str,
}

/// Judges the address in a URL, if its host is one.
pub(super) fn admit_literal(url: &Url) -> Result<(), Refused> {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    match literal.parse() {
        Ok(address) => admit(host, address),
        Err(_) => Ok(()),
    }
}

/// A resolver that gives public addresses only.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Addrs = Box::new(keep_public(name.as_str(), found)?.into_iter());
            Ok(public)
        })
    }
}

/// The public ones of a host's addresses; an error when it has others only.
fn keep_public(host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
    let mut refused = None;
    let mut public = Vec::with_capacity(addresses.len());
    for address in addresses {
        match admit(host, address.ip()) {
            Ok(()) => public.push(address),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(refused) if public.is_empty() => Err(refused),
        _ => Ok(public),
    }
}

fn admit(host: &str, address: IpAddr) -> Result<(), Refused> {
    let range = match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    };
    match range {
        Some(range) => Err(Refused { host: host.to_owned(), address, range }),
        None => Ok(()),
    }
}

/// The ranges that are not of the public internet (IANA's IPv4 Special-Purpose Address Registry), with their lengths.
const SPECIAL_V4: [(Ipv4Addr, u32, &str); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private network"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a provider's internal network"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "this machine"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "the metadata service of Azure"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "the local link, where clouds have their metadata services"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private network"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "reserved for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "reserved for relays"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private network"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "reserved for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "reserved for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "reserved for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast group"),
    (Ipv4Addr::BROADCAST, 32, "the broadcast address"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    SPECIAL_V4
        .iter()
        .find(|(network, length, _)| address.to_bits() >> (32 - length) == network.to_bits() >> (32 - length))
        .map(|(_, _, range)| *range)
}

/// Judged by what is known to be public: only 2000::/3 is handed out, and the rest holds loopback, link-local, unique
/// local (`fc00::/7`), site-local and multicast addresses, and whatever comes to be.
fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("this network"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("this machine"),
        // An IPv4 address in an IPv6 one leads where the IPv4 address does: IPv4-compatible, mapped, translated, NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            special_v4(embedded(high, low))
        }
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => special_v4(embedded(high, low)),
        // 6to4.
        [0x2002, high, low, ..] => special_v4(embedded(high, low)),
        [0xfc00..=0xfdff, ..] => Some("a private network"),
        [0xfe80..=0xfebf, ..] => Some("the local link, where clouds have their metadata services"),
        [0xff00..=0xffff, ..] => Some("a multicast group"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("reserved for documentation"),
        // Teredo tunnels, benchmarks, identifiers that are no locations.
        [0x2001, 0..=0x01ff, ..] => Some("reserved for protocols"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("no public address"),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_public_addresses_only() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.1.2.3",
            "::ffff:0:10.1.2.3",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:0:1:2::",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:1::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fd00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "1::1",
            "4000::1",
        ];
        for address in refused {
            assert!(admit("host", address.parse().unwrap()).is_err(), "{address}");
        }
        let admitted = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2002:808:808::1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "3fff:1000::1",
        ];
        for address in admitted {
            assert_eq!(admit("host", address.parse().unwrap()), Ok(()), "{address}");
        }
    }

    #[test]
    fn judges_addresses_in_urls_however_they_are_written() {
        let refused = [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://0/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://[fd00:ec2::254]:80/",
            "http://127.0.0.1./",
            "http://１２７.0.0.1/",
        ];
        for url in refused {
            assert!(admit_literal(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        for url in
            ["http://8.8.8.8/", "http://[2606:4700::1]/", "http://example.com/", "http://10.example.com/"]
        {
            assert_eq!(admit_literal(&Url::parse(url).unwrap()), Ok(()), "{url}");
        }
    }

    #[test]
    fn a_name_keeps_its_public_addresses() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
        };
        let check = |found: &[&str], expect: Result<&[&str], &str>| {
            let kept = keep_public("host", addresses(found)).map_err(|error| error.to_string());
            assert_eq!(kept, expect.map(addresses).map_err(str::to_owned));
        };
        check(&[], Ok(&[]));
        check(&["8.8.8.8", "2606:4700::1"], Ok(&["8.8.8.8", "2606:4700::1"]));
        check(&["10.0.0.1", "8.8.8.8", "::1"], Ok(&["8.8.8.8"]));
        check(
            &["127.0.0.1"],
            Err("`host` is 127.0.0.1, this machine; the tool's `allow_hosts` would have to list it"),
        );
    }
}
