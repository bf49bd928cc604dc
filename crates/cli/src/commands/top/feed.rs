//! What `top` shows, looked up again and again.

use std::time::Duration;

use anyhow::Result;
use fratmae_coordinator::{read_kept_history, status};
use fratmae_store::Location;
use fratmae_telemetry::one_line;
use tokio::sync::watch;

use super::scene::Scene;

/// How often a run is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Looks a run up.
///
/// # Errors
/// There is none, or the store's.
pub(super) async fn look(run: &Location) -> Result<Scene> {
    let status = status(run).await?;
    let history = read_kept_history(run).await?;
    Ok(Scene::of(status, &history.rows))
}

/// Looks it up for as long as somebody watches. What cannot be read is said beside what was last known.
pub(super) async fn follow(run: Location, scenes: watch::Sender<Scene>) {
    let mut looks = tokio::time::interval(EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first one is immediate, and somebody has just looked.
    looks.tick().await;
    loop {
        looks.tick().await;
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
        if scenes.is_closed() {
            return;
        }
    }
}
