//! What ranks reported of their shares of a checkpoint, until its manifest is written.

use crate::job::{Job, RunFile};
use fratmae_checkpoint::{FORMAT_VERSION, Manifest, PartRecord, weights_root};
use fratmae_control::{Fence, Generation, MOST_SHARES, Step, WorkerId};
use fratmae_protocol::pb;
use std::collections::BTreeMap;

/// The parts that members of the newest generation wrote, by step.
#[derive(Default)]
pub(crate) struct Shares {
    generation: u64,
    steps: BTreeMap<u64, BTreeMap<WorkerId, Vec<pb::Part>>>,
}

impl Shares {
    /// Keeps a member's report, which `control` has admitted; those of older generations, and the oldest of one that
    /// tells of many, will never be asked for again.
    pub(crate) fn add(&mut self, worker: WorkerId, report: pb::PartsWritten) {
        if report.generation != self.generation {
            self.generation = report.generation;
            self.steps.clear();
        }
        let share = self.steps.entry(report.step).or_default();
        share.insert(worker, report.parts);
        let its = self.steps.values_mut().rev();
        let its = its.filter(|members| members.contains_key(&worker));
        its.skip(MOST_SHARES).for_each(|members| {
            members.remove(&worker);
        });
        self.steps.retain(|_, members| !members.is_empty());
    }

    /// Forgets what a worker reported that is gone.
    pub(crate) fn forget(&mut self, worker: WorkerId) {
        for members in self.steps.values_mut() {
            members.remove(&worker);
        }
    }

    /// The manifest over all parts reported for a step; its reports are forgotten.
    pub(crate) fn manifest(
        &mut self,
        job: &Job,
        run_file: &RunFile,
        fence: Fence,
        (generation, step): (Generation, Step),
        loss: f64,
    ) -> Manifest {
        let later = self.steps.split_off(&(step.get() + 1));
        let members = std::mem::replace(&mut self.steps, later).remove(&step.get());
        let parts = members.into_iter().flatten().flat_map(|(_, parts)| parts);
        let parts: BTreeMap<u32, pb::Part> = parts.map(|part| (part.index, part)).collect();
        // Parts and the parameters in them are numbered in layout order.
        let weights_digest = weights_root(parts.values().map(|part| part.weights.as_slice()));
        Manifest {
            format_version: FORMAT_VERSION,
            step: step.get(),
            generation: generation.get(),
            fence: fence.get(),
            parts: parts.into_values().map(record).collect(),
            weights_digest,
            samples_seen: run_file.samples_at(step.get(), job.config.train.batch),
            loss,
            config_digest: job.config.digest(),
            data_digest: run_file.data_digest.clone(),
            seed: job.config.run.seed,
        }
    }
}

fn record(part: pb::Part) -> PartRecord {
    PartRecord {
        index: part.index,
        name: part.name,
        bytes: part.bytes,
        digest: part.digest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(generation: u64, step: u64, parts: &[u32]) -> pb::PartsWritten {
        let part = |index: &u32| pb::Part {
            index: *index,
            ..Default::default()
        };
        pb::PartsWritten {
            generation,
            step,
            parts: parts.iter().map(part).collect(),
        }
    }

    const ONE: WorkerId = WorkerId::new(1);
    const TWO: WorkerId = WorkerId::new(2);

    #[test]
    fn a_newer_generation_forgets_older_reports() {
        let mut shares = Shares::default();
        shares.add(ONE, report(1, 10, &[0]));
        shares.add(ONE, report(1, 20, &[0]));
        shares.add(ONE, report(2, 20, &[0]));
        assert_eq!(shares.steps.keys().copied().collect::<Vec<_>>(), [20]);
    }

    #[test]
    fn of_a_member_that_tells_of_many_the_newest_are_kept_and_nobody_elses_are_lost() {
        let mut shares = Shares::default();
        shares.add(TWO, report(1, 1, &[1]));
        let most = MOST_SHARES as u64;
        (1..=most + 3).for_each(|step| shares.add(ONE, report(1, step, &[0])));
        let kept = |worker| {
            let has = |(step, members): (&u64, &BTreeMap<_, _>)| {
                members.contains_key(&worker).then_some(*step)
            };
            shares.steps.iter().filter_map(has).collect::<Vec<_>>()
        };
        assert_eq!(kept(ONE), (4..=most + 3).collect::<Vec<_>>());
        assert_eq!(kept(TWO), [1]);
    }
}
