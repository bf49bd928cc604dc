//! What `control` is told of the job, and what else a runtime begins with.

use super::Place;
use crate::admission::Admission;
use crate::beat::Beats;
use crate::job::Job;
use crate::ledger::Ledger;
use crate::opening::Opened;
use fratmae_control::{Millis, Settings, Step};
use fratmae_network::host_id;
use std::collections::BTreeMap;

/// Generations in a row that may end without a step before the run is given up.
const MAX_WITHOUT_STEP: u32 = 5;

/// What any worker may take for anything, so that a busy machine is no verdict: five seconds, less the time between two
/// looks.
const LEAST_TIMEOUT: Millis = Millis::new(4_750);

/// How long a new coordinator waits for the group of the one before: workers look for it twice a second.
const RETURN_TIMEOUT: Millis = Millis::new(2_000);

/// How long more workers are waited for where fewer than the most may begin: processes that are started together are
/// there within it.
const SETTLE: Millis = Millis::new(3_000);

pub(super) fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(super) fn settings(job: &Job) -> Settings {
    let config = &job.config;
    Settings {
        slots: count(config.train.slots),
        workers: count(config.workers.count),
        least_workers: count(config.workers.least()),
        settle: SETTLE,
        last_step: Step::new(config.train.steps),
        least_timeout: LEAST_TIMEOUT,
        store_patience: Millis::new(config.store.patience_s * 1000),
        worker_timeout: Millis::new(config.coordinator.worker_timeout_s * 1000),
        join_timeout: Millis::new(config.coordinator.join_timeout_s * 1000),
        return_timeout: RETURN_TIMEOUT,
        leave_timeout: Millis::new(config.collective.deadline_s * 1000),
        max_without_step: MAX_WITHOUT_STEP,
        save_every: match config.checkpoint.every_s {
            0 => None,
            seconds => Some(Millis::new(seconds * 1000)),
        },
    }
}

pub(super) fn ledger(job: &Job, opened: &Opened) -> Ledger {
    Ledger::new(
        job.run.clone(),
        opened.journal.fence().get(),
        opened.newest.step().get(),
        count(job.config.workers.count),
    )
}

pub(super) fn beats(job: &Job, opened: &Opened, place: &Place) -> Beats {
    let address = place.addresses.advertised.url();
    Beats::new(job.run.clone(), opened.journal.fence(), address)
}

pub(super) fn admission(job: &Job, opened: &Opened, place: &Place) -> Admission {
    Admission {
        allowed: job.allowed,
        version: job.version.clone(),
        advertised: place.addresses.advertised.clone(),
        host: host_id(),
        config_digest: job.config.digest(),
        data_digest: opened.run_file.data_digest.clone(),
        given_up: opened.given_up,
        joined: BTreeMap::new(),
    }
}
