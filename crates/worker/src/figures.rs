//! The figures of the last steps, kept for a coordinator that lacks some: every rank has them, one tells them.

use fratmae_protocol::pb;
use std::collections::VecDeque;

/// Steps kept; a coordinator that lacks more has a gap in its history, and nothing else.
const KEPT: usize = 4096;

/// Figures by step, rising without a gap.
#[derive(Debug, Default)]
pub(crate) struct RecentFigures {
    steps: VecDeque<(u64, pb::Figures)>,
}

impl RecentFigures {
    /// Takes a step in; a step that comes again replaces its figures and all that followed it.
    pub(crate) fn push(&mut self, step: u64, figures: pb::Figures) {
        while self.steps.back().is_some_and(|(newest, _)| *newest >= step) {
            self.steps.pop_back();
        }
        if self.steps.len() == KEPT {
            self.steps.pop_front();
        }
        self.steps.push_back((step, figures));
    }

    /// The steps after `after` up to `until`.
    pub(crate) fn between(
        &self,
        after: u64,
        until: u64,
    ) -> impl Iterator<Item = (u64, pb::Figures)> + '_ {
        let is_between = move |(step, _): &&(u64, _)| *step > after && *step <= until;
        self.steps.iter().filter(is_between).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(steps: impl Iterator<Item = u64>) -> RecentFigures {
        let mut figures = RecentFigures::default();
        steps.for_each(|step| figures.push(step, pb::Figures::default()));
        figures
    }

    fn between(figures: &RecentFigures, after: u64, until: u64) -> Vec<u64> {
        figures
            .between(after, until)
            .map(|(step, _)| step)
            .collect()
    }

    #[test]
    fn a_step_that_comes_again_replaces_what_followed_it() {
        let figures = pushed([1, 2, 3, 4, 3].into_iter());
        assert_eq!(between(&figures, 0, 9), [1, 2, 3]);
        assert_eq!(between(&figures, 1, 2), [2]);
    }

    #[test]
    fn the_oldest_go_first() {
        let figures = pushed(1..=KEPT as u64 + 2);
        assert_eq!(figures.steps.len(), KEPT);
        assert_eq!(between(&figures, 0, 4), [3, 4]);
    }
}
