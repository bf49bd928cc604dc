//! One run from its opening to its verdict: receive, let `control` decide, carry out.

use crate::addresses::Addresses;
use crate::conclusion::{Outcome, conclude};
use crate::error::CoordinatorError;
use crate::event::{RunEvent, Telling};
use crate::fleet::{Exit, Fleet};
use crate::job::Job;
use crate::launch::Launcher;
use crate::opening::{Opening, open};
use crate::runtime::{Place, Runtime};
use crate::service::{Arrival, Service};
use crate::waiting::tell_while;
use fratmae_control::{Departure, Event, Phase, Step};
use fratmae_protocol::pb::coordination_server::CoordinationServer;
use fratmae_protocol::{event_of, pb};
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::TcpListenerStream;

/// Messages of all workers that may wait.
const INBOX: usize = 1024;
/// How often time alone is looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often a coordinator makes sure that no other one has taken over.
const FENCE_CHECK: Duration = Duration::from_secs(5);
/// How long workers may take to read their last order and leave.
const FAREWELL: Duration = Duration::from_secs(10);

/// Runs a job until it is finished, interrupted by `drain`, or cannot go on.
///
/// A run that exists goes on from its newest good checkpoint; one that is finished is left as it is.
/// `listener` is the socket workers connect to; with a `launcher`, local workers are started against it.
/// What happens is told to `events`, which may be dropped.
///
/// # Errors
/// Another job's run, a store that fails, a fence taken by another coordinator, or a verdict.
pub async fn run(
    job: Job,
    listener: TcpListener,
    launcher: Option<Launcher>,
    events: mpsc::Sender<RunEvent>,
    drain: impl Future<Output = ()> + Send,
) -> Result<Outcome, CoordinatorError> {
    let started = Instant::now();
    let telling = Telling::new(events);
    let addresses = Addresses::of(&listener, &job.config.coordinator.advertise)?;
    let address = addresses.told.url();
    let what = format!(
        "opening {}: reading its journal and newest checkpoint",
        job.run.url()
    );
    let opening = open(&job, &address, &telling);
    let opened = match tell_while(&telling, &what, opening).await? {
        Opening::Finished(summary) => return Ok(Outcome::Finished(summary)),
        Opening::Open(opened) => *opened,
    };
    let warnings = job.warnings.clone();
    let resuming = RunEvent::Resuming {
        step: opened.newest.step().get(),
        damaged: opened.damaged.clone(),
    };
    let is_resuming = opened.newest.step() > Step::new(0) || !opened.damaged.is_empty();
    let (status, status_reader) = watch::channel(pb::StatusReply::default());
    let own = addresses.own.url();
    let note = addresses.note.clone();
    let place = Place {
        addresses,
        has_own_workers: launcher.is_some(),
        started,
    };
    let mut runtime = Runtime::new(job, opened, place, telling.clone(), status);
    if let Some(line) = note {
        runtime.tell(RunEvent::Noted { line }).await;
    }
    for line in warnings {
        runtime.tell(RunEvent::Warned { line }).await;
    }
    if is_resuming {
        runtime.tell(resuming).await;
    }
    let (arrivals, inbox) = mpsc::channel(INBOX);
    let server = Server::start(listener, Service::new(arrivals, status_reader));
    runtime
        .tell(RunEvent::Serving {
            address: address.clone(),
        })
        .await;
    let mut fleet = Fleet::new(launcher, &own);
    let ended = attend(&mut runtime, inbox, &mut fleet, drain).await;
    let outcome = match ended {
        Ok(()) => {
            let what = "writing the end of the run and deleting old checkpoints";
            tell_while(&telling, what, collect_and_conclude(&mut runtime)).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &outcome
        && !(error.is_its_own() && fleet.is_empty())
    {
        // Workers from elsewhere go to the next coordinator; those of this machine end with this one.
        runtime.stop_all(&error.to_string());
    }
    let mut told = runtime.cluster.registered_names();
    told.extend(runtime.take_evicted());
    fleet.dismiss(&told);
    drop(runtime);
    server.stop(&mut fleet).await;
    outcome
}

async fn collect_and_conclude(runtime: &mut Runtime) -> Result<Outcome, CoordinatorError> {
    runtime.collect(true).await?;
    conclude(runtime).await
}

/// Receives and handles until there is a verdict.
async fn attend(
    runtime: &mut Runtime,
    mut inbox: mpsc::Receiver<Arrival>,
    fleet: &mut Fleet,
    drain: impl Future<Output = ()> + Send,
) -> Result<(), CoordinatorError> {
    let mut drain: Pin<Box<dyn Future<Output = ()> + Send + '_>> = Box::pin(drain);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut fence_checks = tokio::time::interval(FENCE_CHECK);
    fence_checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let telling = runtime.telling();
    let held = "waiting for the run's store";
    start_missing(runtime, fleet).await?;
    while runtime.verdict().is_none() {
        tokio::select! {
            biased;
            () = &mut drain => {
                drain = Box::pin(std::future::pending());
                runtime.handle(Event::DrainRequested).await?;
            }
            Some(arrival) = inbox.recv() => {
                tell_while(&telling, held, receive(runtime, arrival)).await?;
            }
            unanswered = runtime.knocks.next_unanswered() => runtime.handle(unanswered).await?,
            exit = fleet.next_exit() => exited(runtime, fleet, &exit).await?,
            _ = fence_checks.tick() => tell_while(&telling, held, runtime.show_life()).await?,
            _ = ticks.tick() => {
                tell_while(&telling, held, pass_time(runtime)).await?;
                start_missing(runtime, fleet).await?;
            }
        }
    }
    Ok(())
}

async fn pass_time(runtime: &mut Runtime) -> Result<(), CoordinatorError> {
    runtime.handle(Event::Tick).await?;
    runtime.collect(false).await
}

/// Starts the workers that should be here and are not, once it is known who has stayed from an earlier coordinator.
async fn start_missing(runtime: &mut Runtime, fleet: &mut Fleet) -> Result<(), CoordinatorError> {
    let phase = runtime.cluster.phase();
    if phase == Phase::Ended || phase == Phase::Returning && !fleet.is_open() {
        return Ok(());
    }
    fleet.evict(&runtime.take_evicted(), Instant::now());
    let registered = runtime.cluster.registered_names();
    fleet.open(&registered);
    let names = fleet.start_missing(&registered, Instant::now())?;
    if !names.is_empty() {
        runtime.tell(RunEvent::Restarted { names }).await;
    }
    if fleet.is_spent() && registered.is_empty() {
        let reason = "every worker of this machine has ended and none is started again \
                      (workers.restarts_per_hour); its own messages say why"
            .to_owned();
        return Err(CoordinatorError::Failed { reason });
    }
    Ok(())
}

/// A worker that ends before there ever was a group would end so again.
async fn exited(
    runtime: &mut Runtime,
    fleet: &mut Fleet,
    exit: &Exit,
) -> Result<(), CoordinatorError> {
    if exit.is_well() {
        return start_missing(runtime, fleet).await;
    }
    if !runtime.has_begun() && runtime.cluster.phase() == Phase::Gathering {
        let status = exit.status.clone();
        return Err(CoordinatorError::WorkerExited { status });
    }
    let line = format!("worker {} ended with {}", exit.name(), exit.status);
    runtime.tell(RunEvent::Exited { line }).await;
    start_missing(runtime, fleet).await
}

async fn receive(runtime: &mut Runtime, arrival: Arrival) -> Result<(), CoordinatorError> {
    match arrival {
        Arrival::Opened(worker, outbox) => runtime.open(worker, outbox),
        Arrival::Closed(worker) => {
            runtime.close(worker);
            let departure = Departure::StreamClosed;
            runtime
                .handle(Event::Departed { worker, departure })
                .await?;
        }
        Arrival::Message(worker, message) => match event_of(worker, &message) {
            Ok(event) => {
                if runtime.refuses(worker, &message).await {
                    return Ok(());
                }
                runtime.note(worker, message).await?;
                runtime.handle(Event::Heard { worker }).await?;
                runtime.handle(event).await?;
            }
            Err(error) => tracing::warn!(worker = worker.get(), %error, "message ignored"),
        },
    }
    Ok(())
}

/// The serving task and the means to end it.
struct Server {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    fn start(listener: TcpListener, service: Service) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .add_service(CoordinationServer::new(service))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
                // A dropped sender means the same as a sent one.
                let _ = stopped.await;
            });
        Self {
            stop,
            task: tokio::spawn(serve),
        }
    }

    /// Lets workers read their last orders and leave, but not for ever.
    async fn stop(self, fleet: &mut Fleet) {
        let _ = self.stop.send(());
        let farewell = async {
            fleet.wait().await;
            let _ = self.task.await;
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("workers did not leave in time");
        }
    }
}
