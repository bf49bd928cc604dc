//! Every metric, declared once: pages, OTLP and `docs/metrics.md` follow from this table.
//!
//! A timestamp is told and not an age, which would stand still with the process that tells it. A worker's label is its
//! stable name, so that a restart makes no new series.

use crate::metric::{Kind, Metric, Unit};

/// Declares each metric, and the table of all in this order.
macro_rules! metrics {
    ($($metric:ident = $name:literal, $unit:expr, $kind:ident, [$($label:literal),*], $help:literal;)+) => {
        $(
            #[doc = $help]
            pub static $metric: Metric = Metric {
                name: $name,
                unit: $unit,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )+

        /// All metrics, in the order in which they are shown.
        pub static TABLE: &[&Metric] = &[$(&$metric),+];
    };
}

metrics! {
    BUILD = "fratmae.build.info", Unit::Plain, Gauge, ["version"], "Always 1; its label is the version of the program.";
    STATE = "fratmae.run.state", Unit::Plain, Gauge, ["run", "state"], "1 for the state that the run is in, else 0.";
    STEP = "fratmae.run.step", Unit::Plain, Gauge, ["run"], "The newest step that was applied; it falls where steps are done again.";
    BEST_STEP = "fratmae.run.best_step", Unit::Plain, Gauge, ["run"], "The newest step that was ever applied.";
    LAST_STEP = "fratmae.run.last_step", Unit::Plain, Gauge, ["run"], "The last step of the job.";
    COMMITTED_STEP = "fratmae.run.committed_step", Unit::Plain, Gauge, ["run"], "The step of the newest committed checkpoint.";
    GENERATION = "fratmae.run.generation", Unit::Plain, Gauge, ["run"], "The number of the group of workers.";
    FENCE = "fratmae.run.fence", Unit::Plain, Gauge, ["run"], "The number of the coordinator that leads the run.";
    LAST_PROGRESS = "fratmae.run.last_progress.timestamp", Unit::Seconds, Gauge, ["run"], "When a step was last applied that had never been applied before, in seconds since 1970.";
    COMMITTED = "fratmae.checkpoint.committed.timestamp", Unit::Seconds, Gauge, ["run"], "When the newest checkpoint was committed, in seconds since 1970.";
    STEP_TIME = "fratmae.run.step_time", Unit::Seconds, Gauge, ["run"], "How long a step takes: the median of the newest ones.";
    REMAINING = "fratmae.run.remaining_time", Unit::Seconds, Gauge, ["run"], "How long the steps that are left will take.";
    METRIC = "fratmae.run.metric", Unit::Plain, Gauge, ["run", "name"], "A metric of the newest step, by its name in the history; one that the step does not have is absent.";
    WORKERS = "fratmae.run.workers", Unit::Items("worker"), Gauge, ["run", "state"], "Workers: the least that the run begins with, the most that it takes, and those that are there, by their seat.";
    STEPS = "fratmae.run.steps", Unit::Items("step"), Counter, ["run", "result"], "Steps that were applied for the first time, that were done again, and that moved no weight.";
    SAMPLES = "fratmae.run.samples", Unit::Items("sample"), Counter, ["run"], "Samples of all steps, those of steps that were done again included.";
    GENERATIONS = "fratmae.run.generations", Unit::Items("generation"), Counter, ["run"], "Groups of workers that were formed.";
    CHECKPOINTS = "fratmae.run.checkpoints", Unit::Items("checkpoint"), Counter, ["run"], "Checkpoints that were committed.";
    VERDICTS = "fratmae.run.verdicts", Unit::Items("verdict"), Counter, ["run"], "Workers that were found at fault.";
    RUN_TIME = "fratmae.run.time", Unit::Seconds, Counter, ["run", "account"], "Time of all workers, those that are gone included, by account; the accounts add up to their lives.";
    LOST_TIME = "fratmae.run.lost.time", Unit::Seconds, Counter, ["run", "reason"], "Time of workers whose work came to nothing: in steps that were done again, in steps that were not finished, and before a killed worker was missed. It is in the accounts as well.";
    CAPACITY_TIME = "fratmae.run.capacity.time", Unit::Seconds, Counter, ["run", "state"], "Time of workers that were there, and of those that were asked for and not there.";
    GOODPUT = "fratmae.run.goodput", Unit::Ratio, Gauge, ["run", "kind"], "Since the run began: workers that were there of those that were asked for, their time that moved the weights, both together, and computing of all time in steps.";
    FINDING = "fratmae.run.finding", Unit::Plain, Gauge, ["run", "kind", "worker"], "1 for each thing that is odd now, as `status` shows it; `worker` is empty where it is no single one's.";
    WORKER_TIME = "fratmae.worker.time", Unit::Seconds, Counter, ["run", "worker", "account"], "Time of a worker's process by account; the accounts add up to its life.";
    WORKER_RANK = "fratmae.worker.rank", Unit::Plain, Gauge, ["run", "worker", "host"], "The rank of a member of the group.";
    WORKER_STEP = "fratmae.worker.step", Unit::Plain, Gauge, ["run", "worker"], "The step that a worker works on.";
    WORKER_SILENT = "fratmae.worker.silent_time", Unit::Seconds, Gauge, ["run", "worker"], "How long ago a worker was last heard.";
    WORKER_STILL = "fratmae.worker.still_time", Unit::Seconds, Gauge, ["run", "worker"], "How long a worker has not got on within its phase.";
    WORKER_SCORE = "fratmae.worker.score", Unit::Ratio, Gauge, ["run", "worker", "kind"], "A worker's speed over the recent steps: the best rank's compute time over its own, and its own best over its own; 1 is best.";
    STEP_DURATION = "fratmae.step.duration", Unit::Seconds, Histogram, [], "How long steps took.";
    PHASE_DURATION = "fratmae.phase.duration", Unit::Seconds, Histogram, ["phase"], "How long a worker was in each phase of a step.";
    RECOVERY_DURATION = "fratmae.recovery.duration", Unit::Seconds, Histogram, [], "From the last step of a group that broke to the first step of the next one.";
    STORE_DURATION = "fratmae.store.request.duration", Unit::Seconds, Histogram, ["operation"], "How long calls of the store took, with all their tries.";
    STORE_IO = "fratmae.store.io", Unit::Bytes, Counter, ["operation"], "Bytes that were read from the store and written to it.";
    STORE_REQUESTS = "fratmae.store.requests", Unit::Items("request"), Counter, ["operation", "result"], "Calls of the store that succeeded and that failed.";
    PROCESS_TIME = "fratmae.process.time", Unit::Seconds, Counter, ["account"], "Time of this worker's process by account, without collective calls of the step at hand; the accounts add up to its life.";
    COLLECTIVE_IO = "fratmae.collective.io", Unit::Bytes, Counter, ["direction"], "Bytes that this worker sent to its peers and received from them over TCP; what NCCL moves is not counted.";
    MEMORY = "fratmae.process.memory", Unit::Bytes, Gauge, [], "Memory of the process that is resident.";
    CPU_TIME = "fratmae.process.cpu.time", Unit::Seconds, Counter, [], "CPU time of the process.";
    DROPPED = "fratmae.telemetry.dropped", Unit::Items("item"), Counter, ["signal"], "Spans, log records and readings of metrics that could not be sent and were dropped.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unlike_and_have_no_unit_of_their_own() {
        let samples: BTreeSet<_> = TABLE.iter().map(|metric| metric.sample()).collect();
        assert_eq!(samples.len(), TABLE.len());
        for metric in TABLE {
            assert!(metric.name.starts_with("fratmae."), "{}", metric.name);
            for end in ["seconds", "bytes", "ratio", "total"] {
                assert!(!metric.name.ends_with(end), "{} says {end}", metric.name);
            }
            assert!(metric.help.ends_with('.'), "{}", metric.help);
        }
    }
}
