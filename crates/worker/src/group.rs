//! Joining the group of a generation.

use crate::error::WorkerError;
use crate::session::Session;
use fratmae_collective::{AbortHandle, Membership, TcpSettings, form};
use fratmae_control::{Assignment, Seat};
use fratmae_dataset::Loader;
use fratmae_trainer::{Group, Task};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

/// How many times as long as a step a rank may wait for another one.
const SPREAD: u32 = 3;

/// How long the names of the members' hosts may take to be looked up, all together.
const LOOKUP: Duration = Duration::from_secs(10);

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
        let membership = membership(assignment, run, &links.runtime)?;
        let abort = AbortHandle::new();
        links.signals.set_abort(generation, abort.clone());
        let settings = TcpSettings {
            abort,
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

fn membership(
    assignment: &Assignment,
    run: String,
    runtime: &Handle,
) -> Result<Membership, WorkerError> {
    let seats = || assignment.seats.iter();
    let slots = |seat: &Seat| seat.slots.start.get() as usize..seat.slots.end.get() as usize;
    Ok(Membership {
        run,
        generation: assignment.generation.get(),
        rank: assignment.rank.get() as usize,
        addresses: addresses(seats().map(|seat| seat.address.as_str()), runtime)?,
        slots: seats().map(slots).collect(),
    })
}

/// Where the members are, in rank order; names are looked up on another thread, as a name server may never answer.
fn addresses<'a>(
    seats: impl Iterator<Item = &'a str>,
    runtime: &Handle,
) -> Result<Vec<SocketAddr>, WorkerError> {
    let until = Instant::now() + LOOKUP;
    let mut addresses = Vec::new();
    for (rank, address) in seats.enumerate() {
        let unresolved = |reason: String| WorkerError::Unresolved {
            rank,
            address: address.to_owned(),
            reason,
        };
        let lookup = async { timeout_at(until, lookup_host(address)).await };
        let found = match address.parse() {
            Ok(numeric) => numeric,
            Err(_) => match runtime.block_on(lookup) {
                Ok(Ok(mut found)) => found
                    .next()
                    .ok_or_else(|| unresolved("it has no address".to_owned()))?,
                Ok(Err(error)) => return Err(unresolved(error.to_string())),
                Err(_) => {
                    let reason = format!("nothing answers within {} s", LOOKUP.as_secs());
                    return Err(unresolved(reason));
                }
            },
        };
        addresses.push(found);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(seats: &[&str]) -> Result<Vec<SocketAddr>, WorkerError> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        addresses(seats.iter().copied(), runtime.handle())
    }

    #[test]
    fn numbers_are_taken_as_they_are_and_names_are_looked_up() {
        let local = SocketAddr::from(([127, 0, 0, 1], 7));
        assert_eq!(found(&["127.0.0.1:7"]).unwrap(), [local]);
        assert!(
            found(&["[::1]:9", "localhost:7"]).unwrap()[1]
                .ip()
                .is_loopback()
        );
    }

    #[test]
    fn a_name_that_nobody_knows_is_put_down_to_its_member() {
        let error = found(&["127.0.0.1:7", "nowhere.invalid:7"]).unwrap_err();
        assert!(
            matches!(error, WorkerError::Unresolved { rank: 1, .. }),
            "{error}"
        );
    }
}
