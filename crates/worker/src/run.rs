//! A worker's life: register, train, leave.

use crate::activity::Activity;
use crate::device::choose_device;
use crate::error::{ConnectionError, JobError, ProcessError, WorkerError};
use crate::outbox::Outbox;
use crate::panics::Panics;
use crate::preemption::Leaving;
use crate::reach::Wait;
use crate::rediscovery::{Found, Rediscovery};
use crate::session::{Links, Start};
use crate::signals::Signals;
use crate::stream::{Command, End, Stream};
use crate::training_thread::TrainingThread;
use crate::whereabouts::{Search, Whereabouts};
use fratmae_collective::MeshPort;
use fratmae_config::{Config, Host};
use fratmae_model::kernel_set;
use fratmae_network::{Endpoint, host_id, host_name};
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message as From;
use fratmae_store::Location;
use fratmae_telemetry::{describe, process_began_unix_us};
use fratmae_trainer::Task;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// Commands that may wait for the training thread: it leaves a group at once when a newer one is announced.
const COMMANDS: usize = 64;

/// How long the name that is to be announced may take to be found.
const RESOLVES: Duration = Duration::from_secs(10);

/// How long a worker of which a thread has panicked waits for the coordinator to have understood it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A worker's command line; the job comes from the coordinator, but for what is this host's own.
#[derive(Clone)]
pub struct Options {
    /// Where the coordinator is.
    pub coordinator: Whereabouts,
    /// How long it is waited for.
    pub wait: Duration,
    /// Where this worker listens for peers, as `host:port`; empty: at the address this host shows to the coordinator.
    pub listen: String,
    /// Where peers reach this worker, as `host` or `host:port`; empty: where it listens.
    pub advertise: String,
    /// Libraries and paths of this host; what the coordinator's job says of them does not count.
    pub host: Host,
    /// Whether it reports what it waits for.
    pub is_verbose: bool,
    pub name: String,
    /// Its name in figures: the same when its process is started again.
    pub label: String,
    /// Its number among the workers of this machine, which take its GPUs in turn.
    pub place: usize,
    /// What the coordinator that started it knows it by; none if no coordinator did.
    pub token: Option<String>,
    pub version: String,
    /// Where its process's time is accounted for.
    pub activity: Arc<Activity>,
}

/// How a worker ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The run is finished.
    Finished,
    /// The run goes on without this worker, which was asked to leave.
    Left,
    /// The run was stopped as it was asked to, or this worker before it joined it: it goes on when it is run again.
    Stopped,
}

/// Runs one worker of a task until the coordinator ends it; `asked` tells it to leave once the others can go on without it.
///
/// It takes note of every panic of its process from then on.
///
/// # Errors
/// Whatever ends a worker: see [`WorkerError`].
pub async fn run<T: Task>(
    options: Options,
    asked: impl Future<Output = ()> + Send,
) -> Result<Ended, WorkerError> {
    let (mut panics, mut asked) = (Panics::watch(), pin!(asked));
    let coordinator = options.coordinator.to_string();
    let mut wait = Wait::new(&coordinator, options.wait, options.is_verbose);
    let found = tokio::select! {
        found = options.coordinator.find(&mut wait) => found?,
        () = &mut asked => return Ok(Ended::Stopped),
    };
    let (found, own) = match found {
        Search::Found(endpoint, own) => (endpoint, own),
        Search::Over(ended) => return Ok(ended),
    };
    let (port, address) = listen(&options, own)?;
    let address = resolved(address).await?;
    let register = registration(&options, &address);
    let outbox = Outbox::default();
    let entered = tokio::select! {
        entered = options.coordinator.enter(found, (&register, &outbox), &mut wait) => entered?,
        () = &mut asked => return Ok(Ended::Stopped),
    };
    let mut stream = match entered {
        Ok(stream) => stream,
        Err(ended) => return Ok(ended),
    };
    describe("run", stream.welcome.run_url.as_str());
    let (attendance, leaving, mut trainer) = join::<T>(&options, port, register, outbox, &stream)?;
    let gone = trainer.gone();
    let ended = {
        let mut attending = pin!(attendance.attend(&mut stream));
        tokio::select! {
            ended = &mut attending => ended,
            () = leaving.leave(asked, gone) => Ok(Ended::Left),
            error = trainer.spent() => Err(error),
            reason = panics.first() => {
                attendance.outbox.send(From::Panicked(pb::Panicked { reason: reason.clone() }));
                // The coordinator answers with a stop. Where there is none, nobody has to know.
                let _ = tokio::time::timeout(LAST_WORDS, attending).await;
                return Err(ProcessError::Panicked { reason }.into());
            }
        }
    };
    // Whatever the group waits for, it is over; and so is the trainer's wait for commands.
    let (signals, outbox) = (Arc::clone(&attendance.signals), attendance.outbox.clone());
    drop(attendance);
    signals.activity.stop();
    signals.break_off(u64::MAX);
    trainer.join().await;
    stream.take_leave(&signals, &outbox).await;
    ended
}

