//! Joining the group of a generation.

use crate::error::{JobError, WorkerError};
use crate::session::Session;
use fratmae_collective::{AbortHandle, Membership, TcpSettings, form};
use fratmae_control::{Assignment, Seat};
use fratmae_dataset::Loader;
use fratmae_trainer::{Group, Task};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// How many times as long as a step a rank may wait for another one.
const SPREAD: u32 = 3;

/// This worker's seat in the generation that trains.
pub(crate) struct Seated {
    pub(crate) group: Group,
    pub(crate) generation: u64,
    /// Reads the samples of this rank's slots ahead.
    pub(crate) loader: Loader,
}

impl<T: Task> Session<T> {
    /// Joins the generation's group and starts reading this rank's samples ahead.
    pub(crate) fn join(&self, assignment: &Assignment) -> Result<Seated, WorkerError> {
        let (job, links) = (&self.job, &self.links);
        let generation = assignment.generation.get();
        let membership = membership(assignment, &job.run_id)?;
        let abort = AbortHandle::new();
        links.signals.set_abort(generation, abort.clone());
        let settings = TcpSettings {
            abort,
            ..TcpSettings::new(self.call_deadline())
        };
        let process = form(&links.listener, &membership, settings, &self.transport)?;
        let first = assignment.source.step().get() + 1;
        let mine = membership.slots[membership.rank].clone();
        let engine = &self.training.engine;
        let samples = engine.samples(mine, first..=job.config.train.steps);
        Ok(Seated {
            group: Group {
                tree: membership.tree(),
                process,
                slots: membership.slots,
            },
            generation,
            loader: job.start_loader::<T>(samples, &links.runtime),
        })
    }

    /// How long a call may wait for the others. On a machine where a step takes minutes its ranks can be minutes apart.
    pub(crate) fn call_deadline(&self) -> Duration {
        let deadline = Duration::from_secs(self.job.config.collective.deadline_s);
        deadline.max(self.links.signals.activity.step_takes() * SPREAD)
    }
}

fn membership(assignment: &Assignment, run_id: &str) -> Result<Membership, JobError> {
    let seats = || assignment.seats.iter();
    let addresses = seats().map(|seat| resolve(&seat.address));
    let slots = |seat: &Seat| seat.slots.start.get() as usize..seat.slots.end.get() as usize;
    Ok(Membership {
        run: run_id.to_owned(),
        generation: assignment.generation.get(),
        rank: assignment.rank.get() as usize,
        addresses: addresses.collect::<Result<_, _>>()?,
        slots: seats().map(slots).collect(),
    })
}

fn resolve(address: &str) -> Result<SocketAddr, JobError> {
    let found = address.to_socket_addrs().ok();
    let unknown = || JobError::Unreadable {
        reason: format!("peer address {address} does not resolve"),
    };
    found.and_then(|mut found| found.next()).ok_or_else(unknown)
}
