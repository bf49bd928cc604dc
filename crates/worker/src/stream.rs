//! The control stream: registers, keeps beating, and passes the coordinator's orders to the training thread.

use crate::error::WorkerError;
use crate::outbox::Outbox;
use crate::reach::Wait;
use crate::shared::Shared;
use fratmae_control::Assignment;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_protocol::pb::to_worker::Message as To;
use fratmae_protocol::{connect, pb};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Messages to the coordinator that may wait.
const OUTBOX: usize = 1024;
/// How often it is tried.
const EVERY: Duration = Duration::from_millis(500);

/// What the training thread is told to do, in the order the coordinator said it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// Answer that the old group has been left.
    Prepare(u64),
    /// Train in a new group.
    Begin {
        assignment: Box<Assignment>,
        /// The newest step whose figures the coordinator has.
        figures_until: u64,
    },
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The coordinator said stop, and the run or this worker did well.
    Stopped {
        /// Whether the run was stopped as it was asked to, and goes on when it is run again.
        is_resumable: bool,
    },
    /// The coordinator is gone.
    Lost,
}

/// An open stream before its first order.
pub(crate) struct Stream {
    pub(crate) welcome: pb::Welcome,
    orders: Streaming<pb::ToWorker>,
}

impl Stream {
    /// Connects to a coordinator that takes connections, patiently, and registers; its first answer is the job.
    pub(crate) async fn open(
        address: &str,
        register: &pb::Register,
        outbox: &Outbox,
        wait: &mut Wait,
    ) -> Result<Self, WorkerError> {
        let mut tries = tokio::time::interval(EVERY);
        tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tries.tick().await;
            match wait
                .for_answer(Self::try_open(address, register, outbox))
                .await
            {
                Some(Err(WorkerError::Unreachable { reason, .. })) => wait.failed(&reason)?,
                Some(outcome) => return outcome,
                None => wait.failed("it takes the connection and does not answer")?,
            }
        }
    }

    /// Connects and registers, or not.
    pub(crate) async fn try_open(
        address: &str,
        register: &pb::Register,
        outbox: &Outbox,
    ) -> Result<Self, WorkerError> {
        let client = connect(address).await;
        let mut client = client.map_err(|error| unreachable(address, &error.to_string()))?;
        let (sender, receiver) = mpsc::channel(OUTBOX);
        let register = From::Register(outbox.register(register));
        let first = pb::FromWorker {
            message: Some(register),
        };
        // The channel is new and has room.
        let _ = sender.try_send(first);
        let refused = |status: tonic::Status| unreachable(address, status.message());
        let mut orders = client
            .attend(ReceiverStream::new(receiver))
            .await
            .map_err(refused)?
            .into_inner();
        let welcome = welcome(address, orders.next().await)?;
        outbox.connect(sender);
        outbox.repeat(&welcome);
        Ok(Self { welcome, orders })
    }

    /// Passes orders on until the coordinator says stop or is gone; beats all the while.
    ///
    /// # Errors
    /// `Stopped` if the run or this worker failed.
    pub(crate) async fn follow(
        mut self,
        heartbeat: Duration,
        shared: &Shared,
        outbox: &Outbox,
        orders: &SyncSender<Order>,
    ) -> Result<End, WorkerError> {
        let mut beats = tokio::time::interval(heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let order = tokio::select! {
                _ = beats.tick() => {
                    let beat = shared.activity.heartbeat();
                    shared.tell_slow(&beat);
                    outbox.say(From::Heartbeat(beat));
                    continue;
                }
                order = self.orders.next() => order,
            };
            let Some(Ok(pb::ToWorker { message })) = order else {
                return Ok(End::Lost);
            };
            // A coordinator of another version may say what this one does not know.
            let Some(message) = message else { continue };
            match message {
                To::Welcome(_) => {}
                To::Prepare(prepare) => {
                    if prepare.after_the_step {
                        shared.announce(prepare.generation);
                    } else {
                        shared.break_off(prepare.generation);
                    }
                    pass(orders, Order::Prepare(prepare.generation))?;
                }
                To::Begin(begin) => pass(orders, begun(begin, shared)?)?,
                To::Committed(committed) => outbox.forget(committed.step),
                To::Waiting(waiting) => shared.tell(&told(&waiting)),
                To::Drain(_) => shared.drain(),
                To::Save(_) => shared.save(),
                To::Stop(stop) if stop.failed => {
                    return Err(WorkerError::Stopped {
                        reason: stop.reason,
                    });
                }
                To::Stop(stop) => {
                    let is_resumable = stop.is_resumable;
                    return Ok(End::Stopped { is_resumable });
                }
            }
        }
    }
}

/// The order to train in a group, of which whoever started this worker is told.
fn begun(begin: pb::Begin, shared: &Shared) -> Result<Order, WorkerError> {
    let figures_until = begin.figures_until;
    let assignment: Box<Assignment> = Box::new(begin.try_into()?);
    shared.tell(&format!(
        "rank {} of {} in generation {}, from step {}",
        assignment.rank,
        assignment.seats.len(),
        assignment.generation,
        assignment.source.step()
    ));
    Ok(Order::Begin {
        assignment,
        figures_until,
    })
}

/// What a worker without a seat waits for, in words.
fn told(waiting: &pb::Waiting) -> String {
    let pb::Waiting {
        registered, wanted, ..
    } = waiting;
    match (waiting.stands_by, wanted.saturating_sub(*registered)) {
        (true, _) => {
            format!("standing by: no seat is free (--workers {wanted})")
        }
        (false, 0) => {
            format!("registered as the last of {registered}; the run is about to begin")
        }
        (false, missing) => {
            format!(
                "registered; {registered} of {wanted} workers are here, waiting for {missing} more"
            )
        }
    }
}

fn welcome(
    address: &str,
    first: Option<Result<pb::ToWorker, tonic::Status>>,
) -> Result<pb::Welcome, WorkerError> {
    match first {
        Some(Ok(pb::ToWorker {
            message: Some(To::Welcome(welcome)),
        })) => Ok(welcome),
        Some(Ok(pb::ToWorker {
            message: Some(To::Stop(stop)),
        })) => Err(WorkerError::Stopped {
            reason: stop.reason,
        }),
        _ => Err(unreachable(address, "it closed the stream at once")),
    }
}

/// The training thread outlives the stream; if it has ended, it has said why.
fn pass(orders: &SyncSender<Order>, order: Order) -> Result<(), WorkerError> {
    match orders.try_send(order) {
        Ok(()) => Ok(()),
        Err(TrySendError::Disconnected(_)) => {
            tracing::debug!("the training thread has ended");
            Ok(())
        }
        Err(TrySendError::Full(_)) => Err(WorkerError::Stuck),
    }
}

fn unreachable(address: &str, reason: &str) -> WorkerError {
    WorkerError::Unreachable {
        address: address.to_owned(),
        reason: reason.to_owned(),
        patience: None,
    }
}
