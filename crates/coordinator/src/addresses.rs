//! Where a coordinator is reached: by workers of this machine, and by everybody else.

use crate::error::CoordinatorError;
use crate::job::Job;
use fratmae_network::{Endpoint, Reach, own_address};
use fratmae_trust::{Keys, keys};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::net::TcpListener;

/// The addresses of a coordinator's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// What workers elsewhere, the journal and people are told.
    pub(crate) advertised: Endpoint,
    /// Where workers of this machine connect.
    pub(crate) own: Endpoint,
    /// How the one that is advertised was chosen, where it is not the one that was asked for.
    pub(crate) note: Option<String>,
    /// Whether other hosts can reach it, now or once this host has an address.
    is_open: bool,
}

impl Addresses {
    /// Finds the addresses of a socket; `advertise` is `coordinator.advertise`.
    ///
    /// # Errors
    /// `Listen` for an address that nobody can connect to.
    pub(crate) fn of(listener: &TcpListener, advertise: &str) -> Result<Self, CoordinatorError> {
        let failed = |reason: String| CoordinatorError::Listen {
            address: advertise.to_owned(),
            reason,
        };
        let bound = listener.local_addr();
        let bound = bound.map_err(|error| failed(error.to_string()))?;
        Self::choose(bound.ip(), bound.port(), advertise, own_address(bound.ip()))
    }

    /// Those of a job; who can reach them is one of its warnings.
    ///
    /// # Errors
    /// Those of `of` and `openness`.
    pub(crate) fn of_job(listener: &TcpListener, job: &mut Job) -> Result<Self, CoordinatorError> {
        let addresses = Self::of(listener, &job.config.coordinator.advertise)?;
        let openness = addresses.openness(job.config.collective.encrypt)?;
        job.warnings.extend(openness);
        Ok(addresses)
    }

    /// What is to be said of who can reach them; `encrypt` is `collective.encrypt`.
    ///
    /// # Errors
    /// `Keyless` where other hosts can, and this process has neither keys nor was told to do without.
    pub(crate) fn openness(&self, encrypt: bool) -> Result<Option<String>, CoordinatorError> {
        let address = self.advertised.url();
        match (self.is_open, keys()) {
            (_, Some(Keys::Own(_))) => Ok((!encrypt).then(|| {
                "whoever can listen between workers can read gradients and state: they are not encrypted \
                 (collective.encrypt)"
                    .to_owned()
            })),
            (false, _) => Ok(None),
            (_, None) => Err(CoordinatorError::Keyless { address }),
            (_, Some(Keys::Without)) => Ok(Some(format!(
                "whoever reaches {address} can take part in this run and read it: nobody is asked for keys (--keys none)"
            ))),
        }
    }

    fn choose(
        bound: IpAddr,
        port: u16,
        advertise: &str,
        found: Option<IpAddr>,
    ) -> Result<Self, CoordinatorError> {
        let own = match bound.is_unspecified() {
            false => bound,
            true => found.unwrap_or(match bound {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            }),
        };
        let own = Endpoint::of(own, port);
        let advertised = match advertise {
            "" => own.clone(),
            advertise => Endpoint::parse_or(advertise, port).map_err(|error| unusable(&error))?,
        };
        advertised
            .check_connectable()
            .map_err(|error| unusable(&error))?;
        let is_chosen = bound.is_unspecified() && advertise.is_empty();
        let note = is_chosen.then(|| note(&Endpoint::of(bound, port), &advertised));
        let is_loopback = |endpoint: &Endpoint| endpoint.reach() == Reach::Loopback;
        let is_open = bound.is_unspecified() || !is_loopback(&own) || !is_loopback(&advertised);
        Ok(Self {
            advertised,
            own,
            note,
            is_open,
        })
    }
}

fn note(bound: &Endpoint, advertised: &Endpoint) -> String {
    match advertised.reach() {
        Reach::Loopback => format!(
            "listening at {bound}; this host has no address that other hosts can reach, so only workers of this machine \
             can join (--advertise names an address)"
        ),
        _ => format!(
            "listening at {bound}; workers are told {}, this host's own address (--advertise names another)",
            advertised.url()
        ),
    }
}

fn unusable(error: &fratmae_network::AddressError) -> CoordinatorError {
    CoordinatorError::Unusable {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(bound: &str, advertise: &str, found: Option<&str>) -> Result<Addresses, String> {
        let found = found.map(|found| found.parse().unwrap());
        let chosen = Addresses::choose(bound.parse().unwrap(), 5600, advertise, found);
        chosen.map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_that_was_named_is_told_as_it_is() {
        for bound in ["10.0.0.1", "127.0.0.1", "fd77::1"] {
            let addresses = chosen(bound, "", Some("10.9.9.9")).unwrap();
            assert_eq!(
                addresses.advertised,
                Endpoint::of(bound.parse().unwrap(), 5600)
            );
            assert_eq!(
                (addresses.own, addresses.note),
                (addresses.advertised, None)
            );
        }
    }

    #[test]
    fn every_address_of_a_host_becomes_its_own_one() {
        for (bound, found) in [
            ("0.0.0.0", "10.0.0.1"),
            ("::", "fd77::1"),
            ("::", "10.0.0.1"),
        ] {
            let addresses = chosen(bound, "", Some(found)).unwrap();
            assert_eq!(
                addresses.advertised,
                Endpoint::of(found.parse().unwrap(), 5600)
            );
            let note = addresses.note.unwrap();
            assert!(note.contains(&addresses.advertised.url()), "{note}");
        }
        let alone = chosen("0.0.0.0", "", None).unwrap();
        assert_eq!(alone.advertised.url(), "http://127.0.0.1:5600");
        assert!(alone.note.unwrap().contains("only workers of this machine"));
    }

    #[test]
    fn what_is_advertised_is_told_and_workers_of_this_machine_go_the_short_way() {
        let addresses = chosen("0.0.0.0", "node-7:30560", Some("172.17.0.2")).unwrap();
        assert_eq!(addresses.advertised.url(), "http://node-7:30560");
        assert_eq!(addresses.own.url(), "http://172.17.0.2:5600");
        assert_eq!(addresses.note, None);
        let addresses = chosen("0.0.0.0", "fd77::7", None).unwrap();
        assert_eq!(addresses.advertised.url(), "http://[fd77::7]:5600");
    }

    #[test]
    fn without_keys_nobody_is_served_beyond_this_host() {
        let loopback = chosen("127.0.0.1", "", None).unwrap();
        assert!(loopback.openness(true).unwrap().is_none());
        for (bound, advertise) in [("10.0.0.1", ""), ("0.0.0.0", ""), ("127.0.0.1", "10.0.0.1")] {
            let open = chosen(bound, advertise, Some("10.0.0.1")).unwrap();
            let line = open.openness(true).unwrap_err().to_string();
            assert!(line.contains("http://10.0.0.1:5600"), "{line}");
        }
    }

    #[test]
    fn what_nobody_can_connect_to_is_refused() {
        for advertise in [
            "0.0.0.0",
            "[::]:7",
            "fe80::1",
            "node:0",
            "https://node",
            "no de",
        ] {
            let line = chosen("0.0.0.0", advertise, Some("10.0.0.1")).unwrap_err();
            assert!(line.contains("--advertise"), "{line}");
        }
        assert!(chosen("fe80::1", "", None).is_err());
    }
}
