//! Owns which shards one call makes, so that many calls, on many machines, make one data set together.
//!
//! It starts no call and waits for none.

use std::str::FromStr;

use crate::PrepareError;

/// Says which part of a data set one call makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// All shards, and the manifest.
    #[default]
    Whole,
    /// Every `of`-th shard, beginning with shard `number`; the manifest too, once all shards are there.
    Share {
        /// Which share, from 0.
        number: u32,
        of: u32,
    },
    /// The manifest of shards that other calls made.
    Merge,
}

impl Part {
    /// Says whether this part makes a shard.
    pub(super) fn makes(self, shard: u32) -> bool {
        match self {
            Self::Whole => true,
            Self::Share { number, of } => shard.checked_rem(of) == Some(number),
            Self::Merge => false,
        }
    }

    /// Refuses a share that is none.
    pub(super) fn check(self) -> Result<(), PrepareError> {
        match self {
            Self::Share { number, of } if number >= of => {
                let reason = format!(
                    "share {number}/{of} is none: shares are numbered from 0 to one below their number, such as 0/7 to 6/7"
                );
                Err(PrepareError::Options { reason })
            }
            Self::Share { .. } | Self::Whole | Self::Merge => Ok(()),
        }
    }
}

/// Reads a share as it is typed: `2/7`.
impl FromStr for Part {
    type Err = PrepareError;

    fn from_str(text: &str) -> Result<Self, PrepareError> {
        let numbers = text.split_once('/').and_then(|(number, of)| {
            let parse = |text: &str| text.trim().parse::<u32>().ok();
            parse(number).zip(parse(of))
        });
        let Some((number, of)) = numbers else {
            let reason = "a share is two whole numbers, such as 0/7".to_owned();
            return Err(PrepareError::Options { reason });
        };
        let share = Self::Share { number, of };
        share.check().map(|()| share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_is_made_by_one_share() {
        for of in [1, 3, 7, 50] {
            for shard in 0..40 {
                let makers = (0..of).filter(|&number| Part::Share { number, of }.makes(shard));
                assert_eq!(makers.count(), 1, "shard {shard} of {of} shares");
            }
        }
        assert!(Part::Whole.makes(3) && !Part::Merge.makes(3));
    }

    #[test]
    fn shares_are_read_as_they_are_typed() {
        let share = |text: &str| text.parse::<Part>().map_err(|error| error.to_string());
        assert_eq!(share("0/1"), Ok(Part::Share { number: 0, of: 1 }));
        assert_eq!(share("6/7"), Ok(Part::Share { number: 6, of: 7 }));
        for (text, hint) in [
            ("7/7", "from 0 to one below"),
            ("0/0", "from 0 to one below"),
            ("1", "such as 0/7"),
            ("-1/7", "such as 0/7"),
            ("1/7/2", "such as 0/7"),
            ("", "such as 0/7"),
        ] {
            assert!(share(text).unwrap_err().contains(hint), "{text}");
        }
    }
}
