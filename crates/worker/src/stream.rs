//! The control stream: registers, keeps beating, and passes the coordinator's commands to the training thread.

use crate::error::{ConnectionError, ProcessError, WorkerError};
use crate::outbox::Outbox;
use crate::run::Ended;
use crate::signals::Signals;
use fratmae_control::{Assignment, Parting};
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_protocol::pb::to_worker::Message as To;
use fratmae_protocol::{cause, connect, pb};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Messages to the coordinator that may wait.
const OUTBOX: usize = 1024;
/// How long the coordinator may take to have heard the last that a worker says.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the training thread must do, in the order in which the coordinator sent it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Answer that the old group has been left.
    Prepare(u64),
    /// Train in a new group.
    Begin {
        assignment: Box<Assignment>,
        /// The newest step whose figures the coordinator has.
        figures_until: u64,
        /// By which the members know each other.
        mesh_key: String,
        /// Of the coordinator's decision.
        trace: String,
    },
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The coordinator said stop, and the run or this worker did well.
    Stopped(Ended),
    /// The coordinator is gone.
    Lost,
}

/// An open stream before its first command.
pub(crate) struct Stream {
    /// Where the coordinator is.
    pub(crate) address: String,
    pub(crate) welcome: pb::Welcome,
    commands: Streaming<pb::ToWorker>,
}

impl Stream {
    /// Connects and registers, or not.
    pub(crate) async fn try_open(
        address: &str,
        register: &pb::Register,
        outbox: &Outbox,
    ) -> Result<Self, ConnectionError> {
        let client = connect(address).await;
        let mut client = client.map_err(|error| unreachable(address, &error.to_string()))?;
        let (sender, receiver) = mpsc::channel(OUTBOX);
        let register = From::Register(outbox.register(register));
        let first = pb::FromWorker {
            message: Some(register),
        };
        // The channel is new and has room.
        let _ = sender.try_send(first);
        let refused = |status: tonic::Status| unreachable(address, &cause(&status));
        let mut commands = client
            .attend(ReceiverStream::new(receiver))
            .await
            .map_err(refused)?
            .into_inner();
        let welcome = welcome(address, commands.next().await)?;
        outbox.connect(sender);
        outbox.resend_all(&welcome);
        Ok(Self {
            address: address.to_owned(),
            welcome,
            commands,
        })
    }

    /// Passes commands on until the coordinator says stop or is gone; beats all the while.
    ///
    /// # Errors
    /// `Stopped` if the run or this worker failed.
    pub(crate) async fn follow(
        &mut self,
        heartbeat: Duration,
        signals: &Signals,
        outbox: &Outbox,
        commands: &SyncSender<Command>,
    ) -> Result<End, WorkerError> {
        let mut beats = tokio::time::interval(heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let command = tokio::select! {
                _ = beats.tick() => {
                    let beat = signals.activity.heartbeat();
                    signals.report_slow(&beat);
                    outbox.send(From::Heartbeat(beat));
                    continue;
                }
                command = self.commands.next() => command,
            };
            let Some(Ok(pb::ToWorker { message })) = command else {
                return Ok(End::Lost);
            };
            // A coordinator of another version may say what this one does not know.
            let Some(message) = message else { continue };
            match message {
                To::Welcome(_) => {}
                To::Prepare(prepare) => {
                    if prepare.after_the_step {
                        signals.announce(prepare.generation);
                    } else {
                        signals.break_off(prepare.generation);
                    }
                    pass(commands, Command::Prepare(prepare.generation))?;
                }
                To::Begin(mut begin) => {
                    let secret = std::mem::take(&mut begin.secret);
                    outbox.keep_secret(begin.generation, secret);
                    pass(commands, begun(begin, signals)?)?;
                }
                To::Committed(committed) => outbox.forget(committed.step),
                To::Waiting(waiting) => {
                    signals.activity.stand_by(waiting.stands_by);
                    signals.report(&waiting_line(&waiting));
                }
                To::Drain(_) => signals.drain(),
                To::Save(_) => signals.save(),
                To::Stop(stop) => return Ok(End::Stopped(ended(stop)?)),
            }
        }
    }

    /// Says last where the process's time went, and waits until the coordinator has heard it or is gone.
    pub(crate) async fn take_leave(&mut self, signals: &Signals, outbox: &Outbox) {
        outbox.close_with(From::Heartbeat(signals.activity.heartbeat()));
        let heard = async { while let Some(Ok(_)) = self.commands.next().await {} };
        if tokio::time::timeout(LAST_WORDS, heard).await.is_err() {
            tracing::debug!("the coordinator has not heard the last words");
        }
    }
}

/// How this worker ends that is told to stop.
///
/// # Errors
/// `Stopped` if the run or this worker failed.
fn ended(stop: pb::Stop) -> Result<Ended, ConnectionError> {
    let parting: Parting = stop.parting().into();
    match parting {
        Parting::Finished => Ok(Ended::Finished),
        Parting::Left => Ok(Ended::Left),
        Parting::Stopped => Ok(Ended::Stopped),
        Parting::Replaced | Parting::Unfit | Parting::Failed | Parting::Refused => {
            let reason = stop.reason;
            Err(ConnectionError::Stopped { reason, parting })
        }
    }
}

/// The command to train in a group, of which whoever started this worker is told.
fn begun(mut begin: pb::Begin, signals: &Signals) -> Result<Command, WorkerError> {
    let figures_until = begin.figures_until;
    let mesh_key = std::mem::take(&mut begin.mesh_key);
    let trace = std::mem::take(&mut begin.trace);
    let assignment: Box<Assignment> = Box::new(begin.try_into()?);
    signals.report(&format!(
        "rank {} of {} in generation {}, from step {}",
        assignment.rank,
        assignment.seats.len(),
        assignment.generation,
        assignment.source.step()
    ));
    Ok(Command::Begin {
        assignment,
        figures_until,
        mesh_key,
        trace,
    })
}

/// What a worker without a seat waits for, in words.
fn waiting_line(waiting: &pb::Waiting) -> String {
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
) -> Result<pb::Welcome, ConnectionError> {
    match first {
        Some(Ok(pb::ToWorker {
            message: Some(To::Welcome(welcome)),
        })) => Ok(welcome),
        Some(Ok(pb::ToWorker {
            message: Some(To::Stop(stop)),
        })) => Err(ConnectionError::Stopped {
            parting: stop.parting().into(),
            reason: stop.reason,
        }),
        _ => Err(unreachable(address, "it closed the stream at once")),
    }
}

/// The training thread outlives the stream; if it has ended, it has said why.
fn pass(commands: &SyncSender<Command>, command: Command) -> Result<(), ProcessError> {
    match commands.try_send(command) {
        Ok(()) => Ok(()),
        Err(TrySendError::Disconnected(_)) => {
            tracing::debug!("the training thread has ended");
            Ok(())
        }
        Err(TrySendError::Full(_)) => Err(ProcessError::Stuck),
    }
}

pub(crate) fn unreachable(address: &str, reason: &str) -> ConnectionError {
    ConnectionError::Unreachable {
        address: address.to_owned(),
        reason: reason.to_owned(),
        patience: None,
    }
}
