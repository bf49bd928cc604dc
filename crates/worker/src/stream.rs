//! The control stream: registers, keeps beating, and passes the coordinator's orders to the training thread.

use crate::error::WorkerError;
use crate::shared::Shared;
use fratmae_control::Assignment;
use fratmae_protocol::pb;
use fratmae_protocol::pb::coordination_client::CoordinationClient;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_protocol::pb::to_worker::Message as To;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Messages to the coordinator that may wait.
const OUTBOX: usize = 256;
/// How long a coordinator may take to be reachable.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tries within that time.
const TRIES: u32 = 20;

/// What the training thread is told to do, in the order the coordinator said it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// Answer that the old group has been left.
    Prepare(u64),
    /// Train in a new group.
    Begin(Box<Assignment>),
}

/// The way to the coordinator, usable from any thread.
#[derive(Clone)]
pub(crate) struct Outbox(mpsc::Sender<pb::FromWorker>);

impl Outbox {
    /// Queues a message from the training thread. A stream that is gone is found by whoever reads it.
    pub(crate) fn say(&self, message: From) {
        let _ = self.0.blocking_send(pb::FromWorker {
            message: Some(message),
        });
    }

    /// Queues a message from a task of the runtime.
    pub(crate) async fn say_later(&self, message: From) {
        let _ = self
            .0
            .send(pb::FromWorker {
                message: Some(message),
            })
            .await;
    }
}

/// An open stream before its first order.
pub(crate) struct Stream {
    pub(crate) outbox: Outbox,
    pub(crate) welcome: pb::Welcome,
    address: String,
    orders: Streaming<pb::ToWorker>,
}

impl Stream {
    /// Connects and registers; the coordinator's first answer is the job.
    pub(crate) async fn open(address: &str, register: pb::Register) -> Result<Self, WorkerError> {
        let mut client = connect(address).await?;
        let (sender, receiver) = mpsc::channel(OUTBOX);
        let outbox = Outbox(sender);
        outbox.say_later(From::Register(register)).await;
        let unreachable = |status: tonic::Status| unreachable(address, status.message());
        let mut orders = client
            .attend(ReceiverStream::new(receiver))
            .await
            .map_err(unreachable)?
            .into_inner();
        let welcome = match orders.next().await {
            Some(Ok(pb::ToWorker {
                message: Some(To::Welcome(welcome)),
            })) => welcome,
            Some(Ok(pb::ToWorker {
                message: Some(To::Stop(stop)),
            })) => {
                return Err(WorkerError::Stopped {
                    reason: stop.reason,
                });
            }
            _ => {
                return Err(WorkerError::CoordinatorLost {
                    address: address.to_owned(),
                });
            }
        };
        Ok(Self {
            outbox,
            welcome,
            address: address.to_owned(),
            orders,
        })
    }

    /// Passes orders on until the coordinator says stop; beats all the while.
    ///
    /// # Errors
    /// `Stopped` if the run or this worker failed, `CoordinatorLost` if the stream ends without a stop.
    pub(crate) async fn follow(
        mut self,
        heartbeat: Duration,
        shared: Arc<Shared>,
        orders: SyncSender<Order>,
    ) -> Result<(), WorkerError> {
        let mut beats = tokio::time::interval(heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let order = tokio::select! {
                _ = beats.tick() => {
                    self.outbox.say_later(From::Heartbeat(pb::Heartbeat::default())).await;
                    continue;
                }
                order = self.orders.next() => order,
            };
            let Some(Ok(pb::ToWorker {
                message: Some(message),
            })) = order
            else {
                return Err(WorkerError::CoordinatorLost {
                    address: self.address,
                });
            };
            match message {
                To::Welcome(_) => {}
                To::Prepare(prepare) => {
                    shared.announce(prepare.generation);
                    pass(&orders, Order::Prepare(prepare.generation))?;
                }
                To::Begin(begin) => pass(&orders, Order::Begin(Box::new(begin.try_into()?)))?,
                To::Drain(_) => shared.drain(),
                To::Stop(stop) if stop.failed => {
                    return Err(WorkerError::Stopped {
                        reason: stop.reason,
                    });
                }
                To::Stop(_) => return Ok(()),
            }
        }
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

/// A coordinator that is only just starting gets a few tries.
async fn connect(
    address: &str,
) -> Result<CoordinationClient<tonic::transport::Channel>, WorkerError> {
    let endpoint = tonic::transport::Endpoint::from_shared(address.to_owned())
        .map_err(|error| unreachable(address, &error.to_string()))?
        .connect_timeout(PATIENCE)
        .tcp_nodelay(true);
    let mut waits = tokio::time::interval(PATIENCE / TRIES);
    let mut last = String::new();
    for _ in 0..TRIES {
        waits.tick().await;
        match endpoint.connect().await {
            Ok(channel) => return Ok(CoordinationClient::new(channel)),
            Err(error) => last = innermost(&error),
        }
    }
    Err(unreachable(address, &last))
}

fn unreachable(address: &str, reason: &str) -> WorkerError {
    WorkerError::Unreachable {
        address: address.to_owned(),
        reason: reason.to_owned(),
    }
}

/// tonic says only "transport error"; the cause is at the end of its chain.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
