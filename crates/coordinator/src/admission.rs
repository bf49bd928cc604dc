//! Which workers may take part: those that come to the same bits from the same job and data.

use fratmae_control::{Generation, WorkerId};
use fratmae_network::{Endpoint, Reach};
use fratmae_protocol::{pb, shown};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Characters that a name may have.
pub(crate) const NAME: usize = 128;

/// Differences that are borne with: they cost exactness at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Workers of another version than the coordinator's.
    pub version: bool,
    /// Workers whose CPUs run other kernels than the first worker's, or that train on another kind of device.
    pub kernels: bool,
}

/// What every worker of a run must agree with.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) allowed: Allowed,
    pub(crate) version: String,
    /// Where this coordinator is reached by others.
    pub(crate) advertised: Endpoint,
    pub(crate) host: String,
    pub(crate) config_digest: String,
    pub(crate) data_digest: String,
    /// The newest generation whose states are given up, since the run was taken back to an older checkpoint.
    pub(crate) given_up: Generation,
    /// What those who joined compute with, for as long as they are there: the coordinator computes nothing itself.
    pub(crate) joined: BTreeMap<WorkerId, Kind>,
}

/// What decides to which bits a worker comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its CPU's kernel set.
    kernels: String,
    /// Where it trains; empty if it has no device, which it says next.
    device: String,
}

impl Admission {
    /// A worker joins: as long as it is there, others need its kernels and device.
    pub(crate) fn join(&mut self, id: WorkerId, worker: &pb::Register) {
        if let Some(device) = worker.device.clone() {
            let kernels = worker.kernels.clone();
            self.joined.insert(id, Kind { kernels, device });
        }
    }

    /// A worker is gone.
    pub(crate) fn forget(&mut self, id: WorkerId) {
        self.joined.remove(&id);
    }

    /// Why a worker may not take part.
    pub(crate) fn refusal(&self, worker: &pb::Register) -> Option<String> {
        if let Some(refusal) = unreadable(worker) {
            return Some(refusal);
        }
        let version = &worker.version;
        if *version != self.version && !self.allowed.version {
            return Some(format!(
                "this worker is of version {version} and the coordinator of {}; install the same, or start the \
                 coordinator with --allow version",
                self.version
            ));
        }
        if let Some(refusal) = self.unreachable(worker) {
            return Some(refusal);
        }
        let digests = [
            ("job", &worker.config_digest, &self.config_digest),
            ("data set", &worker.data_digest, &self.data_digest),
        ];
        for (what, theirs, ours) in digests {
            if !theirs.is_empty() && theirs != ours {
                return Some(format!(
                    "this worker was given another {what} (digest {}) than this run's ({ours}); start it anew",
                    shown(theirs, NAME)
                ));
            }
        }
        let is_given_up = |place: &pb::Place| place.generation <= self.given_up.get();
        if worker.place.as_ref().is_some_and(is_given_up) {
            let reason =
                "this worker holds a state from before the run was rolled back; restart it";
            return Some(reason.to_owned());
        }
        match self.allowed.kernels {
            true => None,
            false => self.other_kind(&worker.kernels, worker.device.as_deref()),
        }
    }

    /// Why a worker would come to other bits than those who are there; one without a device says so itself.
    fn other_kind(&self, kernels: &str, device: Option<&str>) -> Option<String> {
        let mut joined = self.joined.values();
        if let Some(Kind {
            kernels: theirs, ..
        }) = joined.clone().next()
            && theirs != kernels
        {
            return Some(format!(
                "this worker's CPU runs the kernels {kernels} and the first worker's {theirs}, which come to other bits; \
                 use machines of one kind, or start the coordinator with --allow kernels"
            ));
        }
        let device = device.filter(|device| !device.is_empty())?;
        let Kind { device: theirs, .. } = joined.find(|kind| !kind.device.is_empty())?;
        (theirs != device).then(|| {
            format!(
                "this worker trains on \"{device}\" and the first one on \"{theirs}\", which come to other bits; name one \
                 of them in workers.device, or start the coordinator with --allow kernels"
            )
        })
    }

