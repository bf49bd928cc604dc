//! Which proxy a request goes through, if any, as curl and Go decide it from the environment.
//! Owns the exceptions: this machine and the services that hand out credentials are never reached through a proxy.

use std::net::IpAddr;

use hyper_util::client::proxy::matcher::Matcher;
use url::{Host, Url};

use crate::address::without_secrets;
use crate::environment::Environment;

/// A proxy and the variable that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    variable: &'static str,
    url: Url,
}

/// The proxies of an environment, by the scheme of a request, and where they are passed by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    http: Option<Result<Proxy, String>>,
    https: Option<Result<Proxy, String>>,
    /// Hosts, domains and networks, separated by commas.
    passed_by: String,
}

impl Proxies {
    pub(crate) fn read(environment: &Environment) -> Self {
        let first = |names: &[&'static str]| {
            let (variable, value) = environment.first(names)?;
            Some(parse(variable, value))
        };
        let passed_by = environment.first(&["no_proxy", "NO_PROXY"]);
        Self {
            http: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            passed_by: passed_by.map_or_else(String::new, |(_, value)| value.to_owned()),
        }
    }

    /// The proxy that a request to `url` goes through.
    ///
    /// # Errors
    /// The variable and its value, if that names no proxy.
    pub(crate) fn towards(&self, url: &Url) -> Result<Option<&Proxy>, String> {
        let proxy = match url.scheme() {
            "http" => &self.http,
            _ => &self.https,
        };
        match proxy {
            Some(proxy) if !self.passes_by(url) => proxy.as_ref().map(Some).map_err(Clone::clone),
            _ => Ok(None),
        }
    }

    fn passes_by(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        if is_near(&host) {
            return true;
        }
        let list = listed(&self.passed_by, url.port_or_known_default());
        let is_all = list.contains(&"*");
        // Any proxy will do: only whether it is passed by is asked.
        let matcher = Matcher::builder()
            .all("http://proxy")
            .no(list.join(","))
            .build();
        let uri = format!("http://{host}/").parse();
        is_all || uri.is_ok_and(|uri| matcher.intercept(&uri).is_none())
    }
}

impl Proxy {
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// As it is named in a message, without its password.
    pub(crate) fn shown(&self) -> String {
        let url = without_secrets(self.url.as_str());
        format!("{} of {}", url.trim_end_matches('/'), self.variable)
    }
}

/// The entries that count for a port; some name one.
fn listed(list: &str, port: Option<u16>) -> Vec<&str> {
    let of_port = |entry| match str::rsplit_once(entry, ':') {
        // An address of IPv6 has colons, too, and no port unless it stands in brackets.
        Some((host, digits)) if !host.contains(':') || host.ends_with(']') => {
            let is_ours = digits.parse().is_ok_and(|digits: u16| Some(digits) == port);
            is_ours.then_some(host)
        }
        _ => Some(entry),
    };
    let entries = list.split(',').map(str::trim).filter_map(of_port);
    let without_star = |entry: &'_ str| -> usize { usize::from(entry.starts_with("*.")) };
    entries.map(|entry| &entry[without_star(entry)..]).collect()
}

/// This machine, and the addresses at which clouds hand out credentials.
fn is_near(host: &Host<&str>) -> bool {
    let is_near = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.segments()[..2] == [0xfd00, 0x0ec2],
    };
    match host {
        Host::Ipv4(address) => is_near((*address).into()),
        Host::Ipv6(address) => is_near((*address).into()),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost"
                || name.ends_with(".localhost")
                || name == "metadata.google.internal"
        }
    }
}

fn parse(variable: &'static str, value: &str) -> Result<Proxy, String> {
    let value = value.trim();
    let whole = match value.contains("://") {
        true => value.to_owned(),
        false => format!("http://{value}"),
    };
    let wrong = |what| format!("{variable} = {} {what}", without_secrets(&whole));
    let url = Url::parse(&whole).map_err(|_| wrong("is no address of a proxy"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(Proxy { variable, url }),
        _ => Err(wrong(
            "names a proxy of a kind that is not supported; use http:// or https://",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::tests::with;

    fn way(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let proxies = Proxies::read(&with(variables));
        let proxy = proxies.towards(&Url::parse(url).unwrap()).unwrap();
        proxy.map(Proxy::shown)
    }

    #[test]
    fn this_machine_is_reached_past_the_proxy() {
        let set = [("http_proxy", "http://p:9"), ("HTTPS_PROXY", "http://p:9")];
        for url in [
            "http://127.0.0.1:8333",
            "http://127.9.9.9",
            "https://localhost:1",
            "http://LOCALHOST",
            "http://s3.localhost",
            "http://[::1]:8333",
            "http://169.254.169.254/latest",
            "http://169.254.170.23/v1",
            "http://[fd00:ec2::23]/v1",
            "http://metadata.google.internal/x",
        ] {
            assert_eq!(way(&set, url), None, "{url}");
        }
        for url in [
            "http://10.0.0.1",
            "https://s3.amazonaws.com",
            "http://localhost.example.com",
        ] {
            assert!(way(&set, url).is_some(), "{url}");
        }
    }

    #[test]
    fn proxy_is_named_with_its_variable_and_without_its_password() {
        let set = [
            ("https_proxy", "http://me:hidden@p:3128"),
            ("ALL_PROXY", "q:1"),
        ];
        let named = way(&set, "https://s3.amazonaws.com").unwrap();
        assert_eq!(named, "http://***@p:3128 of https_proxy");
        let named = way(&set, "http://s3.example.com").unwrap();
        assert_eq!(named, "http://q:1 of ALL_PROXY");
    }

    #[test]
    fn empty_variable_does_not_hide_the_next() {
        let set = [
            ("http_proxy", ""),
            ("HTTP_PROXY", "http://p:1"),
            ("no_proxy", ""),
            ("NO_PROXY", "b.c"),
        ];
        assert!(way(&set, "http://a.b").is_some());
        assert_eq!(way(&set, "http://a.b.c"), None);
        assert_eq!(way(&[("http_proxy", "")], "http://a.b"), None);
    }

    #[test]
    fn exceptions_are_hosts_domains_networks_and_all() {
        for (list, url, is_direct) in [
            ("*", "http://10.0.0.1:8333", true),
            ("*", "http://store", true),
            ("10.0.0.0/8", "http://10.1.2.3", true),
            ("10.0.0.0/8", "http://11.1.2.3", false),
            ("store", "http://store:8333", true),
            ("example.com", "http://s3.example.com", true),
            (".example.com", "http://s3.example.com", true),
            ("*.example.com", "http://s3.example.com", true),
            ("example.com", "http://badexample.com", false),
            ("store:8333", "http://store:8333", true),
            ("store:8333", "http://store:9000", false),
            ("fd00::1", "http://[fd00::1]:8333", true),
            ("a, b ,c", "http://b", true),
        ] {
            let set = [("http_proxy", "http://p:9"), ("no_proxy", list)];
            assert_eq!(way(&set, url).is_none(), is_direct, "{list} {url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_named_where_it_would_be_used() {
        for value in ["socks5://me:hidden@p:1080", "http://", "::"] {
            let proxies = Proxies::read(&with(&[("http_proxy", value)]));
            let line = proxies
                .towards(&Url::parse("http://a.b").unwrap())
                .unwrap_err();
            assert!(line.starts_with("http_proxy = "), "{line}");
            assert!(!line.contains("hidden"), "{line}");
            assert_eq!(
                proxies.towards(&Url::parse("http://127.0.0.1").unwrap()),
                Ok(None)
            );
        }
    }
}
