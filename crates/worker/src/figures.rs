//! The figures of the last steps, kept for a coordinator or a peer that lacks some: every rank has them, one tells them.

use fratmae_protocol::pb;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Steps kept where no checkpoint makes them needless: some 40 MB. Who lacks older ones has a gap in its history.
const KEPT: usize = 1 << 16;

/// Figures by step.
#[derive(Debug, Default)]
pub(crate) struct RecentFigures {
    steps: BTreeMap<u64, pb::Figures>,
}

impl RecentFigures {
    /// Takes a step in; a step that comes again replaces its figures and all that followed it.
    pub(crate) fn push(&mut self, step: u64, figures: pb::Figures) {
        self.rewind(step - 1);
        self.steps.insert(step, figures);
        self.hold_to_limit();
    }

    /// Takes steps in that a peer told of, as far as they are not here.
    pub(crate) fn fill(&mut self, steps: Vec<pb::StepFigures>) {
        for pb::StepFigures { step, figures } in steps {
            self.steps
                .entry(step)
                .or_insert_with(|| figures.unwrap_or_default());
        }
        self.hold_to_limit();
    }

    /// Forgets everything after `step`.
    pub(crate) fn rewind(&mut self, step: u64) {
        self.steps.split_off(&(step + 1));
    }

    /// Forgets everything up to `step`, which is in the history on the store.
    pub(crate) fn forget(&mut self, step: u64) {
        self.steps = self.steps.split_off(&(step + 1));
    }

    /// The steps after `after` up to `until`.
    pub(crate) fn between(&self, after: u64, until: u64) -> Vec<pb::StepFigures> {
        let step = |(step, figures): (&u64, &pb::Figures)| pb::StepFigures {
            step: *step,
            figures: Some(figures.clone()),
        };
        match after < until {
            true => self.steps.range(after + 1..=until).map(step).collect(),
            false => Vec::new(),
        }
    }

    /// Which steps after `after` up to `until` are here.
    pub(crate) fn runs(&self, after: u64, until: u64) -> Vec<RangeInclusive<u64>> {
        let mut runs: Vec<RangeInclusive<u64>> = Vec::new();
        for &step in self
            .steps
            .keys()
            .filter(|&&step| step > after && step <= until)
        {
            match runs.last_mut().filter(|run| run.end() + 1 == step) {
                Some(run) => *run = *run.start()..=step,
                None => runs.push(step..=step),
            }
        }
        runs
    }

    fn hold_to_limit(&mut self) {
        while self.steps.len() > KEPT {
            self.steps.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(steps: impl IntoIterator<Item = u64>) -> RecentFigures {
        let mut figures = RecentFigures::default();
        let push = |step| figures.push(step, pb::Figures::default());
        steps.into_iter().for_each(push);
        figures
    }

    fn steps(figures: &RecentFigures, after: u64, until: u64) -> Vec<u64> {
        let between = figures.between(after, until).into_iter();
        between.map(|one| one.step).collect()
    }

    #[test]
    fn a_step_that_comes_again_replaces_what_followed_it() {
        let figures = pushed([1, 2, 3, 4, 3]);
        assert_eq!(steps(&figures, 0, 9), [1, 2, 3]);
        assert_eq!(steps(&figures, 1, 2), [2]);
        assert!(steps(&figures, 3, 3).is_empty() && steps(&figures, 9, 1).is_empty());
    }

    #[test]
    fn the_oldest_go_first() {
        let figures = pushed(1..=KEPT as u64 + 2);
        assert_eq!(figures.steps.len(), KEPT);
        assert_eq!(steps(&figures, 0, 4), [3, 4]);
    }

    #[test]
    fn what_a_checkpoint_covers_is_forgotten_and_so_is_what_a_group_does_not_begin_with() {
        let mut figures = pushed(1..=6);
        figures.forget(2);
        figures.rewind(5);
        assert_eq!(steps(&figures, 0, u64::MAX), [3, 4, 5]);
    }

    #[test]
    fn a_peer_fills_gaps_and_overrules_nothing() {
        let mut figures = pushed([1, 2, 6]);
        assert_eq!(figures.runs(0, 9), [1..=2, 6..=6]);
        assert_eq!(figures.runs(1, 5), [2..=2]);
        let of = |samples| pb::Figures {
            samples,
            ..Default::default()
        };
        figures.fill(
            (2..=5)
                .map(|step| pb::StepFigures {
                    step,
                    figures: Some(of(9)),
                })
                .collect(),
        );
        assert_eq!(figures.runs(0, 9), [1..=6]);
        assert_eq!(
            (figures.steps[&2].samples, figures.steps[&3].samples),
            (0, 9)
        );
    }
}
