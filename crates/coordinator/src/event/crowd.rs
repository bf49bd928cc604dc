//! An event that anybody on the network can cause as often as he likes: it is told while it is rare, and counted beyond.

use std::time::{Duration, Instant};

/// The time within which so many are told.
const WINDOW: Duration = Duration::from_secs(10);
const MOST: u64 = 20;

/// What was told of one kind of event.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// When the window began; none before the first event.
    began: Option<Instant>,
    seen: u64,
}

impl Crowd {
    /// Takes an event in; whether it is to be told.
    pub(super) fn is_told(&mut self, now: Instant) -> bool {
        self.began.get_or_insert(now);
        self.seen += 1;
        self.seen <= MOST
    }

    /// How many were not told, once their window is over.
    pub(super) fn untold(&mut self, now: Instant) -> Option<u64> {
        let began = self.began?;
        if now.saturating_duration_since(began) < WINDOW {
            return None;
        }
        let untold = self.seen.saturating_sub(MOST);
        *self = Self::default();
        (untold > 0).then_some(untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_told_and_of_many_their_number() {
        let (mut crowd, began) = (Crowd::default(), Instant::now());
        assert_eq!(crowd.untold(began), None);
        let few = (0..1000).filter(|_| crowd.is_told(began)).count();
        assert_eq!((few as u64, crowd.untold(began)), (MOST, None));
        let later = began + WINDOW;
        assert_eq!(crowd.untold(later), Some(1000 - MOST));
        assert_eq!(crowd.untold(later), None);
        assert!(crowd.is_told(later));
        assert_eq!(crowd.untold(later + WINDOW), None);
    }
}
