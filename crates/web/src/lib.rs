//! What can be looked at over HTTP: a bounded server.
//!
//! It changes nothing of a run and no run waits for it. Whoever asks too much is refused or cut off.

mod door;
mod server;

pub use axum::Router;
pub use server::{Bound, serve};
