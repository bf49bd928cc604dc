//! Why tracing could not be set up.

use thiserror::Error;
use tracing_subscriber::filter::ParseError;

/// A failure to set tracing up; the process can go on without.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter, given or of `RUST_LOG`, is not understood.
    #[error(
        "the log filter '{filter}' is not understood: write it like 'info' or 'warn,fratmae=debug'"
    )]
    Filter {
        /// The filter as it was written.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// `RUST_LOG` is set to something that is not text.
    #[error("RUST_LOG is not valid text: unset it or give a filter")]
    Environment,
    /// Tracing was set up before in this process; that set-up stays.
    #[error("tracing is already set up in this process")]
    AlreadySet,
}
