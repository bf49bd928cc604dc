//! One run from its opening to its verdict: receive, let `control` decide, carry out.

use crate::error::CoordinatorError;
use crate::event::RunEvent;
use crate::history::read_history;
use crate::job::Job;
use crate::launch::{Children, Launcher};
use crate::opening::{Opening, open};
use crate::runtime::Runtime;
use crate::service::{Arrival, Service};
use crate::summary::Summary;
use fratmae_checkpoint::Record;
use fratmae_control::{Departure, Event, Phase, Step, Verdict};
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
/// How long workers may take to read their last order and leave.
const FAREWELL: Duration = Duration::from_secs(10);

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Every step is applied and committed.
    Finished(Summary),
    /// It was asked to stop, and goes on from here when run again.
    Interrupted {
        /// The newest committed step.
        step: u64,
    },
}

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
    let address = address_of(&listener)?;
    let opened = match open(&job, &address).await? {
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
    let mut runtime = Runtime::new(job, opened, started, events, status);
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
    let mut children = launcher.map_or_else(
        || Ok(Children::default()),
        |launcher| launcher.start(&address),
    )?;
    let ended = attend(&mut runtime, inbox, &mut children, drain).await;
    let outcome = match ended {
        Ok(()) => conclude(&mut runtime).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &outcome {
        runtime.stop_all(&error.to_string());
    }
    drop(runtime);
    server.stop(&mut children).await;
    outcome
}

fn address_of(listener: &TcpListener) -> Result<String, CoordinatorError> {
    let local = listener
        .local_addr()
        .map_err(|error| CoordinatorError::Listen {
            address: "its socket".to_owned(),
            reason: error.to_string(),
        })?;
    Ok(format!("http://{local}"))
}

/// Receives and handles until there is a verdict.
async fn attend(
    runtime: &mut Runtime,
    mut inbox: mpsc::Receiver<Arrival>,
    children: &mut Children,
    drain: impl Future<Output = ()> + Send,
) -> Result<(), CoordinatorError> {
    let mut drain: Pin<Box<dyn Future<Output = ()> + Send + '_>> = Box::pin(drain);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while runtime.verdict().is_none() {
        tokio::select! {
            biased;
            () = &mut drain => {
                drain = Box::pin(std::future::pending());
                runtime.handle(Event::DrainRequested).await?;
            }
            Some(arrival) = inbox.recv() => receive(runtime, arrival).await?,
            status = children.next_exit() => {
                if runtime.cluster.phase() == Phase::Gathering {
                    return Err(CoordinatorError::WorkerExited { status });
                }
            }
            _ = ticks.tick() => runtime.handle(Event::Tick).await?,
        }
    }
    Ok(())
}

async fn receive(runtime: &mut Runtime, arrival: Arrival) -> Result<(), CoordinatorError> {
    match arrival {
        Arrival::Opened(worker, outbox) => runtime.open(worker, outbox),
        Arrival::Closed(worker) => {
            let departure = Departure::StreamClosed;
            runtime
                .handle(Event::Departed { worker, departure })
                .await?;
        }
        Arrival::Message(worker, message) => match event_of(worker, &message) {
            Ok(event) => {
                runtime.note(worker, message).await?;
                runtime.handle(Event::Heard { worker }).await?;
                runtime.handle(event).await?;
            }
            Err(error) => tracing::warn!(worker = worker.get(), %error, "message ignored"),
        },
    }
    Ok(())
}

/// Makes the verdict durable and turns it into the caller's outcome.
async fn conclude(runtime: &mut Runtime) -> Result<Outcome, CoordinatorError> {
    let Some(verdict) = runtime.verdict().cloned() else {
        return Err(CoordinatorError::Failed {
            reason: "the run ended without a verdict".to_owned(),
        });
    };
    match verdict {
        Verdict::Finished {
            step,
            weights_digest,
        } => {
            let summary = summarise(runtime, step, weights_digest).await?;
            let value =
                serde_json::to_value(&summary).map_err(|error| CoordinatorError::Encode {
                    object: "the summary".to_owned(),
                    reason: error.to_string(),
                })?;
            runtime
                .journal_mut()
                .append(Record::Finished { summary: value })
                .await?;
            Ok(Outcome::Finished(summary))
        }
        Verdict::Interrupted { step } => {
            let reason = "asked to stop".to_owned();
            runtime
                .journal_mut()
                .append(Record::Interrupted {
                    step: step.get(),
                    reason,
                })
                .await?;
            Ok(Outcome::Interrupted { step: step.get() })
        }
        Verdict::Failed { reason } => {
            let step = runtime.cluster.newest().step().get();
            runtime
                .journal_mut()
                .append(Record::Interrupted {
                    step,
                    reason: reason.clone(),
                })
                .await?;
            Err(CoordinatorError::Failed { reason })
        }
    }
}

/// The last step's figures come from the store where an earlier coordinator saw that step.
async fn summarise(
    runtime: &Runtime,
    step: Step,
    weights_digest: String,
) -> Result<Summary, CoordinatorError> {
    let figures = match &runtime.newest_figures {
        Some(figures) => figures.clone(),
        None => read_history(&runtime.job().run)
            .await?
            .pop()
            .map(|row| row.figures)
            .unwrap_or_default(),
    };
    Ok(Summary {
        run: runtime.job().run.url().to_owned(),
        step: step.get(),
        loss: figures.loss,
        reconstruction: figures.reconstruction,
        mean_baseline: figures.mean_baseline,
        contrastive: figures.contrastive,
        weights_digest,
        samples_seen: step.get() * runtime.job().config.train.batch as u64,
        seconds: runtime.seconds(),
    })
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
    async fn stop(self, children: &mut Children) {
        let _ = self.stop.send(());
        let farewell = async {
            children.wait().await;
            let _ = self.task.await;
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("workers did not leave in time");
        }
    }
}
