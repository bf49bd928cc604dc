//! A coordinator without its network: it hears what it is handed, so that tests can see what it makes of any message.

use crate::addresses::Addresses;
use crate::error::CoordinatorError;
use crate::event::EventSink;
use crate::job::Job;
use crate::opening::{Opening, open};
use crate::run::begin;
use crate::runtime::{Outlets, Place, Runtime};
use crate::service::OUTBOX;
use fratmae_control::{Departure, Event, WorkerId};
use fratmae_protocol::{Inflow, pb};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tonic::Status;

type Orders = mpsc::Receiver<Result<pb::ToWorker, Status>>;

/// A run that is led, and the streams that are open.
pub struct Ear {
    runtime: Runtime,
    streams: BTreeMap<WorkerId, Orders>,
}

impl Ear {
    /// Opens a run that is not finished.
    ///
    /// # Errors
    /// As for [`crate::run`].
    ///
    /// # Panics
    /// Where the run is finished.
    pub async fn open(mut job: Job, listener: &TcpListener) -> Result<Self, CoordinatorError> {
        let addresses = Addresses::of(listener, &job.config.coordinator.advertise)?;
        let (events, _) = broadcast::channel(1);
        let events = EventSink::new(events);
        let address = addresses.advertised.url();
        let Opening::Open(opened) = open(&mut job, &address, &events).await? else {
            panic!("a finished run hears nobody");
        };
        let place = Place {
            addresses,
            has_own_workers: false,
            started: Instant::now(),
        };
        let outlets = Outlets {
            events,
            status: watch::Sender::default(),
            snapshots: watch::Sender::default(),
        };
        Ok(Self {
            runtime: begin(job, *opened, place, outlets),
            streams: BTreeMap::new(),
        })
    }

    /// Takes a message in from a worker's stream, which opens with its first one.
    ///
    /// # Errors
    /// The store's.
    pub async fn hear(
        &mut self,
        worker: u64,
        message: pb::FromWorker,
    ) -> Result<(), CoordinatorError> {
        let worker = WorkerId::new(worker);
        if let Entry::Vacant(stream) = self.streams.entry(worker) {
            let (outbox, orders) = mpsc::channel(OUTBOX);
            stream.insert(orders);
            self.runtime.open(worker, outbox, Inflow::default());
        }
        self.runtime.hear(worker, message).await
    }

    /// A worker's stream closes.
    ///
    /// # Errors
    /// The store's.
    pub async fn close(&mut self, worker: u64) -> Result<(), CoordinatorError> {
        let worker = WorkerId::new(worker);
        self.streams.remove(&worker);
        self.runtime.close(worker);
        let departure = Departure::StreamClosed;
        let departed = Event::Departed { worker, departure };
        self.runtime.handle(departed).await
    }

    /// Something else happens.
    ///
    /// # Errors
    /// The store's.
    pub async fn handle(&mut self, event: Event) -> Result<(), CoordinatorError> {
        self.runtime.handle(event).await
    }

    /// Whether the run is over.
    pub const fn has_ended(&self) -> bool {
        self.runtime.verdict().is_some()
    }
}
