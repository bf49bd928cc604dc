//! One run from its opening to its verdict: receive, let `control` decide, carry out.

use crate::addresses::Addresses;
use crate::bounds::bounds;
use crate::conclusion::{Outcome, conclude};
use crate::error::CoordinatorError;
use crate::event::{EventSink, RunEvent};
use crate::fleet::{Exit, Fleet};
use crate::job::Job;
use crate::launch::Launcher;
use crate::opening::{Opened, Opening, open};
use crate::runtime::{Outlets, Place, Runtime};
use crate::server::Server;
use crate::service::{Arrival, Delivery, Service};
use crate::stopping::{Asked, StopRequests, announce};
use crate::waiting::tell_while;
use fratmae_control::{Departure, Event, RunPhase, Step};
use fratmae_observe::Snapshot;
use fratmae_protocol::pb;
use futures::FutureExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

/// Messages of all workers that may wait.
const INBOX: usize = 1024;
/// How often time alone is looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often a coordinator makes sure that no other one has taken over.
const FENCE_CHECK: Duration = Duration::from_secs(5);
/// How long the processes of this machine may take to end when they are killed.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// How long workers may take to tell how they spent their time, once they were told to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs a job until it is finished, told to stop, or cannot go on.
///
/// A run that exists goes on from its newest good checkpoint; one that is finished is left as it is.
/// `listener` is the socket workers connect to; with a `launcher`, local workers are started against it.
/// What happens is told to everybody who follows `events`, and how the run stands to everybody who watches `snapshots`,
/// twice a second at most; there may be nobody, and nobody is waited for.
///
/// # Errors
/// Another job's run, a store that fails, a fence taken by another coordinator, or a verdict.
pub async fn run(
    mut job: Job,
    listener: TcpListener,
    launcher: Option<Launcher>,
    (events, snapshots): (broadcast::Sender<RunEvent>, watch::Sender<Arc<Snapshot>>),
    stop: StopRequests,
) -> Result<Outcome, CoordinatorError> {
    let events = EventSink::new(events);
    let place = Place {
        started: Instant::now(),
        addresses: Addresses::of_job(&listener, &mut job)?,
        has_own_workers: launcher.is_some(),
    };
    let address = place.addresses.advertised.url();
    let (mut after_the_step, mut at_once) = (stop.after_the_step, stop.at_once);
    let opened = tokio::select! {
        biased;
        () = &mut at_once => return Ok(Outcome::Abandoned),
        () = &mut after_the_step => return Ok(Outcome::NotBegun),
        opened = open_telling(&mut job, &address, &events) => opened?,
    };
    let opened = match opened {
        Opening::Finished(summary) => {
            let outcome = Outcome::Finished((*summary).clone());
            events.emit(RunEvent::Finished { summary });
            return Ok(outcome);
        }
        Opening::Open(opened) => *opened,
    };
    let (status, status_reader) = watch::channel(pb::StatusReply::default());
    let (arrivals, mut inbox) = mpsc::channel(INBOX);
    let service = Service::new(
        (opened.run_file.run_id.clone(), job.version.clone()),
        arrivals,
        status_reader,
        snapshots.clone(),
    );
    let mut fleet = Fleet::new(launcher, &place.addresses.own.url());
    let bounds = bounds(&job.config.train);
    let outlets = Outlets {
        events: events.clone(),
        status,
        snapshots,
    };
    let mut runtime = begin(job, opened, place, outlets);
    let server = Server::start(listener, service, bounds);
    runtime.emit(RunEvent::Serving { address });
    let (ask, asked) = oneshot::channel();
    let standing = runtime.standing();
    let outcome = tokio::select! {
        biased;
        () = &mut at_once => Ok(Outcome::Abandoned),
        never = announce(after_the_step, standing, events, ask) => match never {},
        outcome = lead(&mut runtime, &mut inbox, &mut fleet, Asked::new(asked)) => outcome,
    };
    if let Some(outcome) = cut_short(&runtime, &outcome) {
        drop(inbox);
        abandon(runtime, server, &mut fleet).await;
        return Ok(outcome);
    }
    let parted = part(runtime, (server, inbox), &mut fleet, outcome.as_ref().err());
    if !is_done_before(at_once, parted).await {
        fleet.kill();
    }
    outcome
}

/// Whether something is done before the run is asked to end at once.
async fn is_done_before(at_once: impl Future<Output = ()>, done: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = at_once => false,
        () = done => true,
    }
}

/// What a run came to that ends without its store.
fn cut_short(runtime: &Runtime, outcome: &Result<Outcome, CoordinatorError>) -> Option<Outcome> {
    match outcome {
        Ok(Outcome::Abandoned) => Some(Outcome::Abandoned),
        Err(CoordinatorError::Unresponsive) => Some(Outcome::Interrupted {
            step: runtime.cluster.newest().step().get(),
            reason: "its store does not answer",
        }),
        _ => None,
    }
}