/// What this worker says of itself before it knows the run.
fn registration(options: &Options, address: &Endpoint) -> pb::Register {
    pb::Register {
        kernels: kernel_set(),
        name: options.name.clone(),
        version: options.version.clone(),
        group_address: address.to_string(),
        host: host_id(),
        process: Some(pb::Process {
            label: options.label.clone(),
            host: host_name(),
            began_unix_us: process_began_unix_us(),
        }),
        launch: options.token.clone().map(|token| pb::Launch {
            place: u32::try_from(options.place).unwrap_or(u32::MAX),
            token,
        }),
        ..Default::default()
    }
}

/// Joins the run with the job that came with the welcome, and starts the training thread.
fn join<T: Task>(
    options: &Options,
    port: MeshPort,
    mut register: pb::Register,
    outbox: Outbox,
    stream: &Stream,
) -> Result<(Attendance, Leaving, TrainingThread), WorkerError> {
    let config = Config::from_json(&stream.welcome.config).map_err(|error| {
        let reason = error.to_string();
        JobError::Unreadable { reason }
    })?;
    let config = config.on(&options.host);
    // Another coordinator must lead the same run.
    register.config_digest = config.digest();
    register.data_digest.clone_from(&stream.welcome.data_digest);
    let device = choose_device(&config, options.place);
    let name = device.as_ref().map_or("", |kind| kind.name());
    register.device = Some(name.to_owned());
    outbox.join(&register);
    let signals = Arc::new(Signals::new(
        options.is_verbose,
        Arc::clone(&options.activity),
    ));
    signals.activity.registered();
    let (sender, commands) = std::sync::mpsc::sync_channel(COMMANDS);
    let start = Start {
        config: config.clone(),
        welcome: stream.welcome.clone(),
        device,
        links: Links {
            outbox: outbox.clone(),
            port,
            signals: Arc::clone(&signals),
            runtime: tokio::runtime::Handle::current(),
        },
    };
    let trainer = TrainingThread::start::<T>(start, commands)?;
    let leaving = Leaving::new(&config.workers, outbox.clone());
    let attendance = Attendance {
        register,
        outbox,
        signals,
        commands: sender,
        heartbeat: Duration::from_millis(config.coordinator.heartbeat_ms),
        patience: Duration::from_secs(config.workers.coordinator_patience_s),
    };
    Ok((attendance, leaving, trainer))
}

/// What a worker attends a coordinator with, this one or the next.
struct Attendance {
    register: pb::Register,
    outbox: Outbox,
    signals: Arc<Signals>,
    commands: SyncSender<Command>,
    heartbeat: Duration,
    patience: Duration,
}

impl Attendance {
    /// Follows one coordinator after another, until one of them says stop or none comes; steps go on all the while.
    async fn attend(&self, stream: &mut Stream) -> Result<Ended, WorkerError> {
        let run = Location::open(&stream.welcome.run_url)?;
        let search = Rediscovery {
            run: &run,
            run_id: stream.welcome.run_id.clone(),
            patience: self.patience,
            register: &self.register,
            outbox: &self.outbox,
        };
        loop {
            let last = stream.address.clone();
            let ended = stream.follow(self.heartbeat, &self.signals, &self.outbox, &self.commands);
            match ended.await? {
                End::Stopped(ended) => return Ok(ended),
                End::Lost => {}
            }
            tracing::warn!("the coordinator is gone; looking for the next one");
            match search.find(&last).await? {
                Found::Ended(ended) => return Ok(ended),
                Found::Stream(next) => *stream = *next,
            }
            tracing::info!("found a coordinator again");
        }
    }
}

