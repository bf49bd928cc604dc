//! The option that starts a new run from another one, shared by `pretrain` and `coordinator`.
//! Which checkpoint that is, and what may change, is the `coordinator` crate's.

use clap::Args;
use fratmae_coordinator::Fork;
use fratmae_store::{Location, StoreError};

/// Where a new run takes its weights from.
#[derive(Debug, Default, Args)]
pub(crate) struct Forking {
    /// Start a new run from a checkpoint of another run (weights and optimizer state): its newest, or the one at STEP
    ///
    /// The step count continues, so train.steps includes the other run's steps. Learning rate, batch, data, seed and all
    /// other values may change; the sizes of the network must stay.
    #[arg(long, value_name = "RUN[@STEP]")]
    fork: Option<String>,
}

impl Forking {
    /// Takes the option apart.
    ///
    /// # Errors
    /// An address that no store has.
    pub(crate) fn resolve(&self) -> Result<Option<Fork>, StoreError> {
        let Some(text) = &self.fork else {
            return Ok(None);
        };
        let (url, step) = split(text);
        let run = Location::open(url)?;
        Ok(Some(Fork { run, step }))
    }
}

/// What follows the last `@` is the step if it is a number; addresses may have one themselves.
fn split(text: &str) -> (&str, Option<u64>) {
    let parts = text.rsplit_once('@');
    let parts = parts.and_then(|(url, step)| Some((url, step.parse().ok()?)));
    match parts {
        Some((url, step)) if !url.is_empty() => (url, Some(step)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_after_the_last_at_is_the_step() {
        for (text, expected) in [
            ("runs/a", ("runs/a", None)),
            ("runs/a@20", ("runs/a", Some(20))),
            ("s3://bucket/run@0", ("s3://bucket/run", Some(0))),
            ("runs/me@home", ("runs/me@home", None)),
            ("runs/me@home@7", ("runs/me@home", Some(7))),
            ("s3://user@host/run", ("s3://user@host/run", None)),
            ("@7", ("@7", None)),
            ("runs/a@", ("runs/a@", None)),
            ("runs/a@-1", ("runs/a@-1", None)),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }
}
