//! What the coordinator of this process tells of its run, taken in as it comes.

use crate::changes::Change;
use crate::figures::{GENERATION, SAMPLES, SECONDS};
use crate::run::Run;
use fratmae_coordinator::RunEvent;
use fratmae_observe::Snapshot;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

/// What a coordinator tells whoever follows it. It waits for nobody.
#[derive(Debug)]
pub struct Live {
    pub events: broadcast::Receiver<RunEvent>,
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// Takes all of it in until the coordinator ends.
pub(crate) async fn follow(run: &Run, live: Live) {
    let Live {
        mut events,
        mut snapshots,
    } = live;
    run.ask();
    // What its store has comes first. A run that is just beginning has nothing there; later it is read again.
    if let Err(error) = run.load().await {
        tracing::debug!(%error, "nothing to show yet");
    }
    let mut generation = 0;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => take_in(run, event, &mut generation).await,
                // Steps were missed: they are on the store with the next checkpoint.
                Err(RecvError::Lagged(_)) => run.view().changes.forget(),
                Err(RecvError::Closed) => return,
            },
            Ok(()) = snapshots.changed() => {
                let snapshot = snapshots.borrow_and_update().as_ref().clone();
                run.view().tell(snapshot);
            }
        }
    }
}

async fn take_in(run: &Run, event: RunEvent, generation: &mut u64) {
    match event {
        RunEvent::Applied {
            step,
            samples,
            seconds,
            samples_per_second,
            metrics,
            ..
        } => {
            let own = [
                (GENERATION, *generation as f64),
                (SAMPLES, samples as f64),
                (SECONDS, seconds),
                ("samples_per_second", samples_per_second),
            ];
            let mut view = run.view();
            view.figures
                .push(step, own.into_iter().chain(metrics.iter()));
            view.changes.push(Change::Step(step));
        }
        RunEvent::Began {
            generation: begun,
            step,
            ..
        } => {
            *generation = begun;
            {
                let mut view = run.view();
                if view.figures.steps().is_some_and(|(_, last)| last > step) {
                    view.figures.rewind(step);
                    view.changes.push(Change::Rewound(step));
                }
            }
            run.expire().await;
        }
        RunEvent::Committed { .. }
        | RunEvent::Verdict { .. }
        | RunEvent::Skipped { .. }
        | RunEvent::BadBatch { .. }
        | RunEvent::Finished { .. } => run.expire().await,
        _ => {}
    }
}
