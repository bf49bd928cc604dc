//! The gRPC side: every worker's stream becomes events in one bounded inbox, and its orders go back.
//! Decides nothing.

use crate::clock::unix_us;
use fratmae_control::WorkerId;
use fratmae_protocol::pb;
use fratmae_protocol::pb::coordination_server::Coordination;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

/// Orders a worker may have waiting; more means that it no longer reads.
const OUTBOX: usize = 64;

/// The stream to one worker.
pub(crate) type Outbox = mpsc::Sender<Result<pb::ToWorker, Status>>;

/// What arrives on a worker's stream.
pub(crate) enum Arrival {
    /// The stream is open, and orders go to this outbox.
    Opened(WorkerId, Outbox),
    /// A message came.
    Message(WorkerId, Box<pb::FromWorker>),
    /// The stream is closed.
    Closed(WorkerId),
    /// Somebody wants a checkpoint of now, and the step that it holds.
    Save(oneshot::Sender<u64>),
}

/// The service that tonic drives.
pub(crate) struct Service {
    inbox: mpsc::Sender<Arrival>,
    next_worker: AtomicU64,
    status: watch::Receiver<pb::StatusReply>,
    run_id: String,
}

impl Service {
    pub(crate) fn new(
        run_id: String,
        inbox: mpsc::Sender<Arrival>,
        status: watch::Receiver<pb::StatusReply>,
    ) -> Self {
        Self {
            inbox,
            next_worker: AtomicU64::new(1),
            status,
            run_id,
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
        let worker = WorkerId::new(self.next_worker.fetch_add(1, Ordering::Relaxed));
        let (outbox, orders) = mpsc::channel(OUTBOX);
        let inbox = self.inbox.clone();
        let over = |_| Status::unavailable("the run has ended");
        inbox
            .send(Arrival::Opened(worker, outbox))
            .await
            .map_err(over)?;
        tokio::spawn(forward(worker, request.into_inner(), inbox));
        Ok(Response::new(Box::pin(ReceiverStream::new(orders))))
    }

    async fn status(
        &self,
        _: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::StatusReply>, Status> {
        Ok(Response::new(self.status.borrow().clone()))
    }

    async fn save(
        &self,
        request: Request<pb::SaveRequest>,
    ) -> Result<Response<pb::SaveReply>, Status> {
        if request.into_inner().run_id != self.run_id {
            return Err(Status::failed_precondition("it leads another run"));
        }
        let over = || Status::unavailable("the run ended before it was durable");
        let (reply, saved) = oneshot::channel();
        let asked = self.inbox.send(Arrival::Save(reply)).await;
        asked.map_err(|_| over())?;
        let step = saved.await.map_err(|_| over())?;
        Ok(Response::new(pb::SaveReply { step }))
    }

    async fn clock(
        &self,
        _: Request<pb::ClockRequest>,
    ) -> Result<Response<pb::ClockReply>, Status> {
        let unix_us = unix_us();
        Ok(Response::new(pb::ClockReply { unix_us }))
    }
}

/// Passes a worker's messages on until its stream ends; a full inbox slows the worker down.
async fn forward(
    worker: WorkerId,
    mut messages: Streaming<pb::FromWorker>,
    inbox: mpsc::Sender<Arrival>,
) {
    while let Some(Ok(message)) = messages.next().await {
        let arrival = Arrival::Message(worker, Box::new(message));
        if inbox.send(arrival).await.is_err() {
            return;
        }
    }
    // A closed inbox means that the run has ended: nobody is left to tell.
    let _ = inbox.send(Arrival::Closed(worker)).await;
}
