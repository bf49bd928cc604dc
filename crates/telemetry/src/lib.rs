//! What a process tells about itself: log lines, and where the time of a step goes.
//!
//! Owns the set-up of tracing and the ledger of phases. It emits no event and it
//! sends nothing anywhere: whoever takes the figures decides where they go.

mod account;
mod error;
mod ledger;
mod line;
mod log;
mod metrics;
mod one_line;

pub use account::{Account, Accounts};
pub use error::TelemetryError;
pub use ledger::{PhaseLedger, span};
pub use line::{Line, describe};
pub use log::init;
pub use metrics::{LOSS, Metric, MetricKind, Metrics};
pub use one_line::{fold, one_line};
