//! The gRPC side: every worker's stream becomes events in one bounded inbox, and its orders go back.
//! Decides nothing.

use crate::clock::unix_us;
use fratmae_control::WorkerId;
use fratmae_observe::Snapshot;
use fratmae_protocol::pb::coordination_server::Coordination;
use fratmae_protocol::pb::to_worker::Message as To;
use fratmae_protocol::{Caller, Charge, Inflow, Stay, pb};
use fratmae_trust::Action;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

/// Orders a worker may have waiting; more means that it no longer reads.
pub(crate) const OUTBOX: usize = 64;
/// How long a worker may take to close its stream once it was told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How long the next snapshot may be under way: one is taken twice a second while somebody looks.
const SNAPSHOT: Duration = Duration::from_secs(2);

/// The stream to one worker.
pub(crate) type Outbox = mpsc::Sender<Result<pb::ToWorker, Status>>;

/// What arrives on a worker's stream.
pub(crate) enum Arrival {
    /// The stream is open: orders go to this outbox, and what comes in is bounded there.
    Opened(WorkerId, Outbox, Inflow),
    /// A message came.
    Message(WorkerId, Box<pb::FromWorker>),
    /// The stream is closed.
    Closed(WorkerId),
    /// Somebody wants a checkpoint of now, and the step that it holds.
    Save(oneshot::Sender<u64>),
}

/// What waits in the inbox, and the room that it has in memory until it is dealt with.
pub(crate) struct Delivery {
    pub(crate) arrival: Arrival,
    _charge: Option<Charge>,
}

impl From<Arrival> for Delivery {
    fn from(arrival: Arrival) -> Self {
        Self {
            arrival,
            _charge: None,
        }
    }
}

/// The service that tonic drives.
pub(crate) struct Service {
    inbox: mpsc::Sender<Delivery>,
    next_worker: AtomicU64,
    status: watch::Receiver<pb::StatusReply>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    run_id: String,
    version: String,
}

impl Service {
    pub(crate) fn new(
        (run_id, version): (String, String),
        inbox: mpsc::Sender<Delivery>,
        status: watch::Receiver<pb::StatusReply>,
        snapshots: watch::Sender<Arc<Snapshot>>,
    ) -> Self {
        Self {
            inbox,
            next_worker: AtomicU64::new(1),
            status,
            snapshots,
            run_id,
            version,
        }
    }
}

#[tonic::async_trait]
impl Coordination for Service {
    type AttendStream = Pin<Box<dyn Stream<Item = Result<pb::ToWorker, Status>> + Send>>;

    async fn attend(
        &self,
        request: Request<Streaming<pb::FromWorker>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        permit(&request, Action::Attend)?;
        let worker = WorkerId::new(self.next_worker.fetch_add(1, Ordering::Relaxed));
        let (outbox, orders) = mpsc::channel(OUTBOX);
        let (heard_last, last_heard) = oneshot::channel();
        let incoming = Messages {
            worker,
            inflow: request.extensions().get().cloned().unwrap_or_default(),
            caller: request.extensions().get().cloned(),
            is_told_to_stop: Arc::default(),
            inbox: self.inbox.clone(),
            complaints: outbox.downgrade(),
            heard_last,
        };
        let over = |_| Status::unavailable("the run has ended");
        self.inbox
            .send(Arrival::Opened(worker, outbox, incoming.inflow.clone()).into())
            .await
            .map_err(over)?;
        let is_told_to_stop = incoming.is_told_to_stop.clone();
        let is_told = Arc::new(AtomicBool::new(false));
        let was_told = Arc::clone(&is_told);
        let orders = ReceiverStream::new(orders).map(move |order| {
            if let Some(To::Stop(_)) = message(&order) {
                was_told.store(true, Ordering::Relaxed);
                is_told_to_stop.notify_one();
            }
            order
        });
        // A worker that was told to stop says its last and waits until that is heard.
        let orders = futures::StreamExt::take_until(orders, async move {
            if last_heard.await.is_err() || !is_told.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        });
        tokio::spawn(incoming.pass_on(request.into_inner()));
        Ok(Response::new(Box::pin(orders)))
    }

