//! What can be looked at over HTTP: a bounded server, the JSON of runs, and the page that draws it.
//!
//! It changes nothing of a run and no run waits for it. Whoever asks too much is refused or cut off.

mod api;
mod assets;
mod changes;
mod door;
mod figures;
mod live;
mod pictures;
mod query;
mod ranks;
mod run;
mod runs;
mod server;
mod spending;
mod stream;
mod timeline;
mod view;

pub use axum::Router;
pub use live::Live;
pub use pictures::PictureError;
pub use runs::Runs;
pub use server::{Bound, serve};

use std::future::Future;
use std::sync::Arc;

/// Serves the page of some runs, with what else is served at the same address, until `stop` is there.
pub async fn show(bound: Bound, runs: Arc<Runs>, others: Router, stop: impl Future<Output = ()>) {
    let router = api::router(Arc::clone(&runs)).merge(others);
    tokio::select! {
        () = serve(bound, router, stop) => {}
        () = runs.keep_fresh() => {}
    }
}
