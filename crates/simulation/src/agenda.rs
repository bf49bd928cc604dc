//! What will happen, in the order of its time; of two things at one time the one put in first comes first.

use std::collections::BTreeMap;

/// Things to come.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    now: u64,
    next: u64,
    things: BTreeMap<(u64, u64), T>,
}

impl<T> Agenda<T> {
    pub(crate) const fn new() -> Self {
        Self {
            now: 0,
            next: 0,
            things: BTreeMap::new(),
        }
    }

    /// The time in milliseconds.
    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn after(&mut self, milliseconds: u64, thing: T) {
        self.at(self.now + milliseconds, thing);
    }

    pub(crate) fn at(&mut self, time: u64, thing: T) {
        self.things.insert((time.max(self.now), self.next), thing);
        self.next += 1;
    }

    /// Moves time on to the next thing.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let ((time, _), thing) = self.things.pop_first()?;
        self.now = time;
        Some(thing)
    }
}