    /// Why peers could not connect to where a worker says that they find it.
    fn unreachable(&self, worker: &pb::Register) -> Option<String> {
        let address = &worker.group_address;
        let help = "start this worker with --advertise HOST, its address for the others, or with another --listen";
        let checked = Endpoint::parse(address).and_then(|it| it.check_connectable().map(|()| it));
        let endpoint = match checked {
            Ok(endpoint) => endpoint,
            Err(error) => {
                return Some(format!(
                    "this worker announces an address to its peers that cannot be used: {error}; {help}"
                ));
            }
        };
        if address.parse::<SocketAddr>().is_err() {
            return Some(format!(
                "this worker announces a name to its peers, which take an address alone: {}; {help}",
                shown(address, NAME)
            ));
        }
        if endpoint.reach() != Reach::Loopback {
            return None;
        }
        if self.advertised.reach() != Reach::Loopback {
            return Some(format!(
                "this worker announces {address}, a loopback address that workers of other hosts cannot connect to, \
                 while this coordinator serves other hosts at {}; connect to it there, or {help}",
                self.advertised.url()
            ));
        }
        let is_elsewhere = [&worker.host, &self.host]
            .iter()
            .all(|host| !host.is_empty())
            && worker.host != self.host;
        is_elsewhere.then(|| {
            format!(
                "this worker announces {address}, a loopback address, and is on another host than the coordinator; {help}"
            )
        })
    }
}

