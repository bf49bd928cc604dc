//! A host and a port: as people type them, as a URL, and from where they can be reached.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// An address that cannot be used, with the reason and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no usable address: {reason}")]
pub struct AddressError {
    text: String,
    reason: String,
}

/// A host, by name or number, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address, without brackets.
    host: String,
    port: u16,
}

/// From where a host's address leads to that host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From other hosts too, as far as the address shows.
    Anywhere,
    /// From the host itself alone.
    Loopback,
    /// From nowhere: it stands for every address of whoever listens (`0.0.0.0`, `::`), or for a group of hosts.
    Nowhere,
    /// From one cable, and only together with the name of a network interface.
    LinkLocal,
}

impl Endpoint {
    /// The port at an address.
    #[must_use]
    pub fn of(address: IpAddr, port: u16) -> Self {
        let host = address.to_canonical().to_string();
        Self { host, port }
    }

    /// Reads `HOST:PORT` or `http://HOST:PORT`.
    ///
    /// # Errors
    /// Another scheme, a missing port, an IPv6 address without brackets or with a zone, or text that is no host.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (host, port) = split(text)?;
        let port = port.ok_or_else(|| refuse(text, "it has no port; write HOST:PORT"))?;
        Ok(Self { host, port })
    }

    /// Reads what [`Self::parse`] reads, and a host without a port, which then gets `port`.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_or(text: &str, port: u16) -> Result<Self, AddressError> {
        let (host, found) = split(text)?;
        let port = found.unwrap_or(port);
        Ok(Self { host, port })
    }

    /// The same host with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        let host = self.host.clone();
        Self { host, port }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The host, a name or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address as the URL of a coordinator.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{self}")
    }

    /// From where the host can be reached; a name counts as reachable, unless it stands for loopback.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self.host.parse::<IpAddr>() {
            Ok(address) => reach_of(address.to_canonical()),
            Err(_) if is_loopback_name(&self.host) => Reach::Loopback,
            Err(_) => Reach::Anywhere,
        }
    }

    /// Checks that another process can connect to it at all.
    ///
    /// # Errors
    /// Port 0, `0.0.0.0`, `::`, a group of hosts, or a link-local IPv6 address.
    pub fn check_connectable(&self) -> Result<(), AddressError> {
        let reason = match self.reach() {
            Reach::Nowhere => {
                "nobody can connect to it: it stands for no single host; name the host's own address"
            }
            Reach::LinkLocal => {
                "a link-local address means something on one cable only; use a global or unique local one"
            }
            _ if self.port == 0 => "port 0 cannot be connected to; name the port",
            Reach::Anywhere | Reach::Loopback => return Ok(()),
        };
        Err(refuse(&self.to_string(), reason))
    }
}

/// `HOST:PORT`, an IPv6 address in brackets.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn reach_of(address: IpAddr) -> Reach {
    let is_link_local = matches!(address, IpAddr::V6(six) if six.is_unicast_link_local());
    if address.is_loopback() {
        Reach::Loopback
    } else if address.is_unspecified() || address.is_multicast() || is_broadcast(address) {
        Reach::Nowhere
    } else if is_link_local {
        Reach::LinkLocal
    } else {
        Reach::Anywhere
    }
}

fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(four) if four.is_broadcast())
}

fn is_loopback_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The host and, if there is one, the port.
fn split(text: &str) -> Result<(String, Option<u16>), AddressError> {
    let rest = match text.trim().split_once("://") {
        None => text.trim(),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some((scheme, _)) => {
            let reason =
                format!("{scheme}:// is not supported; write HOST:PORT or http://HOST:PORT");
            return Err(refuse(text, reason));
        }
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => split_brackets(text, rest)?,
        // Two colons at least: an IPv6 address, which has no room for a port without brackets.
        None if rest.matches(':').count() > 1 => (six(text, rest)?, None),
        None => match rest.split_once(':') {
            Some((host, port)) => (name(text, host)?, Some(port)),
            None => (name(text, rest)?, None),
        },
    };
    let number = |port: &str| {
        let port = port.parse::<u16>();
        port.map_err(|_| refuse(text, "its port is no number from 0 to 65535"))
    };
    Ok((host, port.map(number).transpose()?))
}

fn split_brackets<'a>(
    text: &str,
    rest: &'a str,
) -> Result<(String, Option<&'a str>), AddressError> {
    let unclosed = || refuse(text, "write an IPv6 address as [fd00::1]:5600");
    let (host, rest) = rest.split_once(']').ok_or_else(unclosed)?;
    let host = six(text, host)?;
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(unclosed()),
    }
}

fn six(text: &str, host: &str) -> Result<String, AddressError> {
    if host.contains('%') {
        let reason = "an address with a zone (%) means something on this host only; use a global or unique local one";
        return Err(refuse(text, reason));
    }
    let address = host.parse::<Ipv6Addr>();
    let address = address.map_err(|_| {
        refuse(
            text,
            "it is neither HOST:PORT nor an IPv6 address, as in [fd00::1]:5600",
        )
    })?;
    Ok(address.to_string())
}

