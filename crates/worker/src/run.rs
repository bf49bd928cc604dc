//! A worker's life: register, train as told, leave.

use crate::device::choose_device;
use crate::error::WorkerError;
use crate::leaving::Leaving;
use crate::outbox::Outbox;
use crate::panics::Panics;
use crate::search::{Found, Search};
use crate::session::Start;
use crate::shared::Shared;
use crate::stream::{End, Order, Stream};
use crate::trainer::Trainer;
use fratmae_config::Config;
use fratmae_model::kernel_set;
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_store::Location;
use fratmae_telemetry::{PhaseLedger, describe};
use std::future::Future;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// Orders that may wait for the training thread: it leaves a group at once when a newer one is announced.
const ORDERS: usize = 64;

/// How long a worker of which a thread has panicked waits for the coordinator to have understood it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a worker is told on its command line; the job comes from the coordinator.
#[derive(Clone)]
pub struct Options {
    /// The coordinator's URL.
    pub coordinator: String,
    /// Where peers reach this worker, as `host:port`; empty: the address this host shows to the coordinator.
    pub listen: String,
    /// Name for people.
    pub name: String,
    /// Its number among the workers of this machine, which take its GPUs in turn.
    pub place: usize,
    /// This build.
    pub version: String,
    /// Where the time of the training thread's spans is summed.
    pub ledger: PhaseLedger,
}

/// How a worker ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The run is finished, or goes on without this worker, which was asked to leave.
    Done,
    /// The run was stopped as it was asked to, or this worker before it joined it: it goes on when it is run again.
    Stopped,
}

impl Ended {
    const fn of(is_resumable: bool) -> Self {
        match is_resumable {
            true => Self::Stopped,
            false => Self::Done,
        }
    }
}

/// Runs one worker until the coordinator ends it; `asked` tells it to leave once the others can go on without it.
///
/// It takes note of every panic of its process from then on.
///
/// # Errors
/// Whatever ends a worker: see [`WorkerError`].
pub async fn run(
    options: Options,
    asked: impl Future<Output = ()> + Send,
) -> Result<Ended, WorkerError> {
    let (mut panics, mut asked) = (Panics::watch(), pin!(asked));
    let listener = listen(&options)?;
    let register = pb::Register {
        kernels: kernel_set(),
        name: options.name.clone(),
        version: options.version.clone(),
        group_address: local_address(&listener)?,
        ..Default::default()
    };
    let outbox = Outbox::default();
    let stream = tokio::select! {
        stream = Stream::open(&options.coordinator, &register, &outbox) => stream?,
        () = &mut asked => return Ok(Ended::Stopped),
    };
    describe("run", stream.welcome.run_url.as_str());
    let (attendance, leaving, mut trainer) = join(&options, listener, register, outbox, &stream)?;
    let gone = trainer.gone();
    let ended = {
        let mut attending = pin!(attendance.attend(stream, &options.coordinator));
        tokio::select! {
            ended = &mut attending => ended,
            () = leaving.leave(asked, gone) => Ok(Ended::Done),
            error = trainer.spent() => Err(error),
            reason = panics.first() => {
                attendance.outbox.say(From::Panicked(pb::Panicked { reason: reason.clone() }));
                // The coordinator answers with a stop. Where there is none, nobody has to know.
                let _ = tokio::time::timeout(LAST_WORDS, attending).await;
                return Err(WorkerError::Panicked { reason });
            }
        }
    };
    // Whatever the group waits for, it is over; and so is the trainer's wait for orders.
    let shared = Arc::clone(&attendance.shared);
    drop(attendance);
    shared.break_off(u64::MAX);
    trainer.join().await;
    ended
}