async fn open_telling(
    job: &mut Job,
    address: &str,
    events: &EventSink,
) -> Result<Opening, CoordinatorError> {
    let run = job.run.url();
    let what = format!("opening {run}: reading its journal and newest checkpoint");
    tell_while(events, &what, open(job, address, events)).await
}

/// A run that is opened, and what is told of that.
pub(crate) fn begin(job: Job, opened: Opened, place: Place, outlets: Outlets) -> Runtime {
    let events = outlets.events.clone();
    let warned = job.warnings.clone().into_iter();
    let noted = job.notes.clone().into_iter();
    let resuming = RunEvent::Resuming {
        step: opened.newest.step().get(),
        steps: job.config.train.steps,
        damaged: opened.damaged.clone(),
    };
    let is_resuming = opened.newest.step() > Step::new(0) || !opened.damaged.is_empty();
    if let Some(note) = place.addresses.note.clone() {
        events.emit(RunEvent::Noted { note });
    }
    let mut runtime = Runtime::new(job, opened, place, outlets);
    // Whoever starts the same run now has to learn at once that it is led.
    runtime.publish_status();
    let warned = warned.map(|warning| RunEvent::Warned { warning });
    for event in warned.chain(noted.map(|note| RunEvent::Noted { note })) {
        runtime.emit(event);
    }
    if is_resuming {
        runtime.emit(resuming);
    }
    runtime
}

async fn lead(
    runtime: &mut Runtime,
    inbox: &mut mpsc::Receiver<Delivery>,
    fleet: &mut Fleet,
    mut asked: Asked,
) -> Result<Outcome, CoordinatorError> {
    attend(runtime, inbox, fleet, &mut asked).await?;
    let what = "writing the end of the run and deleting old checkpoints";
    let events = runtime.events();
    let concluded = tell_while(&events, what, collect_and_conclude(runtime));
    asked.bound(concluded).await
}

/// Lets everybody leave who can; `error` is what the run ended with, if it failed.
async fn part(
    mut runtime: Runtime,
    (server, mut inbox): (Server, mpsc::Receiver<Delivery>),
    fleet: &mut Fleet,
    error: Option<&CoordinatorError>,
) {
    if let Some(error) = error
        && !(error.is_its_own() && fleet.is_empty())
    {
        // Workers from elsewhere go to the next coordinator; those of this machine end with this one.
        runtime.stop_all(&error.to_string());
    }
    let mut ended = runtime.registered_launches();
    ended.extend(runtime.take_evicted());
    fleet.dismiss(&ended);
    // Who is still on his way in would wait for it.
    let heard = hear_last(&mut runtime, &mut inbox);
    let _ = tokio::time::timeout(LAST_WORDS, heard).await;
    drop(inbox);
    let ledger = runtime.into_ledger();
    let kept = async {
        if error.is_none_or(CoordinatorError::spares_run) {
            ledger.finish().await;
        }
    };
    tokio::join!(kept, server.stop(fleet));
}

/// Hears how workers that were told to end spent their time, until all have closed their streams.
async fn hear_last(runtime: &mut Runtime, inbox: &mut mpsc::Receiver<Delivery>) {
    while runtime.ledger.n_attached() > 0
        && let Some(delivery) = inbox.recv().await
    {
        match delivery.arrival {
            Arrival::Message(worker, message) => runtime.hear_last(worker, &message),
            Arrival::Closed(worker) => runtime.close(worker),
            Arrival::Opened(..) | Arrival::Save(_) => {}
        }
    }
}

/// Ends the workers of this machine at once. Those from elsewhere train on and look for the next coordinator.
async fn abandon(runtime: Runtime, server: Server, fleet: &mut Fleet) {
    if !fleet.is_empty() {
        // For those that an earlier coordinator has started.
        runtime.stop_all("the run was ended at once");
    }
    drop(runtime);
    fleet.kill();
    let shutdown = tokio::time::timeout(LAST_MOMENT, server.stop(fleet));
    if shutdown.await.is_err() {
        tracing::debug!("somebody has not left yet");
    }
}

async fn collect_and_conclude(runtime: &mut Runtime) -> Result<Outcome, CoordinatorError> {
    runtime.collect(true).await?;
    conclude(runtime).await
}

