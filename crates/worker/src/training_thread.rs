//! The training thread: takes the coordinator's commands one after the other, and says how each ended.

use crate::error::{ProcessError, WorkerError};
use crate::fault::Fault;
use crate::generation::Ending;
use crate::session::{Session, Start};
use crate::stream::Command;
use crate::trace::Trace;
use fratmae_control::Phase;
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_telemetry::one_line;
use fratmae_trainer::Task;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the thread may take to see that all is over: a slot's forward or backward pass.
const EXIT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often it is looked at within that time.
const LOOKS: u32 = 300;

/// The thread that trains, apart from the runtime so that no step holds a heartbeat up.
pub(crate) struct TrainingThread {
    thread: JoinHandle<()>,
    /// Told when another process must take this one's place.
    spent: oneshot::Receiver<WorkerError>,
    /// Closed when the thread ends.
    gone: Option<oneshot::Receiver<()>>,
}

impl TrainingThread {
    /// Starts the thread; it lives until the sender of `commands` is dropped.
    pub(crate) fn start<T: Task>(
        start: Start,
        commands: Receiver<Command>,
    ) -> Result<Self, ProcessError> {
        let (sender, spent) = oneshot::channel();
        let (ends, gone) = oneshot::channel();
        let train = move || {
            let _ends: oneshot::Sender<()> = ends;
            follow::<T>(start, &commands, sender);
        };
        let thread = std::thread::Builder::new()
            .name("trainer".to_owned())
            .spawn(train)
            .map_err(|error| ProcessError::Thread {
                reason: format!("no thread for training: {error}"),
            })?;
        let gone = Some(gone);
        Ok(Self {
            thread,
            spent,
            gone,
        })
    }

    /// Ends when the thread has ended, however that came.
    pub(crate) fn gone(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let gone = self.gone.take();
        async move {
            match gone {
                // Nobody sends anything: it is closed.
                Some(gone) => drop(gone.await),
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until this process is of no more use, and says why. Its end is what tells the coordinator, which starts
    /// another one if it started this.
    pub(crate) async fn spent(&mut self) -> WorkerError {
        match (&mut self.spent).await {
            Ok(error) => error,
            // The thread has ended in another way, and has said how.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for the thread to end; one that hangs ends with the process.
    pub(crate) async fn join(self) {
        let mut looks = tokio::time::interval(EXIT_TIMEOUT / LOOKS);
        for _ in 0..LOOKS {
            if self.thread.is_finished() {
                break;
            }
            looks.tick().await;
        }
        if !self.thread.is_finished() {
            return tracing::warn!("the training thread did not stop; abandoning it");
        }
        // How it ended was told at that moment.
        let _ = self.thread.join();
    }
}

fn follow<T: Task>(
    start: Start,
    commands: &Receiver<Command>,
    spent: oneshot::Sender<WorkerError>,
) {
    let outbox = start.links.outbox.clone();
    let signals = Arc::clone(&start.links.signals);
    let mut session = match Session::<T>::open(start) {
        Ok(session) => session,
        Err(error) => {
            return outbox.send(From::Unfit(pb::Unfit {
                reason: one_line(&error),
                generation: None,
            }));
        }
    };
    while let Ok(command) = commands.recv() {
        match command {
            Command::Prepare(generation) => {
                let held = session.training.held_step();
                outbox.send(From::Prepared(pb::Prepared { generation, held }));
            }
            Command::Begin {
                assignment,
                figures_until,
                mesh_key,
                trace,
            } => {
                let generation = assignment.generation.get();
                session.trace = Trace::of(&assignment, &trace);
                let ended = session.train(&assignment, &mesh_key, figures_until);
                signals.activity.enter(Phase::Idle);
                let ended = match ended {
                    Err(error) if error.needs_new_process() => {
                        // Nobody waits for it once the worker is at its end anyway.
                        let _ = spent.send(error);
                        return;
                    }
                    ended => ended,
                };
                let report = report(generation, ended);
                if let Some(report) = report.filter(|_| !signals.is_superseded(generation)) {
                    outbox.send_durable(report);
                }
            }
        }
    }
}

/// How a generation ended, in the coordinator's terms; it knows of a group that left at its own bidding.
fn report(generation: u64, ended: Result<Ending, WorkerError>) -> Option<From> {
    Some(match ended {
        Ok(Ending::Left) => return None,
        Ok(Ending::Finished { weights_digest }) => From::Finished(pb::Finished {
            generation,
            weights_digest,
        }),
        Ok(Ending::Drained { step }) => From::Drained(pb::Drained { generation, step }),
        Err(error) => from_error(generation, &error),
    })
}

fn from_error(generation: u64, error: &WorkerError) -> From {
    let reason = one_line(error);
    match error.fault() {
        Fault::Group => From::GroupBroken(pb::GroupBroken {
            generation,
            reason,
            accused: error.accused(),
        }),
        Fault::Checkpoint(id) => From::Damaged(pb::Damaged {
            generation,
            checkpoint: Some(pb::Checkpoint {
                step: id.step.get(),
                generation: id.generation.get(),
            }),
            reason,
        }),
        Fault::Worker => From::Unfit(pb::Unfit {
            reason,
            generation: Some(generation),
        }),
        Fault::Run => From::Failed(pb::Failed { reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_collective::{CollectiveError, NcclError};
    use fratmae_trainer::TrainError;

    #[test]
    fn a_drained_generation_is_reported_with_its_step() {
        let report = report(3, Ok(Ending::Drained { step: 8 }));
        assert_eq!(
            report,
            Some(From::Drained(pb::Drained {
                generation: 3,
                step: 8
            }))
        );
    }

    #[test]
    fn an_error_that_a_new_generation_would_not_mend_is_a_failure() {
        let error = TrainError::NotFinite {
            what: "loss",
            step: 4,
            blame: "slot 1 with a, b".to_owned(),
        };
        let Some(From::Failed(failed)) = report(1, Err(error.into())) else {
            panic!("a failure")
        };
        assert!(failed.reason.contains("step 4"), "{}", failed.reason);
    }

    #[test]
    fn a_group_that_lacks_what_the_job_demands_ends_the_run_and_a_stuck_device_the_process() {
        let reason = "rank 1 offers TCP alone".to_owned();
        let error = CollectiveError::from(NcclError::Disunited { reason });
        let Some(From::Failed(failed)) = report(1, Err(error.into())) else {
            panic!("a failure")
        };
        assert!(failed.reason.contains("rank 1"), "{}", failed.reason);
        let stuck = NcclError::Stuck {
            cause: "all_reduce 4".to_owned(),
            waited: Duration::from_secs(5),
        };
        let stuck = WorkerError::from(CollectiveError::from(stuck));
        assert!(stuck.needs_new_process());
        assert!(!WorkerError::from(CollectiveError::Aborted).needs_new_process());
    }
}