/// Binds the socket that peers connect to, and finds what they are told of it; `own` is the address that this host
/// shows to the coordinator.
fn listen(options: &Options, own: IpAddr) -> Result<(MeshPort, Endpoint), ConnectionError> {
    let advertised = match options.advertise.as_str() {
        "" => None,
        advertise => Some(Endpoint::parse_or(advertise, 0)?),
    };
    let address = match (options.listen.as_str(), &advertised) {
        ("", None) => Endpoint::of(own, 0).to_string(),
        // What is advertised may lead here by another of this host's addresses.
        ("", Some(advertised)) => Endpoint::of(every_address(own), advertised.port()).to_string(),
        (listen, _) => listen.to_owned(),
    };
    let failed = |source| ConnectionError::Listen {
        address: address.clone(),
        source,
    };
    let listener = TcpListener::bind(&address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let advertised = announced(advertised, bound, own);
    advertised.check_connectable()?;
    Ok((MeshPort::open(listener).map_err(failed)?, advertised))
}

/// The address of a name that is to be announced: peers are told addresses alone, so that none of them waits for a name,
/// and one that is nobody's fails where it was given.
async fn resolved(announced: Endpoint) -> Result<Endpoint, ConnectionError> {
    if announced.host().parse::<IpAddr>().is_ok() {
        return Ok(announced);
    }
    let name = (announced.host(), announced.port());
    let found = tokio::time::timeout(RESOLVES, tokio::net::lookup_host(name)).await;
    let reason = match found {
        Ok(Ok(mut found)) => match found.next() {
            Some(address) => return Ok(Endpoint::of(address.ip(), address.port())),
            None => "it has no address".to_owned(),
        },
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", RESOLVES.as_secs()),
    };
    let name = announced.host().to_owned();
    Err(ConnectionError::Unresolved { name, reason })
}

/// The address that stands for all of a host's, of the same family.
const fn every_address(own: IpAddr) -> IpAddr {
    match own {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// What peers are told of a socket: the address that was asked for, else the one it is bound to, else, where that is
/// every address of this host, the one on the way to the coordinator.
fn announced(advertised: Option<Endpoint>, bound: SocketAddr, own: IpAddr) -> Endpoint {
    let own = match bound.ip().is_unspecified() {
        true => Endpoint::of(own, bound.port()),
        false => Endpoint::of(bound.ip(), bound.port()),
    };
    match advertised {
        None => own,
        Some(advertised) if advertised.port() == 0 => advertised.with_port(bound.port()),
        Some(advertised) => advertised,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(advertised: &str, bound: &str, own: &str) -> String {
        let advertised =
            (!advertised.is_empty()).then(|| Endpoint::parse_or(advertised, 0).unwrap());
        announced(advertised, bound.parse().unwrap(), own.parse().unwrap()).to_string()
    }

    #[test]
    fn peers_are_told_where_a_worker_listens_or_its_address_towards_the_coordinator() {
        for (bound, own, expected) in [
            ("10.0.0.2:7", "10.0.0.2", "10.0.0.2:7"),
            ("0.0.0.0:7", "10.0.0.2", "10.0.0.2:7"),
            ("[::]:7", "fd77::2", "[fd77::2]:7"),
            ("[::]:7", "::ffff:10.0.0.2", "10.0.0.2:7"),
            ("[fd77::2]:7", "fd77::2", "[fd77::2]:7"),
            ("127.0.0.1:7", "127.0.0.1", "127.0.0.1:7"),
        ] {
            assert_eq!(shown("", bound, own), expected);
        }
    }

    #[tokio::test]
    async fn peers_are_told_the_address_of_a_name_and_one_of_nobody_is_an_error() {
        let address = async |text: &str| resolved(Endpoint::parse(text).unwrap()).await;
        for kept in ["10.0.0.2:7", "[fd77::2]:7"] {
            assert_eq!(address(kept).await.unwrap().to_string(), kept);
        }
        let local = address("localhost:7").await.unwrap();
        assert!(local.host().parse::<IpAddr>().unwrap().is_loopback());
        let line = address("no-such-host.invalid:7").await.unwrap_err();
        let line = line.to_string();
        assert!(line.contains("no-such-host.invalid"), "{line}");
        assert!(line.contains("--advertise"), "{line}");
    }

    #[test]
    fn peers_are_told_what_is_advertised_with_the_port_of_the_socket_unless_it_names_one() {
        let bound = "0.0.0.0:7";
        assert_eq!(shown("node-2", bound, "172.17.0.2"), "node-2:7");
        assert_eq!(shown("node-2:31007", bound, "172.17.0.2"), "node-2:31007");
        assert_eq!(shown("fd77::2", "[::]:7", "fd00::2"), "[fd77::2]:7");
    }
}
