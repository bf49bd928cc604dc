//! What `top` shows, looked up again and again.

use std::time::{Duration, Instant};

use anyhow::Result;
use fratmae_coordinator::{Look, live_snapshot};
use fratmae_store::Location;
use fratmae_telemetry::one_line;
use tokio::sync::watch;

use super::scene::Scene;

/// How often a run is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How often its store is read while its coordinator answers: for events, and steps that were missed.
const STORE_EVERY: Duration = Duration::from_secs(10);

/// Reads a run from its store, and beside it what its coordinator says, if one answers.
///
/// # Errors
/// There is none, or the store's.
pub(super) async fn look(run: &Location) -> Result<Scene> {
    let Look {
        status,
        snapshot,
        history,
        ..
    } = fratmae_coordinator::look(run).await?;
    let mut scene = Scene::of(snapshot, &status, &history);
    if let Some(live) = live_snapshot(&scene.coordinator).await {
        scene.take(live);
    }
    Ok(scene)
}

/// Looks it up for as long as somebody watches. What cannot be read is said beside what was last known.
///
/// A long run takes long to read: that takes a tenth of the time at most.
pub(super) async fn follow(run: Location, scenes: watch::Sender<Scene>) {
    let mut pause = EVERY;
    let mut read = Instant::now();
    loop {
        let closed = tokio::time::timeout(pause, scenes.closed());
        if closed.await.is_ok() {
            return;
        }
        pause = EVERY;
        let is_due = read.elapsed() >= STORE_EVERY;
        let coordinator = scenes.borrow().coordinator.clone();
        if !is_due && let Some(live) = live_snapshot(&coordinator).await {
            scenes.send_modify(|known| known.take(live));
            continue;
        }
        let began = Instant::now();
        match look(&run).await {
            Ok(scene) => {
                scenes.send_if_modified(|known| {
                    let is_new = *known != scene;
                    *known = scene;
                    is_new
                });
            }
            Err(error) => scenes.send_modify(|known| {
                known.trouble = Some(one_line(error.as_ref()));
            }),
        }
        read = Instant::now();
        pause = EVERY.max(9 * began.elapsed());
    }
}