/// Joins the run with the job that came with the welcome, and starts the training thread.
fn join(
    options: &Options,
    listener: TcpListener,
    mut register: pb::Register,
    outbox: Outbox,
    stream: &Stream,
) -> Result<(Attendance, Leaving, Trainer), WorkerError> {
    let config = Config::from_json(&stream.welcome.config).map_err(|error| WorkerError::Job {
        reason: error.to_string(),
    })?;
    // Another coordinator must lead the same run.
    register.config_digest = config_digest(&config);
    register.data_digest.clone_from(&stream.welcome.data_digest);
    let device = choose_device(&config, options.place);
    let name = device.as_ref().map_or("", |kind| kind.name());
    register.device = Some(name.to_owned());
    outbox.join(&register);
    let shared = Arc::new(Shared::default());
    let (sender, orders) = std::sync::mpsc::sync_channel(ORDERS);
    let start = Start {
        config: config.clone(),
        welcome: stream.welcome.clone(),
        device,
        outbox: outbox.clone(),
        listener,
        shared: Arc::clone(&shared),
        ledger: options.ledger.clone(),
        runtime: tokio::runtime::Handle::current(),
    };
    let trainer = Trainer::start(start, orders)?;
    let leaving = Leaving::new(&config.workers, outbox.clone());
    let attendance = Attendance {
        register,
        outbox,
        shared,
        orders: sender,
        heartbeat: Duration::from_millis(config.coordinator.heartbeat_ms),
        patience: Duration::from_secs(config.workers.coordinator_patience_s),
    };
    Ok((attendance, leaving, trainer))
}

/// BLAKE3 over the keys of the job that decide the result.
fn config_digest(config: &Config) -> String {
    let digest = blake3::hash(config.digest().as_bytes());
    digest.to_hex().to_string()
}

/// What a worker attends a coordinator with, this one or the next.
struct Attendance {
    register: pb::Register,
    outbox: Outbox,
    shared: Arc<Shared>,
    orders: SyncSender<Order>,
    heartbeat: Duration,
    patience: Duration,
}

impl Attendance {
    /// Follows one coordinator after another, until one of them says stop or none comes; steps go on all the while.
    async fn attend(&self, mut stream: Stream, first: &str) -> Result<Ended, WorkerError> {
        let run = Location::open(&stream.welcome.run_url)?;
        let search = Search {
            run: &run,
            patience: self.patience,
            register: &self.register,
            outbox: &self.outbox,
        };
        loop {
            let ended = stream.follow(self.heartbeat, &self.shared, &self.outbox, &self.orders);
            match ended.await? {
                End::Stopped { is_resumable } => return Ok(Ended::of(is_resumable)),
                End::Lost => {}
            }
            tracing::warn!("the coordinator is gone; looking for the next one");
            match search.find(first).await? {
                Found::Ended { is_resumable } => return Ok(Ended::of(is_resumable)),
                Found::Stream(next) => stream = *next,
            }
            tracing::info!("found a coordinator again");
        }
    }
}

/// Binds the socket that peers connect to.
fn listen(options: &Options) -> Result<TcpListener, WorkerError> {
    let address = if options.listen.is_empty() {
        format!("{}:0", host_towards(&options.coordinator))
    } else {
        options.listen.clone()
    };
    TcpListener::bind(&address).map_err(|source| WorkerError::Listen { address, source })
}

fn local_address(listener: &TcpListener) -> Result<String, WorkerError> {
    let failed = |source| WorkerError::Listen {
        address: "its own socket".to_owned(),
        source,
    };
    listener
        .local_addr()
        .map(|address: SocketAddr| address.to_string())
        .map_err(failed)
}

/// This host's address on the way to the coordinator; loopback when nothing better is known.
///
/// Connecting a datagram socket sends nothing: it only asks the system for the route.
fn host_towards(coordinator: &str) -> String {
    let target = coordinator
        .split_once("://")
        .map_or(coordinator, |(_, rest)| rest)
        .trim_end_matches('/');
    let route = || {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip().to_string())
    };
    route().unwrap_or_else(|| "127.0.0.1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_coordinator_is_reached_from_loopback() {
        assert_eq!(host_towards("http://127.0.0.1:5000"), "127.0.0.1");
        assert_eq!(host_towards("http://127.0.0.1:5000/"), "127.0.0.1");
    }

    #[test]
    fn an_unknown_coordinator_falls_back_to_loopback() {
        assert_eq!(host_towards("http://no such host"), "127.0.0.1");
    }
}
