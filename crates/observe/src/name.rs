//! Names of the files of ranks, ledger and capacity in a run's history.
//!
//! A name has the fence of the coordinator that writes the file, so that no two write the same one. A coordinator
//! writes a file again and again while its rows grow in number, and begins another one when it is full.

use crate::compaction::RankBlock;
use crate::file::Row;
use crate::ledger::{CapacityRow, LedgerRow, RankRow};

/// The folder of a run's figures.
pub const HISTORY: &str = "history";

/// Steps of a file of ranks at most: it ends at a multiple of them.
const FILE_STEPS: u64 = 1_000;

/// Rows of a file after which the next one begins, whatever its kind.
pub const FILE_ROWS: usize = 1 << 15;

/// A file of ranks' rows: of steps from `first` on, as a generation applied them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RankFile {
    pub first: u64,
    pub generation: u64,
    /// The coordinator that writes it.
    pub fence: u64,
}

impl RankFile {
    /// The last step that it can have.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.first
            .saturating_sub(1)
            .saturating_div(FILE_STEPS)
            .saturating_add(1)
            .saturating_mul(FILE_STEPS)
    }

    /// Its name while it has a row for each step.
    #[must_use]
    pub fn object(self) -> String {
        self.named(RankRow::KIND)
    }

    /// Its name once it has a row for many steps.
    #[must_use]
    pub fn compacted(self) -> String {
        self.named(RankBlock::KIND)
    }

    /// Reads a name; others are none.
    #[must_use]
    pub fn of(object: &str) -> Option<Self> {
        Self::read(RankRow::KIND, object)
    }

    /// Reads the name of a compacted file; others are none.
    #[must_use]
    pub fn of_compacted(object: &str) -> Option<Self> {
        Self::read(RankBlock::KIND, object)
    }

    fn named(self, kind: &str) -> String {
        let Self {
            first,
            generation,
            fence,
        } = self;
        format!("{HISTORY}/{kind}-{first:012}-{generation:06}-{fence:06}.parquet")
    }

    fn read(kind: &str, object: &str) -> Option<Self> {
        let [first, generation, fence] = numbers(kind, object)?;
        let file = Self {
            first,
            generation,
            fence,
        };
        (file.named(kind) == object).then_some(file)
    }
}

/// A file of the ledger or of the capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeFile {
    /// The coordinator that writes it.
    pub fence: u64,
    /// Which of its files it is.
    pub number: u64,
}

impl TimeFile {
    /// Its name among files of the ledger.
    #[must_use]
    pub fn of_ledger(self) -> String {
        self.named(LedgerRow::KIND)
    }

    /// Its name among files of the capacity.
    #[must_use]
    pub fn of_capacity(self) -> String {
        self.named(CapacityRow::KIND)
    }

    /// Reads the name of a file of these rows; others are none.
    #[must_use]
    pub fn of<R: Row>(object: &str) -> Option<Self> {
        let [fence, number] = numbers(R::KIND, object)?;
        let file = Self { fence, number };
        (file.named(R::KIND) == object).then_some(file)
    }

    fn named(self, kind: &str) -> String {
        let Self { fence, number } = self;
        format!("{HISTORY}/{kind}-{fence:06}-{number:06}.parquet")
    }
}

/// The numbers in a name of that kind.
fn numbers<const N: usize>(kind: &str, object: &str) -> Option<[u64; N]> {
    let name = object.strip_prefix(HISTORY)?.strip_prefix('/')?;
    let name = name.strip_prefix(kind)?.strip_prefix('-')?;
    let parts = name.strip_suffix(".parquet")?.split('-');
    let numbers: Result<Vec<u64>, _> = parts.map(str::parse).collect();
    numbers.ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANKS: RankFile = RankFile {
        first: 1_201,
        generation: 3,
        fence: 2,
    };

    #[test]
    fn names_are_as_documented_and_read_back() {
        assert_eq!(
            RANKS.object(),
            "history/ranks-000000001201-000003-000002.parquet"
        );
        assert_eq!(
            RANKS.compacted(),
            "history/blocks-000000001201-000003-000002.parquet"
        );
        let file = TimeFile {
            fence: 2,
            number: 7,
        };
        assert_eq!(file.of_ledger(), "history/ledger-000002-000007.parquet");
        assert_eq!(file.of_capacity(), "history/capacity-000002-000007.parquet");
        let largest = RankFile {
            first: u64::MAX,
            generation: u64::MAX,
            fence: u64::MAX,
        };
        for file in [RANKS, largest] {
            assert_eq!(RankFile::of(&file.object()), Some(file));
            assert_eq!(RankFile::of_compacted(&file.compacted()), Some(file));
            assert_eq!(RankFile::of(&file.compacted()), None);
        }
        assert_eq!(TimeFile::of::<LedgerRow>(&file.of_ledger()), Some(file));
        assert_eq!(TimeFile::of::<CapacityRow>(&file.of_capacity()), Some(file));
        assert_eq!(TimeFile::of::<CapacityRow>(&file.of_ledger()), None);
    }

    #[test]
    fn other_names_are_none_of_ours() {
        for object in [
            "history/steps-000000000001-000000000020.parquet",
            "history/ranks-1-3-2.parquet",
            "history/ranks-000000001201-000003.parquet",
            "history/ranks-000000001201-000003-000002.parquet.part",
            "history/ledger-000002-+00007.parquet",
            "journal/ranks-000000001201-000003-000002.parquet",
        ] {
            assert_eq!(RankFile::of(object), None, "{object}");
            assert_eq!(TimeFile::of::<LedgerRow>(object), None, "{object}");
        }
    }

    #[test]
    fn a_file_ends_at_a_round_step() {
        let last = |first| RankFile { first, ..RANKS }.last();
        assert_eq!(
            [1, 1_000, 1_001, 1_201].map(last),
            [1_000, 1_000, 2_000, 2_000]
        );
        assert_eq!(last(0), 1_000);
        assert_eq!(last(u64::MAX), u64::MAX);
    }
}
