//! Whose fault a failure of training is: the one place that decides what the coordinator is told of it.

use crate::error::{JobError, WorkerError};
use fratmae_checkpoint::{CheckpointError, CheckpointId};
use fratmae_collective::{Action, CollectiveError};
use fratmae_dataset::DataSetError;
use fratmae_trainer::TrainError;

/// Whom a failure is put down to, and so who goes on without whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The group's: a new generation may mend it.
    Group,
    /// A checkpoint's: everybody begins from an older one.
    Checkpoint(CheckpointId),
    /// This process's, its disk's or its network's: the others go on without it.
    Worker,
    /// The run's: its job, its data or its weights are what they are for everybody.
    Run,
}

impl WorkerError {
    /// Whose fault this is.
    ///
    /// What another host, another process or another disk might not have met is the worker's own. Where in truth all
    /// meet it, they say so one after the other, and the coordinator ends the run.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            // A library that the job demands and a rank lacks: the next group would lack it as well.
            Self::Group(CollectiveError::Nccl(error)) if error.action() == Action::Fatal => {
                Fault::Run
            }
            // Another group of this process would not come about either.
            Self::Group(CollectiveError::Listener { .. } | CollectiveError::Thread { .. }) => {
                Fault::Worker
            }
            Self::Group(_)
            | Self::NoAddress { .. }
            | Self::Train(
                TrainError::Exchange { .. }
                | TrainError::CopyDiffers { .. }
                | TrainError::Corrupted { .. }
                | TrainError::Unlike { .. }
                | TrainError::NoMajority { .. },
            ) => Fault::Group,
            Self::Unrestorable { id, .. } => Fault::Checkpoint(*id),
            Self::Store(_)
            | Self::Data(DataSetError::Store(_) | DataSetError::Io { .. })
            | Self::Checkpoint(CheckpointError::Store(_) | CheckpointError::Thread { .. })
            | Self::Job(JobError::NoGpu { .. })
            | Self::Process(_)
            | Self::Connection(_) => Fault::Worker,
            Self::Job(_) | Self::Data(_) | Self::Checkpoint(_) | Self::Train(_) => Fault::Run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_collective::{Direction, Operation, Transfer};
    use fratmae_control::{Generation, Step};
    use fratmae_protocol::pb::group_broken::Accused;
    use fratmae_store::StoreError;
    use std::net::SocketAddr;

    fn full() -> StoreError {
        StoreError::Full {
            url: "run/part".to_owned(),
            reason: "no space is left on the device",
        }
    }

    #[test]
    fn a_store_that_fails_is_the_workers_own_whatever_it_was_asked_for() {
        let data = WorkerError::from(DataSetError::from(full()));
        let share = WorkerError::from(CheckpointError::from(full()));
        for error in [data, share, WorkerError::from(full())] {
            assert_eq!(error.fault(), Fault::Worker, "{error}");
        }
    }

    #[test]
    fn a_process_that_can_take_no_peers_in_is_at_fault_itself_and_one_that_misses_a_peer_is_not() {
        let source = || std::io::Error::from_raw_os_error(24);
        let listener = CollectiveError::Listener { source: source() };
        let single = CollectiveError::Thread { source: source() };
        for error in [listener, single] {
            assert_eq!(WorkerError::from(error).fault(), Fault::Worker);
        }
        let missing = WorkerError::from(CollectiveError::Aborted);
        assert_eq!(missing.fault(), Fault::Group);
    }

    #[test]
    fn what_a_peer_sends_wrongly_is_that_peers_fault_and_ends_no_run() {
        let transfer = Transfer {
            peer: 2,
            address: SocketAddr::from(([10, 0, 0, 2], 7)),
            operation: Operation::AllGather,
            sequence: 3,
            direction: Direction::Received,
            bytes: 32,
        };
        let mismatch = CollectiveError::Mismatch {
            transfer,
            what: "length",
            expected: 8,
            found: 7,
        };
        let too_long = CollectiveError::TooLong {
            rank: 2,
            operation: Operation::AllGather,
            sequence: 3,
            bytes: 9,
            limit: 8,
        };
        let reason = "a slot is cut".to_owned();
        let exchange = TrainError::Exchange { rank: 2, reason };
        let copy = TrainError::CopyDiffers {
            rank: 2,
            holder: 0,
            step: 4,
        };
        let (unread, differs) = (Accused::Unreachable(2), Accused::Diverged(2));
        let errors: [(WorkerError, _); 4] = [
            (mismatch.into(), unread),
            (too_long.into(), unread),
            (exchange.into(), unread),
            (copy.into(), differs),
        ];
        for (error, accused) in errors {
            assert_eq!(error.fault(), Fault::Group, "{error}");
            assert_eq!(error.accused(), Some(accused), "{error}");
            assert!(error.is_evidence() && !error.invalidates_state(), "{error}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_the_fault_of_who_announced_it() {
        let error = WorkerError::NoAddress {
            rank: 1,
            address: "nowhere.invalid:7".to_owned(),
        };
        assert_eq!(error.fault(), Fault::Group);
        assert_eq!(error.accused(), Some(Accused::Unreachable(1)));
        assert!(!error.is_evidence());
    }

    #[test]
    fn damaged_data_and_numbers_that_are_none_are_the_runs() {
        let sample = WorkerError::from(DataSetError::ChecksumMismatch {
            case: "c".to_owned(),
            shard: "s".to_owned(),
            row_group: 0,
            slice: 1,
            offset: 2,
        });
        let batch = TrainError::NotFinite {
            what: "loss",
            step: 4,
            blame: "slot 1".to_owned(),
        };
        let object = "part".to_owned();
        let parts = WorkerError::from(CheckpointError::Conflict { object });
        for error in [sample, batch.into(), parts] {
            assert_eq!(error.fault(), Fault::Run, "{error}");
        }
    }

    #[test]
    fn a_damaged_part_is_its_checkpoints() {
        let id = CheckpointId {
            step: Step::new(20),
            generation: Generation::new(1),
        };
        let object = "part".to_owned();
        let source = CheckpointError::NotCommitted { object };
        let error = WorkerError::Unrestorable { id, source };
        assert_eq!(error.fault(), Fault::Checkpoint(id));
    }
}
