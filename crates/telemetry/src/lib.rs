//! What a process tells about itself: log lines, and where its time goes.
//!
//! Owns the set-up of tracing and the accounts of a process's time. It emits no event and it
//! sends nothing anywhere: whoever takes the figures decides where they go.

mod account;
mod error;
mod line;
mod log;
mod metrics;
mod one_line;
mod process;
mod timesheet;
mod trace;

pub use account::{Account, Accounts};
pub use error::TelemetryError;
pub use line::{Line, describe, described};
pub use log::{Layered, init};
pub use metrics::{LOSS, Metric, MetricKind, Metrics};
pub use one_line::{fold, one_line};
pub use process::{process_age_ns, process_began_unix_us};
pub use timesheet::{StepTime, TimeReading, Timesheet, divided, shortest_calls};
pub use trace::{TRACE, carried, follow, is_part, is_traced, link, span};
