//! Addresses that processes tell each other: read from text, judged, and found for this host.
//!
//! Owns no socket that carries data: who listens and who connects is decided elsewhere.

mod endpoint;
mod host;

pub use endpoint::{AddressError, Endpoint, Reach};
pub use host::{host_id, host_name, own_address};
