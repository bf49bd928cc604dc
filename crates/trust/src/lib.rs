//! Who a process is in its run, and whom it speaks with: the run's certificate authority, certificates and their renewal,
//! streams over TLS between processes that know each other, and what each may do.
//!
//! It knows no message and no address: who listens and who connects hands it a stream.

mod authority;
mod error;
mod folder;
mod keyring;
mod own;
mod role;
mod tokens;
mod verifier;

pub use authority::{Authority, DAY, draw_key};
pub use error::TrustError;
pub use folder::{authority_in, make};
pub use keyring::{Accepting, Keyring, peer};
pub use own::{Keys, keys, own, set_keys};
pub use role::{Action, Identity, Role};
pub use tokens::{draw, draw_token};
pub use tokio_rustls::{client::TlsStream as Outgoing, server::TlsStream as Incoming};