    async fn status(
        &self,
        request: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::StatusReply>, Status> {
        permit(&request, Action::Ask)?;
        let _stay = stay(&request);
        Ok(Response::new(self.status.borrow().clone()))
    }

    async fn save(
        &self,
        request: Request<pb::SaveRequest>,
    ) -> Result<Response<pb::SaveReply>, Status> {
        permit(&request, Action::Order)?;
        let _stay = stay(&request);
        if request.into_inner().run_id != self.run_id {
            return Err(Status::failed_precondition("it leads another run"));
        }
        let over = || Status::unavailable("the run ended before it was durable");
        let (reply, saved) = oneshot::channel();
        let asked = self.inbox.send(Arrival::Save(reply).into()).await;
        asked.map_err(|_| over())?;
        let step = saved.await.map_err(|_| over())?;
        Ok(Response::new(pb::SaveReply { step }))
    }

    async fn observe(
        &self,
        request: Request<pb::ObserveRequest>,
    ) -> Result<Response<pb::ObserveReply>, Status> {
        permit(&request, Action::Observe)?;
        let _stay = stay(&request);
        let mut snapshots = self.snapshots.subscribe();
        let late = |_| Status::unavailable("no snapshot was taken in time");
        let newer = timeout(SNAPSHOT, snapshots.changed()).await;
        let over = |_| Status::unavailable("the run has ended");
        newer.map_err(late)?.map_err(over)?;
        let snapshot = Arc::clone(&snapshots.borrow());
        let snapshot = serde_json::to_string(&*snapshot);
        let snapshot = snapshot.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(pb::ObserveReply { snapshot }))
    }

    async fn clock(
        &self,
        request: Request<pb::ClockRequest>,
    ) -> Result<Response<pb::ClockReply>, Status> {
        permit(&request, Action::Ask)?;
        let _stay = stay(&request);
        let unix_us = unix_us();
        let version = self.version.clone();
        Ok(Response::new(pb::ClockReply { unix_us, version }))
    }
}

/// Lets the sender of a request ask for something, if it may.
fn permit<T>(request: &Request<T>, action: Action) -> Result<(), Status> {
    let caller: Option<&Caller> = request.extensions().get();
    let nobody = || Status::unauthenticated("it came over no connection");
    caller.ok_or_else(nobody)?.permit(action)
}

/// Keeps the connection of a request open.
fn stay<T>(request: &Request<T>) -> Option<Stay> {
    request.extensions().get().map(Caller::stay)
}

fn message(order: &Result<pb::ToWorker, Status>) -> Option<&To> {
    order.as_ref().ok()?.message.as_ref()
}

/// The way of a worker's messages to the inbox.
struct Messages {
    worker: WorkerId,
    inflow: Inflow,
    caller: Option<Caller>,
    is_told_to_stop: Arc<Notify>,
    inbox: mpsc::Sender<Delivery>,
    /// Where the sender is told why it is not heard any more.
    complaints: mpsc::WeakSender<Result<pb::ToWorker, Status>>,
    /// Tells the sender that all it said is in the inbox, if it said that nothing follows.
    heard_last: oneshot::Sender<()>,
}

impl Messages {
    /// Passes messages on until the stream ends; a full inbox slows the worker down.
    async fn pass_on(self, mut messages: Streaming<pb::FromWorker>) {
        let ended = async {
            self.is_told_to_stop.notified().await;
            timeout(GRACE, std::future::pending::<()>()).await
        };
        let is_at_its_end = tokio::select! {
            is_at_its_end = self.pass_all_on(&mut messages) => is_at_its_end,
            _ = ended => false,
        };
        if is_at_its_end {
            // Who does not listen need not know.
            let _ = self.heard_last.send(());
        }
        // A closed inbox means that the run has ended: nobody is left to tell.
        let _ = self.inbox.send(Arrival::Closed(self.worker).into()).await;
    }

    /// Says whether the worker has said all that it has to say.
    async fn pass_all_on(&self, messages: &mut Streaming<pb::FromWorker>) -> bool {
        let mut stay = None;
        while let Some(message) = messages.next().await {
            let message = match message {
                Ok(message) => message,
                Err(status) => {
                    tracing::debug!(worker = self.worker.get(), %status, "stream refused");
                    if let Some(complaints) = self.complaints.upgrade() {
                        // Whoever has not read the orders before need not read this.
                        let _ = complaints.try_send(Err(status));
                    }
                    return false;
                }
            };
            // One that says nothing keeps no connection open.
            stay = stay.or_else(|| self.caller.as_ref().map(Caller::stay));
            let delivery = Delivery {
                arrival: Arrival::Message(self.worker, Box::new(message)),
                _charge: self.inflow.charge(),
            };
            if self.inbox.send(delivery).await.is_err() {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod keyed;
#[cfg(test)]
mod tests;
