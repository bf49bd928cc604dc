//! Who waits for what, told to those who wait and to whoever watches.

use super::{FEW, Runtime, count};
use crate::event::RunEvent;
use crate::waiting::EVERY;
use fratmae_control::{Generation, RunPhase, WorkerId};
use fratmae_protocol::pb;
use fratmae_protocol::pb::to_worker::Message as To;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long more than a few workers wait to be told of others.
const PAUSE: Duration = Duration::from_millis(250);

/// What has been told of waiting so far.
#[derive(Default)]
pub(super) struct Waits {
    /// Phase, generation and number of workers when it was looked at last.
    seen: Option<(RunPhase, Generation, usize)>,
    /// When all were told last.
    reported_to_all: Option<Instant>,
    /// When the gathering was told of last.
    reported: Option<Instant>,
    /// What each worker without a seat knows.
    known: BTreeMap<WorkerId, pb::Waiting>,
    /// Who registered since it was looked at.
    registered: Vec<(WorkerId, String, String)>,
}

impl Waits {
    /// A worker joined.
    pub(super) fn registered(&mut self, worker: WorkerId, name: String, address: String) {
        self.registered.push((worker, name, address));
    }
}

impl Runtime {
    /// The names of workers that have no seat, since all are taken.
    pub(super) fn names_standing_by(&self) -> Vec<String> {
        let standing = self.cluster.standing_by();
        standing
            .into_iter()
            .map(|(_, name)| name.to_owned())
            .collect()
    }

    /// Tells what is waited for, where it has changed or a while has passed.
    pub(super) fn tell_waits(&mut self) {
        self.tell_registered();
        let (phase, n_registered) = (self.cluster.phase(), self.cluster.n_registered());
        let now = Some((phase, self.cluster.generation(), n_registered));
        let is_early = self
            .waits
            .reported_to_all
            .is_some_and(|last| last.elapsed() < PAUSE);
        let must_wait = n_registered > FEW && is_early;
        if self.waits.seen != now && !must_wait {
            self.waits.seen = now;
            self.waits.reported_to_all = Some(Instant::now());
            self.tell_workers();
        }
        self.tell_gathering();
    }

    /// Workers of this machine are expected; others come when somebody starts them.
    fn tell_registered(&mut self) {
        let registered = self.cluster.n_registered();
        let cluster = &self.cluster;
        // What it says is kept before the cluster takes it in.
        let came = |(worker, ..): &mut (WorkerId, String, String)| cluster.is_registered(*worker);
        let came: Vec<_> = self.waits.registered.extract_if(.., came).collect();
        for (_, name, address) in came {
            if !self.place.has_own_workers {
                let event = RunEvent::Registered {
                    name,
                    address,
                    registered,
                };
                self.emit(event);
            }
        }
    }

    /// Tells each worker without a seat what it waits for.
    fn tell_workers(&mut self) {
        let mut known = BTreeMap::new();
        let standing = self.cluster.standing_by();
        let standing: Vec<_> = standing
            .iter()
            .map(|(id, name)| (*id, (*name).to_owned()))
            .collect();
        let registered = count(self.cluster.n_registered());
        if let Some(gathering) = self.cluster.gathering(self.now()) {
            for worker in self.cluster.registered_workers() {
                let waiting = pb::Waiting {
                    registered,
                    wanted: count(gathering.wanted),
                    stands_by: false,
                };
                known.insert(worker, waiting);
            }
        }
        let seats = self.cluster.group_names().len();
        for (worker, name) in standing {
            let waiting = pb::Waiting {
                registered: count(seats),
                wanted: count(self.job.config.workers.count),
                stands_by: true,
            };
            if !self
                .waits
                .known
                .get(&worker)
                .is_some_and(|known| known.stands_by)
            {
                self.emit(RunEvent::StandsBy { name, seats });
            }
            known.insert(worker, waiting);
        }
        for (worker, waiting) in &known {
            if self.waits.known.get(worker) != Some(waiting) {
                self.send(*worker, To::Waiting(*waiting));
            }
        }
        self.waits.known = known;
    }

    fn tell_gathering(&mut self) {
        let Some(gathering) = self.cluster.gathering(self.now()) else {
            self.waits.reported = None;
            return;
        };
        let is_due = match self.waits.reported {
            Some(reported) => reported.elapsed() >= EVERY,
            // Workers of this machine are there at once, or say why not.
            None if self.place.has_own_workers => {
                self.waits.reported = Some(Instant::now());
                false
            }
            None => true,
        };
        if !is_due {
            return;
        }
        self.waits.reported = Some(Instant::now());
        let event = RunEvent::Waiting {
            registered: gathering.registered,
            wanted: gathering.wanted,
            left_s: gathering.left.get() / 1000,
            address: self.place.addresses.advertised.url(),
        };
        self.emit(event);
    }
}
