//! What arrives on workers' streams: a registration is weighed, and everything else is kept and passed on only as far as
//! `control` admits it.

use super::Runtime;
use crate::admission::NAME;
use crate::error::CoordinatorError;
use crate::event::RunEvent;
use crate::service::Outbox;
use fratmae_control::{Event, Parting, WorkerId};
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_protocol::pb::to_worker::Message as To;
use fratmae_protocol::{Inflow, event_of, pb, shown};

/// A worker's stream, and what is known of whoever is at its other end.
pub(super) struct Stream {
    pub(super) outbox: Outbox,
    /// What its messages are bounded by.
    inflow: Inflow,
    /// Whether it was told the job.
    has_job: bool,
    /// What it says of who started it.
    pub(super) launch: Option<pb::Launch>,
    /// Whether it showed that it had a seat before.
    is_member: bool,
}

impl Stream {
    pub(super) const fn new(outbox: Outbox, inflow: Inflow) -> Self {
        Self {
            outbox,
            inflow,
            has_job: false,
            launch: None,
            is_member: false,
        }
    }

    /// Whoever is at its other end has a seat.
    pub(super) fn seat(&self) {
        self.inflow.seat();
    }
}

impl Runtime {
    /// Takes in one message.
    ///
    /// # Errors
    /// The store's, or what ends the run.
    pub(crate) async fn hear(
        &mut self,
        worker: WorkerId,
        message: pb::FromWorker,
    ) -> Result<(), CoordinatorError> {
        let event = match event_of(worker, &message) {
            Ok(event) => event,
            Err(error) => {
                tracing::debug!(worker = worker.get(), %error, "message ignored");
                return Ok(());
            }
        };
        let Some(message) = message.message else {
            return Ok(());
        };
        if let From::Register(register) = message {
            return self.register(worker, register).await;
        }
        if let From::Heartbeat(beat) = &message {
            // The last one comes from a worker that was told to end.
            self.ledger.beat(worker, beat);
        }
        if !self.cluster.admits(&event) {
            return Ok(());
        }
        self.note(worker, message).await?;
        self.handle(Event::Heard { worker }).await?;
        self.handle(event).await
    }

    /// Tells a worker the job, once, and takes it in when it names its device, once; or turns it away and says why.
    async fn register(
        &mut self,
        worker: WorkerId,
        mut register: pb::Register,
    ) -> Result<(), CoordinatorError> {
        let is_joining = register.device.is_some();
        let is_registered = self.cluster.is_registered(worker);
        let Some(stream) = self.streams.get_mut(&worker) else {
            return Ok(());
        };
        if is_registered || stream.has_job && !is_joining {
            return Ok(());
        }
        let seats = &self.seats;
        stream.is_member = register.place.as_ref().is_some_and(|it| seats.is_own(it));
        if !stream.is_member {
            // What it holds is nobody's.
            (register.place, register.held) = (None, None);
        }
        if let Some(reason) = self.admission.refusal(&register) {
            self.refuse(worker, &register.name, reason);
            return Ok(());
        }
        stream.has_job = true;
        stream.inflow.admit();
        if stream.is_member {
            stream.seat();
        }
        stream.launch.clone_from(&register.launch);
        self.send(worker, To::Welcome(self.welcome(worker)));
        if !is_joining {
            return Ok(());
        }
        self.admission.join(worker, &register);
        self.ledger.registered(worker, &register);
        let address = register.group_address.clone();
        self.waits
            .registered(worker, register.name.clone(), address);
        let message = Some(From::Register(register));
        match event_of(worker, &pb::FromWorker { message }) {
            Ok(event) => self.handle(event).await,
            Err(_) => Ok(()),
        }
    }

    /// Takes in what workers say after the run's end.
    pub(crate) fn hear_last(&mut self, worker: WorkerId, message: &pb::FromWorker) {
        let is_bounded = event_of(worker, message).is_ok();
        if let Some(From::Heartbeat(beat)) = message.message.as_ref().filter(|_| is_bounded) {
            self.ledger.beat(worker, beat);
        }
    }

    /// Turns a worker away; nothing more is heard on its stream.
    fn refuse(&mut self, worker: WorkerId, name: &str, reason: String) {
        let stop = pb::Stop::with(Parting::Refused, reason.clone());
        self.send(worker, To::Stop(stop));
        self.streams.remove(&worker);
        let name = shown(name, NAME);
        self.emit(RunEvent::Refused { name, reason });
    }

    /// The tokens of all registered workers that a coordinator of this machine started.
    pub(crate) fn registered_launches(&self) -> Vec<String> {
        let launches = self.launches(|_| true);
        launches.map(|launch| launch.token.clone()).collect()
    }

    /// What registered members of an earlier coordinator's group say of how it had started them.
    pub(crate) fn orphans(&self) -> Vec<pb::Launch> {
        self.launches(|stream| stream.is_member).cloned().collect()
    }

    fn launches(&self, are: impl Fn(&Stream) -> bool) -> impl Iterator<Item = &pb::Launch> {
        let registered = self
            .streams
            .iter()
            .filter(|(worker, _)| self.cluster.is_registered(**worker));
        let those = registered.filter(move |(_, stream)| are(stream));
        those.filter_map(|(_, stream)| stream.launch.as_ref())
    }
}
