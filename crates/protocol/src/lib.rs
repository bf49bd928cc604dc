//! The gRPC contract between coordinator and workers, both of its ends, and its conversions to `control`'s terms.
//!
//! Holds no logic: what a message leads to is decided in `control`, `coordinator` and `worker`.

mod begin;
mod bounds;
mod client;
mod error;
mod parting;
mod progress;
mod recalled;
mod report;
mod server;
mod shown;

pub use client::{Client, cause, connect, connect_as};
pub use error::ProtocolError;
pub use report::event_of;
pub use server::{Bounds, Caller, Charge, Inflow, Stay, serve};
pub use shown::shown;

/// The generated messages and the service, as `proto/coordination.proto` has them.
#[expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::too_many_lines,
    reason = "generated; the contract is documented in the .proto file"
)]
pub mod pb {
    tonic::include_proto!("fratmae.coordination.v1");
}
