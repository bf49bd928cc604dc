//! What there is to see of the run: the time that steps took each rank, and a snapshot for whoever looks.

use super::{Runtime, count};
use crate::ledger::Moment;
use fratmae_control::{Generation, RunOutcome, RunPhase, Slot, WorkerId, deal_slots};
use fratmae_observe::{RunState, Seat, Snapshot, WorkerView};
use fratmae_protocol::pb;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a snapshot is published at most.
const EVERY: Duration = Duration::from_millis(500);

/// Steps whose ranks may wait for their names.
const MOST_UNNAMED: usize = 256;

impl Runtime {
    /// Time passes for whoever observes the run.
    pub(super) fn observe(&mut self) {
        self.name_times();
        self.ledger.tick(self.cluster.n_registered());
        let is_due = self.observed.is_none_or(|last| last.elapsed() >= EVERY);
        let has_ended = self.cluster.phase() == RunPhase::Ended;
        if self.snapshots.receiver_count() > 0 && (is_due || has_ended) {
            self.observed = Some(Instant::now());
            let snapshot = Arc::new(self.snapshot());
            self.snapshots.send_replace(snapshot);
        }
    }

    /// Keeps how long a step took each rank, as the first of them tells for all.
    pub(super) fn note_times(&mut self, worker: WorkerId, times: pb::StepTimes) {
        let generation = Generation::new(times.generation);
        if self.cluster.tells_for(worker, generation) && self.unnamed_times.len() < MOST_UNNAMED {
            self.unnamed_times.push(times);
        }
    }

    /// A coordinator that took the run over knows the ranks once their group is whole.
    fn name_times(&mut self) {
        let phase = self.cluster.phase();
        if self.unnamed_times.is_empty() || phase == RunPhase::TakingOver {
            return;
        }
        let members = self.cluster.group_workers();
        let slots = slots_of(self.job.config.train.slots, members.len());
        for times in std::mem::take(&mut self.unnamed_times) {
            let is_whole = times.ranks.len() == members.len();
            if is_whole && times.generation == self.cluster.generation().get() {
                let rows = self.ledger.step_times(&times, &members, &slots);
                self.watch.step_times(rows);
            }
        }
    }

    /// How far apart checkpoints are to be, as far as that is known.
    fn checkpoint_every_ms(&self) -> Option<u64> {
        let checkpoint = &self.job.config.checkpoint;
        let by_step = self.estimate.step_seconds().map(|seconds| {
            let apart = seconds * 1e3 * checkpoint.every as f64;
            apart as u64
        });
        let by_age = (checkpoint.every_s > 0).then_some(checkpoint.every_s * 1000);
        by_step.into_iter().chain(by_age).min()
    }

    fn snapshot(&mut self) -> Snapshot {
        let unix_ms = Moment::now().unix_ms;
        let workers = self.worker_views();
        let newest = self.newest_row.as_ref();
        let batch = self.job.config.train.batch;
        let step_seconds = self.estimate.step_seconds();
        let (accounts, lost) = self.ledger.totals();
        let capacity = self.ledger.capacity.total();
        let (state, reason) = self.run_state();
        let progress = capacity.progress_unix_ms;
        Snapshot {
            unix_ms,
            run: self.job.run.url().to_owned(),
            run_id: self.run_file.run_id.clone(),
            version: self.job.version.clone(),
            state,
            reason,
            fence: self.journal.fence().get(),
            generation: self.cluster.generation().get(),
            step: self.cluster.applied_step().get(),
            best_step: capacity.best_step.max(self.cluster.applied_step().get()),
            last_step: self.job.config.train.steps,
            batch: batch as u64,
            samples: self.samples_at(self.cluster.applied_step()),
            committed_step: match self.cluster.newest().step().get() {
                0 => None,
                step => Some(step),
            },
            committed_unix_ms: self.committed_unix_ms,
            progress_unix_ms: (progress > 0).then_some(progress),
            step_seconds,
            samples_per_second: newest.and_then(|row| row.samples_per_second(batch)),
            eta_seconds: step_seconds.map(|seconds| seconds * self.steps_left() as f64),
            metrics: newest.map(|row| row.metrics.clone()).unwrap_or_default(),
            wanted: [
                count(self.job.config.workers.least()),
                count(self.job.config.workers.count),
            ],
            workers,
            counts: capacity.counts,
            accounts,
            lost,
            capacity,
            signs: self.watch.signs(unix_ms, self.checkpoint_every_ms()),
        }
    }

    fn run_state(&self) -> (RunState, Option<String>) {
        match (self.verdict(), self.cluster.phase()) {
            (Some(RunOutcome::Finished { .. }), _) => (RunState::Finished, None),
            (Some(RunOutcome::Interrupted { cause, .. }), _) => {
                (RunState::Interrupted, Some(cause.reason().to_owned()))
            }
            (Some(RunOutcome::Failed { reason }), _) => (RunState::Failed, Some(reason.clone())),
            (None, _) if self.cluster.is_draining() => (RunState::Stopping, None),
            (None, RunPhase::Gathering) => (RunState::Waiting, None),
            (None, _) => (RunState::Training, None),
        }
    }

    /// Members in rank order, then the others.
    fn worker_views(&mut self) -> Vec<WorkerView> {
        let scores = self.watch.scores();
        let members = self.cluster.group_workers();
        let slots = slots_of(self.job.config.train.slots, members.len());
        let seated = members.iter().zip(0..).zip(slots);
        let seated = seated.filter_map(|((worker, rank), slots)| {
            let seat = match self.cluster.is_leaving(*worker) {
                true => Seat::Leaving,
                false => Seat::Member,
            };
            let view = self.worker_view(*worker, seat)?;
            let slots = u32::try_from(slots.len()).unwrap_or(u32::MAX);
            let score = scores.get(&view.name);
            Some(WorkerView {
                rank: Some(rank),
                slots,
                relative_score: score.map(|score| score.relative),
                individual_score: score.map(|score| score.individual),
                ..view
            })
        });
        let others = self.cluster.registered_workers().into_iter();
        let others = others.filter(|worker| !members.contains(worker));
        let others = others.filter_map(|worker| {
            let seat = match self.cluster.is_leaving(worker) {
                true => Seat::Leaving,
                false => Seat::Standby,
            };
            self.worker_view(worker, seat)
        });
        seated.chain(others).collect()
    }

    fn worker_view(&self, worker: WorkerId, seat: Seat) -> Option<WorkerView> {
        let (id, process) = self.ledger.process(worker)?;
        let silent = process.heard.elapsed().as_millis();
        Some(WorkerView {
            name: id.worker.clone(),
            host: process.host.clone(),
            incarnation: id.incarnation,
            seat,
            generation: process.newest.generation,
            step: process.newest.step,
            phase: process.newest.phase.clone(),
            still_ms: process.newest.still_ms,
            silent_ms: u64::try_from(silent).unwrap_or(u64::MAX),
            accounts: process.newest.accounts,
            ..WorkerView::default()
        })
    }
}

/// The slots of each rank.
fn slots_of(slots: usize, ranks: usize) -> Vec<Range<u32>> {
    let range = |slots: Range<Slot>| slots.start.get()..slots.end.get();
    let dealt = deal_slots(count(slots), count(ranks)).into_iter();
    dealt.map(range).collect()
}