/// Receives and handles until there is a verdict.
async fn attend(
    runtime: &mut Runtime,
    inbox: &mut mpsc::Receiver<Delivery>,
    fleet: &mut Fleet,
    asked: &mut Asked,
) -> Result<(), CoordinatorError> {
    let mut is_draining = false;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut fence_checks = tokio::time::interval(FENCE_CHECK);
    fence_checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = runtime.events();
    let held = "waiting for the run's store";
    start_missing(runtime, fleet).await?;
    while runtime.verdict().is_none() {
        // Time comes before messages, of which there may be more than can be dealt with.
        tokio::select! {
            biased;
            () = asked.heard(), if !is_draining => {
                is_draining = true;
                asked.bound(runtime.handle(Event::DrainRequested)).await?;
            }
            _ = fence_checks.tick() => {
                asked.bound(tell_while(&events, held, runtime.show_life())).await?;
            }
            _ = ticks.tick() => {
                let passed = tell_while(&events, held, catch_up(runtime, inbox, fleet));
                asked.bound(passed).await?;
            }
            Some(delivery) = inbox.recv() => {
                asked.bound(tell_while(&events, held, receive(runtime, delivery.arrival))).await?;
            }
            unanswered = runtime.host_probes.next_unanswered() => {
                asked.bound(runtime.handle(unanswered)).await?;
            }
            exit = fleet.next_exit() => asked.bound(exited(runtime, fleet, &exit)).await?,
        }
    }
    Ok(())
}

/// Lets time pass. What has come before is heard before anybody is judged by it, but no more than that.
async fn catch_up(
    runtime: &mut Runtime,
    inbox: &mut mpsc::Receiver<Delivery>,
    fleet: &mut Fleet,
) -> Result<(), CoordinatorError> {
    for _ in 0..inbox.len() {
        match inbox.try_recv() {
            Ok(delivery) if runtime.verdict().is_none() => {
                receive(runtime, delivery.arrival).await?;
            }
            _ => break,
        }
    }
    while let Some(unanswered) = runtime.host_probes.next_unanswered().now_or_never() {
        runtime.handle(unanswered).await?;
    }
    while let Some(exit) = fleet.next_exit().now_or_never() {
        exited(runtime, fleet, &exit).await?;
    }
    if runtime.verdict().is_some() {
        return Ok(());
    }
    pass_time(runtime).await?;
    start_missing(runtime, fleet).await
}

async fn pass_time(runtime: &mut Runtime) -> Result<(), CoordinatorError> {
    runtime.handle(Event::Tick).await?;
    if runtime.is_keeping_urgent() {
        runtime.show_life().await?;
    }
    runtime.collect(false).await
}

/// Starts the workers that should be here and are not, once it is known who has stayed from an earlier coordinator.
async fn start_missing(runtime: &mut Runtime, fleet: &mut Fleet) -> Result<(), CoordinatorError> {
    let phase = runtime.cluster.phase();
    if phase == RunPhase::Ended || phase == RunPhase::TakingOver && !fleet.is_open() {
        return Ok(());
    }
    fleet.evict(&runtime.take_evicted(), Instant::now());
    if runtime.cluster.is_draining() {
        // Who is left saves what there is.
        return Ok(());
    }
    let registered = runtime.registered_launches();
    fleet.open(&runtime.orphans());
    let names = fleet.start_missing(&registered, Instant::now())?;
    if !names.is_empty() {
        runtime.emit(RunEvent::Restarted { names });
    }
    if fleet.is_spent() && runtime.cluster.n_registered() == 0 {
        let reason = "every worker of this machine has ended and none is started again \
                      (workers.restarts_per_hour); its own messages say why"
            .to_owned();
        return Err(CoordinatorError::Failed { reason });
    }
    Ok(())
}

/// A worker that ends while the first group gathers would end so again: it is not started any more. The run ends with
/// its reason if nobody else is there or will come.
async fn exited(
    runtime: &mut Runtime,
    fleet: &mut Fleet,
    exit: &Exit,
) -> Result<(), CoordinatorError> {
    if exit.is_well() {
        return start_missing(runtime, fleet).await;
    }
    let line = format!("worker {} ended with {}", exit.name(), exit.status);
    let would_end_again = !exit.was_asked() && !runtime.cluster.has_trained();
    if would_end_again && runtime.cluster.phase() == RunPhase::Gathering {
        fleet.close(exit);
        if fleet.is_spent() && runtime.cluster.n_registered() == 0 {
            let status = exit.status.clone();
            return Err(match runtime.last_words() {
                Some(reason) => CoordinatorError::Failed {
                    reason: format!("worker {}: {reason}", exit.name()),
                },
                None => CoordinatorError::WorkerExited { status },
            });
        }
    }
    runtime.emit(RunEvent::Exited { line });
    start_missing(runtime, fleet).await
}

async fn receive(runtime: &mut Runtime, arrival: Arrival) -> Result<(), CoordinatorError> {
    match arrival {
        Arrival::Opened(worker, outbox, inflow) => runtime.open(worker, outbox, inflow),
        Arrival::Closed(worker) => {
            runtime.close(worker);
            let departure = Departure::StreamClosed;
            runtime
                .handle(Event::Departed { worker, departure })
                .await?;
        }
        Arrival::Save(reply) => {
            runtime.await_save(reply);
            runtime.handle(Event::SaveRequested).await?;
        }
        Arrival::Message(worker, message) => runtime.hear(worker, *message).await?,
    }
    Ok(())
}
