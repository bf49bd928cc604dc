//! Joining the group of a generation.

use crate::error::WorkerError;
use crate::session::Session;
use fratmae_collective::{AbortHandle, Membership, Sealing, TcpSettings, form};
use fratmae_control::{Assignment, Seat};
use fratmae_dataset::Loader;
use fratmae_trainer::{Group, Task};
use fratmae_trust::own;
use std::net::SocketAddr;
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
    /// Joins the generation's group and starts reading this rank's samples ahead. Peers prove by the key that they have a
    /// seat in it.
    pub(crate) fn join(
        &self,
        assignment: &Assignment,
        mesh_key: &str,
    ) -> Result<Seated, WorkerError> {
        let (job, links) = (&self.job, &self.links);
        let generation = assignment.generation.get();
        let run = format!("{} {mesh_key}", job.run_id);
        let membership = membership(assignment, run)?;
        let abort = AbortHandle::new();
        links.signals.set_abort(generation, abort.clone());
        let settings = TcpSettings {
            abort,
            sealing: sealing(own().is_some(), job.config.collective.encrypt),
            ..TcpSettings::new(self.call_deadline())
        };
        let process = form(&links.port, &membership, settings, &self.transport)?;
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

/// What is done to the bytes between members. Without keys theirs comes in the clear, and seals made of it mean nothing.
const fn sealing(has_keys: bool, encrypt: bool) -> Sealing {
    match (has_keys, encrypt) {
        (false, _) => Sealing::Plain,
        (true, false) => Sealing::Authenticated,
        (true, true) => Sealing::Encrypted,
    }
}

fn membership(assignment: &Assignment, run: String) -> Result<Membership, WorkerError> {
    let seats = || assignment.seats.iter();
    let slots = |seat: &Seat| seat.slots.start.get() as usize..seat.slots.end.get() as usize;
    Ok(Membership {
        run,
        generation: assignment.generation.get(),
        rank: assignment.rank.get() as usize,
        addresses: addresses(seats().map(|seat| seat.address.as_str()))?,
        slots: seats().map(slots).collect(),
    })
}

/// Where the members are, in rank order.
fn addresses<'a>(seats: impl Iterator<Item = &'a str>) -> Result<Vec<SocketAddr>, WorkerError> {
    let parsed = seats.enumerate().map(|(rank, address)| {
        let no_address = |_| WorkerError::NoAddress {
            rank,
            address: address.to_owned(),
        };
        address.parse().map_err(no_address)
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_place_of_an_address_is_put_down_to_its_member() {
        let seats = ["127.0.0.1:7", "[::1]:9", "localhost:7"];
        assert_eq!(addresses(seats[..2].iter().copied()).unwrap().len(), 2);
        let error = addresses(seats.into_iter()).unwrap_err();
        assert!(
            matches!(error, WorkerError::NoAddress { rank: 2, .. }),
            "{error}"
        );
    }
}
