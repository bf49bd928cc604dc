//! What changed of a run, in order and numbered, so that whoever was cut off can go on from where it was.

use std::collections::VecDeque;

/// Changes that are kept.
const KEPT: usize = 4096;

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Figures of a step came, or came again.
    Step(u64),
    /// Figures after a step are void.
    Rewound(u64),
    /// A record of the journal came: its number.
    Record(u64),
}

/// The newest changes of a run.
#[derive(Debug)]
pub(crate) struct Changes {
    /// What no other process's count is called.
    epoch: String,
    /// The number of the first one that is kept.
    first: u64,
    kept: VecDeque<Change>,
}

/// What came after a cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) steps: Vec<u64>,
    pub(crate) rewound_to: Option<u64>,
    pub(crate) records: Vec<u64>,
}

impl Changes {
    pub(crate) fn new(epoch: String) -> Self {
        Self {
            epoch,
            first: 0,
            kept: VecDeque::new(),
        }
    }

    pub(crate) fn push(&mut self, change: Change) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(change);
    }

    /// Everything may have changed: nobody can go on from before.
    pub(crate) fn forget(&mut self) {
        self.first += self.kept.len() as u64 + 1;
        self.kept.clear();
    }

    fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// Where whoever has heard everything is.
    pub(crate) fn cursor(&self) -> String {
        format!("{}-{}", self.epoch, self.next())
    }

    /// What came after a cursor; none if that is not known any more.
    pub(crate) fn after(&self, cursor: &str) -> Option<News> {
        let (epoch, number) = cursor.rsplit_once('-')?;
        let number: u64 = number.parse().ok()?;
        if epoch != self.epoch || number < self.first || number > self.next() {
            return None;
        }
        let heard = usize::try_from(number - self.first).ok()?;
        let mut news = News::default();
        for change in self.kept.iter().skip(heard) {
            match *change {
                Change::Step(step) => news.steps.push(step),
                Change::Record(number) => news.records.push(number),
                Change::Rewound(step) => {
                    news.steps.retain(|known| *known <= step);
                    let lowest = news.rewound_to.map_or(step, |before| before.min(step));
                    news.rewound_to = Some(lowest);
                }
            }
        }
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(number: u64) -> Changes {
        let mut changes = Changes::new("e".to_owned());
        (1..=number).for_each(|step| changes.push(Change::Step(step)));
        changes
    }

    #[test]
    fn whoever_was_cut_off_hears_what_it_missed_and_nothing_twice() {
        let mut changes = changes(3);
        let cursor = changes.cursor();
        assert_eq!(changes.after(&cursor), Some(News::default()));
        changes.push(Change::Step(4));
        changes.push(Change::Record(7));
        let news = changes.after(&cursor).unwrap();
        assert_eq!(
            (news.steps, news.records, news.rewound_to),
            (vec![4], vec![7], None)
        );
        assert_eq!(changes.after(&changes.cursor()), Some(News::default()));
    }

    #[test]
    fn a_rewind_takes_steps_back_that_came_before_it() {
        let mut changes = changes(5);
        changes.push(Change::Rewound(3));
        changes.push(Change::Step(4));
        let news = changes.after("e-0").unwrap();
        assert_eq!(news.steps, [1, 2, 3, 4]);
        assert_eq!(news.rewound_to, Some(3));
    }

    #[test]
    fn what_is_not_kept_any_more_or_another_process_counted_is_unknown() {
        let mut changes = changes(KEPT as u64 + 10);
        assert!(changes.after("e-9").is_none() && changes.after("e-10").is_some());
        for cursor in [
            "e-4107",
            "f-10",
            "e-",
            "",
            "e-x",
            "e--1",
            "18446744073709551616",
        ] {
            assert_eq!(changes.after(cursor), None, "{cursor}");
        }
        let cursor = changes.cursor();
        changes.forget();
        assert_eq!(changes.after(&cursor), None);
        assert_eq!(changes.after(&changes.cursor()), Some(News::default()));
    }
}