/// Why what a worker says of itself cannot be shown to people.
fn unreadable(worker: &pb::Register) -> Option<String> {
    let names = [
        ("name", &*worker.name),
        ("version", &worker.version),
        ("kernel set", &worker.kernels),
        ("device", worker.device.as_deref().unwrap_or_default()),
    ];
    let is_readable = |text: &str| {
        let mut characters = text.chars();
        text.chars().count() <= NAME && !characters.any(char::is_control)
    };
    let (what, text) = names.iter().find(|(_, text)| !is_readable(text))?;
    Some(format!(
        "this worker's {what} has control characters or more than {NAME} characters: {}",
        shown(text, NAME)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(allowed: Allowed) -> Admission {
        Admission {
            allowed,
            version: "1".to_owned(),
            advertised: Endpoint::parse("127.0.0.1:1").unwrap(),
            host: "here".to_owned(),
            config_digest: "c".to_owned(),
            data_digest: "d".to_owned(),
            given_up: Generation::new(3),
            joined: BTreeMap::new(),
        }
    }

    fn on(device: Option<&str>) -> pb::Register {
        pb::Register {
            device: device.map(str::to_owned),
            ..worker("1", "k")
        }
    }

    fn worker(version: &str, kernels: &str) -> pb::Register {
        pb::Register {
            version: version.to_owned(),
            kernels: kernels.to_owned(),
            group_address: "127.0.0.1:2".to_owned(),
            ..Default::default()
        }
    }

    /// Why a worker is refused; one that is not joins, as the next of them all.
    fn refused(admission: &mut Admission, worker: &pb::Register) -> String {
        let refusal = admission.refusal(worker);
        if refusal.is_none() {
            admission.join(WorkerId::new(admission.joined.len() as u64), worker);
        }
        refusal.unwrap_or_default()
    }

    fn at(address: &str, host: &str) -> pb::Register {
        pb::Register {
            group_address: address.to_owned(),
            host: host.to_owned(),
            ..worker("1", "k")
        }
    }

    #[test]
    fn an_address_that_peers_cannot_connect_to_is_refused_with_what_to_do() {
        let mut here = admission(Allowed::default());
        for address in ["127.0.0.1:7", "[::1]:7", "10.0.0.2:7", "[fd77::2]:7"] {
            assert_eq!(refused(&mut here, &at(address, "here")), "", "{address}");
            assert_eq!(refused(&mut here, &at(address, "")), "", "{address}");
        }
        let nobodys = [
            "",
            "0.0.0.0:7",
            "[::]:7",
            "10.0.0.2:0",
            "10.0.0.2",
            "node:7",
            "no-such-host.invalid:7",
            "localhost:7",
            "[fe80::2]:7",
            "[fe80::2%3]:7",
        ];
        for address in nobodys {
            let line = refused(&mut here, &at(address, "here"));
            assert!(line.contains("--advertise HOST"), "{address}: {line}");
        }
    }

    #[test]
    fn loopback_is_refused_from_another_host_and_where_other_hosts_may_join() {
        let mut here = admission(Allowed::default());
        let line = refused(&mut here, &at("127.0.0.1:7", "there"));
        assert!(line.contains("on another host"), "{line}");
        let mut open = admission(Allowed::default());
        open.advertised = Endpoint::parse("10.0.0.1:5600").unwrap();
        for address in ["127.0.0.1:7", "[::1]:7", "127.0.1.1:7"] {
            let line = refused(&mut open, &at(address, "here"));
            assert!(
                line.contains("connect to it there") && line.contains("http://10.0.0.1:5600"),
                "{line}"
            );
        }
        assert_eq!(refused(&mut open, &at("10.0.0.2:7", "there")), "");
    }

    fn joining(kernels: &str) -> pb::Register {
        pb::Register {
            kernels: kernels.to_owned(),
            ..on(Some("cpu"))
        }
    }

    #[test]
    fn the_first_workers_kernels_are_everybodys_for_as_long_as_anybody_has_them() {
        let mut strict = admission(Allowed::default());
        let asks = worker("1", "none of yours");
        assert_eq!(refused(&mut strict, &asks), "");
        assert_eq!(refused(&mut strict, &joining("x86_64+fma")), "");
        assert_eq!(refused(&mut strict, &joining("x86_64+fma")), "");
        for register in [worker("1", "aarch64"), joining("aarch64")] {
            let line = refused(&mut strict, &register);
            assert!(
                line.contains("aarch64") && line.contains("x86_64+fma"),
                "{line}"
            );
        }
        strict.forget(WorkerId::new(0));
        assert_ne!(refused(&mut strict, &joining("aarch64")), "");
        strict.forget(WorkerId::new(1));
        assert_eq!(refused(&mut strict, &joining("aarch64")), "");
        let kernels = true;
        let mut lenient = admission(Allowed {
            kernels,
            ..Allowed::default()
        });
        assert_eq!(refused(&mut lenient, &joining("x86_64+fma")), "");
        assert_eq!(refused(&mut lenient, &joining("aarch64")), "");
    }

    #[test]
    fn what_people_could_not_read_is_refused_and_shown_in_one_line() {
        let mut here = admission(Allowed::default());
        for name in ["a\nb", "\u{1b}[2Jgone", &"n".repeat(129)] {
            let register = pb::Register {
                name: name.to_owned(),
                ..joining("k")
            };
            let line = refused(&mut here, &register);
            assert!(line.contains("this worker's name"), "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(line.len() < 300, "{line}");
        }
        let longest = pb::Register {
            name: "ä".repeat(128),
            ..joining("k")
        };
        assert_eq!(refused(&mut here, &longest), "");
    }

    #[test]
    fn the_first_workers_kind_of_device_is_everybodys() {
        for (first, other) in [("cuda", "cpu"), ("cpu", "cuda")] {
            let mut strict = admission(Allowed::default());
            // Who asks for the job, and who will say that it has no device, decides nothing.
            for undecided in [None, Some("")] {
                assert_eq!(refused(&mut strict, &on(undecided)), "");
            }
            assert_eq!(refused(&mut strict, &on(Some(first))), "");
            for accepted in [Some(first), Some(""), None] {
                assert_eq!(refused(&mut strict, &on(accepted)), "");
            }
            let line = refused(&mut strict, &on(Some(other)));
            let expected = format!("trains on \"{other}\" and the first one on \"{first}\"");
            assert!(line.contains(&expected) && !line.contains('\n'), "{line}");
            let kernels = true;
            strict.allowed = Allowed {
                kernels,
                ..Allowed::default()
            };
            assert_eq!(refused(&mut strict, &on(Some(other))), "");
        }
    }

    #[test]
    fn another_version_is_refused_unless_it_is_allowed_and_decides_no_kernels() {
        let mut strict = admission(Allowed::default());
        let line = refused(&mut strict, &worker("2", "aarch64"));
        assert!(
            line.contains("version 2 and the coordinator of 1"),
            "{line}"
        );
        assert!(strict.joined.is_empty());
        let version = true;
        let mut lenient = admission(Allowed {
            version,
            ..Allowed::default()
        });
        assert_eq!(refused(&mut lenient, &worker("2", "k")), "");
    }

    #[test]
    fn what_a_worker_holds_from_before_a_rollback_is_refused() {
        let mut admission = admission(Allowed::default());
        let held_in = |generation| pb::Register {
            place: Some(pb::Place {
                generation,
                ..Default::default()
            }),
            ..worker("1", "k")
        };
        for generation in [1, 3] {
            let line = refused(&mut admission, &held_in(generation));
            assert!(line.contains("rolled back"), "{line}");
        }
        assert_eq!(refused(&mut admission, &held_in(4)), "");
        assert_eq!(refused(&mut admission, &worker("1", "k")), "");
    }

    #[test]
    fn a_worker_of_another_job_or_data_set_is_refused_whatever_is_allowed() {
        let mut lenient = admission(Allowed {
            version: true,
            kernels: true,
        });
        let mut returning = worker("1", "k");
        (returning.config_digest, returning.data_digest) = ("c".to_owned(), "d".to_owned());
        assert_eq!(refused(&mut lenient, &returning), "");
        returning.data_digest = "e".to_owned();
        let line = refused(&mut lenient, &returning);
        assert!(line.contains("another data set (digest e)"), "{line}");
        returning.config_digest = "f".to_owned();
        let line = refused(&mut lenient, &returning);
        assert!(line.contains("another job (digest f)"), "{line}");
    }
}
