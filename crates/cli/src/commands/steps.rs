//! Steps as they are typed: `37`, or `31..40`.

use std::{ops::RangeInclusive, str::FromStr};

/// A row of steps, the last one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Steps {
    pub(crate) const fn range(self) -> RangeInclusive<u64> {
        self.first..=self.last
    }
}

impl FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let step = |text: &str| {
            let step = text.parse::<u64>();
            step.map_err(|_| "write a step, or two as in 31..40".to_owned())
        };
        match (step(first)?, step(last)?) {
            (0, _) => Err("steps are numbered from 1".to_owned()),
            (first, last) if first > last => Err(format!("step {first} comes after step {last}")),
            (first, last) => Ok(Self { first, last }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_one_number_or_two_in_their_order() {
        let steps = |text: &str| text.parse::<Steps>();
        assert_eq!(steps("3..7"), Ok(Steps { first: 3, last: 7 }));
        for one in ["3", "3..3"] {
            assert_eq!(steps(one), Ok(Steps { first: 3, last: 3 }));
        }
        for wrong in [
            "", "3..", "..3", "a..b", "0", "0..3", "7..3", "3...7", "-1..2", "1.5",
        ] {
            assert!(steps(wrong).is_err(), "{wrong}");
        }
    }
}