fn name(text: &str, host: &str) -> Result<String, AddressError> {
    if host.is_empty() {
        return Err(refuse(text, "it names no host; write HOST:PORT"));
    }
    let is_plain = |letter: char| letter.is_alphanumeric() || ".-_".contains(letter);
    if !host.chars().all(is_plain) {
        return Err(refuse(
            text,
            "write HOST:PORT, without path, user or blanks",
        ));
    }
    Ok(host.to_owned())
}

fn refuse(text: &str, reason: impl Into<String>) -> AddressError {
    AddressError {
        text: without_user(text),
        reason: reason.into(),
    }
}

/// An address as it may be shown: what stands before an `@` may be a password.
fn without_user(text: &str) -> String {
    let Some((user, host)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    let scheme = user
        .split_once("//")
        .map(|(scheme, _)| format!("{scheme}//"));
    format!("{}...@{host}", scheme.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    #[test]
    fn a_scheme_a_slash_and_blanks_around_are_optional() {
        for text in [
            "10.0.0.1:5600",
            "http://10.0.0.1:5600",
            "HTTP://10.0.0.1:5600/",
            " 10.0.0.1:5600\n",
        ] {
            assert_eq!(read(text).to_string(), "10.0.0.1:5600", "{text:?}");
        }
        assert_eq!(
            read("node-7.cluster_a:1").url(),
            "http://node-7.cluster_a:1"
        );
    }

    #[test]
    fn an_ipv6_address_has_brackets_and_is_written_shortest() {
        assert_eq!(
            read("http://[fd77:0:0::1]:22061").url(),
            "http://[fd77::1]:22061"
        );
        assert_eq!(
            Endpoint::parse_or("fd77::1", 7).unwrap().to_string(),
            "[fd77::1]:7"
        );
        assert_eq!(
            Endpoint::parse_or("[fd77::1]", 7).unwrap().to_string(),
            "[fd77::1]:7"
        );
        let mapped = Endpoint::of("::ffff:10.0.0.1".parse().unwrap(), 5);
        assert_eq!(mapped.to_string(), "10.0.0.1:5");
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for (text, said) in [
            ("", "names no host"),
            (":5600", "names no host"),
            ("node", "has no port"),
            ("fd77::1", "has no port"),
            ("https://node:1", "https:// is not supported"),
            ("grpc://node:1", "grpc:// is not supported"),
            ("node:port", "no number from 0 to 65535"),
            ("node:70000", "no number from 0 to 65535"),
            ("node:", "no number from 0 to 65535"),
            ("no de:1", "without path, user or blanks"),
            ("node:1/path", "no number"),
            ("user@node:1", "without path, user or blanks"),
            ("[fd77::1:5600", "as [fd00::1]:5600"),
            ("[fd77::1]5600", "as [fd00::1]:5600"),
            ("[node]:5600", "neither HOST:PORT nor an IPv6 address"),
            ("[fe80::1%eth0]:5600", "with a zone"),
        ] {
            let line = Endpoint::parse(text).unwrap_err().to_string();
            assert!(
                line.contains(said) && !line.contains('\n'),
                "{text:?}: {line}"
            );
        }
    }

    #[test]
    fn addresses_are_told_apart_by_where_they_lead() {
        for (text, reach) in [
            ("10.0.0.1:1", Reach::Anywhere),
            ("169.254.1.2:1", Reach::Anywhere),
            ("[fd77::1]:1", Reach::Anywhere),
            ("node:1", Reach::Anywhere),
            ("127.0.1.1:1", Reach::Loopback),
            ("[::1]:1", Reach::Loopback),
            ("[::ffff:127.0.0.1]:1", Reach::Loopback),
            ("LocalHost:1", Reach::Loopback),
            ("db.localhost.:1", Reach::Loopback),
            ("0.0.0.0:1", Reach::Nowhere),
            ("[::]:1", Reach::Nowhere),
            ("[::ffff:0.0.0.0]:1", Reach::Nowhere),
            ("224.0.0.1:1", Reach::Nowhere),
            ("255.255.255.255:1", Reach::Nowhere),
            ("[ff02::1]:1", Reach::Nowhere),
            ("[fe80::1]:1", Reach::LinkLocal),
        ] {
            assert_eq!(read(text).reach(), reach, "{text}");
        }
    }

    #[test]
    fn only_what_can_be_connected_to_is_told_to_others() {
        for text in ["10.0.0.1:1", "127.0.0.1:1", "[fd77::1]:1", "node:1"] {
            assert_eq!(read(text).check_connectable(), Ok(()), "{text}");
        }
        for text in [
            "0.0.0.0:1",
            "[::]:1",
            "[fe80::1]:1",
            "node:0",
            "[ff02::1]:1",
        ] {
            assert!(read(text).check_connectable().is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for (text, shown) in [
            ("http://me:secret@host:9", "http://...@host:9"),
            ("secret@host", "...@host"),
            ("me:secret@x@host:9", "...@host:9"),
        ] {
            let line = Endpoint::parse(text).unwrap_err().to_string();
            assert!(line.contains(shown) && !line.contains("secret"), "{line}");
        }
    }
}
