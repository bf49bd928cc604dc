//! One way to open a place on an object store: a path, `file://`, `s3://`, `gs://` or `az://` address.
//! Owns credentials, time-outs, create-if-absent and the wording of store failures; owns no layout of any data.
//!
//! A [`Location`] is a root on a store. Objects below it are named relative to it. The one primitive the rest of
//! the system leans on is [`Location::create`]: an object is created only if nothing is there, and an object that
//! is there with exactly our bytes counts as ours (the answer to an earlier create was lost on the way).

mod address;
mod aws;
mod classify;
mod environment;
mod error;
mod local;
mod location;
mod objects;
mod open;
mod page_cache;
mod probe;
mod proxy;
mod reading;
mod retry;
mod sealed;
#[cfg(test)]
mod tests;
mod throughput;
mod unfinished;
mod watched;
mod whole;
mod wire;

pub use error::StoreError;
pub use location::Location;
pub use objects::{About, Created, Entry};
pub use retry::RetryPolicy;
pub use sealed::{seal, unseal};
pub use throughput::Throughput;
pub use whole::{local_path, read_whole};
