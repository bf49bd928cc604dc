//! What a run's store has of its ranks, its ledger and its capacity. It reads and never writes.

use crate::compaction::RankBlock;
use crate::file::Row;
use crate::ledger::{CapacityRow, LedgerRow, RankRow};
use crate::name::{HISTORY, RankFile, TimeFile};
use fratmae_store::{Location, StoreError};
use futures::StreamExt;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// The most bytes of a file.
const LARGEST: u64 = 256 << 20;

/// Files read at a time.
const AT_ONCE: usize = 4;

/// Rows of a kind, as far as they can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept<R> {
    /// In the order of their files' names.
    pub rows: Vec<R>,
    /// Files that cannot be read, and why, a line each.
    pub damaged: Vec<String>,
}

/// The files of a run's records of time, as they were a moment ago.
#[derive(Clone, Debug)]
pub struct Records {
    run: Location,
    ranks: BTreeSet<RankFile>,
    blocks: BTreeSet<RankFile>,
    ledger: BTreeSet<TimeFile>,
    capacity: BTreeSet<TimeFile>,
}

impl Records {
    /// Lists them.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(run: &Location) -> Result<Self, StoreError> {
        let objects = run.list(HISTORY).await?;
        let names = || objects.iter().map(|object| object.relative.as_str());
        Ok(Self {
            run: run.clone(),
            ranks: names().filter_map(RankFile::of).collect(),
            blocks: names().filter_map(RankFile::of_compacted).collect(),
            ledger: names().filter_map(TimeFile::of::<LedgerRow>).collect(),
            capacity: names().filter_map(TimeFile::of::<CapacityRow>).collect(),
        })
    }

    /// Files of single steps, in the order of their first ones.
    pub fn rank_files(&self) -> impl Iterator<Item = RankFile> {
        self.ranks.iter().copied()
    }

    /// The rows of these steps, of all generations: see [`current`](crate::current). Steps that are compacted have none.
    ///
    /// # Errors
    /// The store's; what is damaged is a line.
    pub async fn ranks(&self, steps: RangeInclusive<u64>) -> Result<Kept<RankRow>, StoreError> {
        let wanted = |file: &&RankFile| file.first <= *steps.end() && file.last() >= *steps.start();
        // If one was compacted and not deleted yet, its blocks say it all.
        let files = self.ranks.difference(&self.blocks).filter(wanted);
        let mut kept: Kept<RankRow> = self.read(files.map(|file| file.object())).await?;
        kept.rows.retain(|row| steps.contains(&row.step));
        Ok(kept)
    }

    /// The rows of the newest steps, so many of them as far as they are in the newest two files.
    ///
    /// # Errors
    /// As [`Self::ranks`].
    pub async fn newest_ranks(&self, steps: u64) -> Result<Kept<RankRow>, StoreError> {
        let by_age = |file: &RankFile| (file.generation, file.first, file.fence);
        let mut files: Vec<RankFile> = self.ranks.difference(&self.blocks).copied().collect();
        files.sort_by_key(by_age);
        let newest = files.split_off(files.len().saturating_sub(2));
        let mut kept: Kept<RankRow> = self.read(newest.into_iter().map(RankFile::object)).await?;
        let last = kept
            .rows
            .iter()
            .max_by_key(|row| (row.generation, row.step));
        let first = last.map_or(0, |row| row.step.saturating_sub(steps.saturating_sub(1)));
        kept.rows.retain(|row| row.step >= first);
        Ok(kept)
    }

    /// The blocks of older steps, of all generations.
    ///
    /// # Errors
    /// As [`Self::ranks`].
    pub async fn blocks(&self) -> Result<Kept<RankBlock>, StoreError> {
        self.read(self.blocks.iter().map(|file| file.compacted()))
            .await
    }

    /// The ledger of all workers.
    ///
    /// # Errors
    /// As [`Self::ranks`].
    pub async fn ledger(&self) -> Result<Kept<LedgerRow>, StoreError> {
        self.read(self.ledger.iter().map(|file| file.of_ledger()))
            .await
    }

    /// The workers that were asked for and there.
    ///
    /// # Errors
    /// As [`Self::ranks`].
    pub async fn capacity(&self) -> Result<Kept<CapacityRow>, StoreError> {
        self.read(self.capacity.iter().map(|file| file.of_capacity()))
            .await
    }

    async fn read<R: Row>(
        &self,
        objects: impl Iterator<Item = String>,
    ) -> Result<Kept<R>, StoreError> {
        let objects: Vec<String> = objects.collect();
        let files = futures::stream::iter(objects).map(|object| self.read_one(object));
        let files: Vec<_> = files.buffered(AT_ONCE).collect().await;
        let mut kept = Kept {
            rows: Vec::new(),
            damaged: Vec::new(),
        };
        for file in files {
            match file? {
                Ok(rows) => kept.rows.extend(rows),
                Err(line) => kept.damaged.push(line),
            }
        }
        Ok(kept)
    }

    /// The rows of a file, or what is wrong with it; none of one that was deleted since it was listed.
    async fn read_one<R: Row>(&self, object: String) -> Result<Result<Vec<R>, String>, StoreError> {
        let damaged = |reason: String| {
            let object = self.run.url_of(&object);
            Ok(Err(format!("{object} is damaged: {reason}")))
        };
        match self.run.find_at_most(&object, LARGEST).await {
            Ok(Some(bytes)) => match R::decode(bytes) {
                Ok(rows) => Ok(Ok(rows)),
                Err(error) => damaged(error.to_string()),
            },
            Ok(None) => Ok(Ok(Vec::new())),
            Err(error @ (StoreError::TooLarge { .. } | StoreError::OtherKind { .. })) => {
                damaged(error.to_string())
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compaction::compact;

    fn place() -> (tempfile::TempDir, Location) {
        let folder = tempfile::tempdir().unwrap();
        let run = Location::open(folder.path().to_str().unwrap()).unwrap();
        (folder, run)
    }

    fn rows(steps: RangeInclusive<u64>, generation: u64) -> Vec<RankRow> {
        let row = |step| RankRow {
            step,
            generation,
            ..RankRow::default()
        };
        steps.map(row).collect()
    }

    const fn file(first: u64, generation: u64) -> RankFile {
        RankFile {
            first,
            generation,
            fence: 1,
        }
    }

    fn steps(rows: &[RankRow]) -> Vec<(u64, u64)> {
        rows.iter().map(|row| (row.generation, row.step)).collect()
    }

    async fn put<R: Row>(run: &Location, object: &str, rows: &[R]) {
        run.put(object, R::encode(rows).unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn rows_are_read_from_the_files_that_can_have_them() {
        let (_folder, run) = place();
        put(&run, &file(1, 1).object(), &rows(1..=1_000, 1)).await;
        put(&run, &file(1_001, 1).object(), &rows(1_001..=1_003, 1)).await;
        put(&run, &file(1_002, 2).object(), &rows(1_002..=1_005, 2)).await;
        let records = Records::list(&run).await.unwrap();
        let some = records.ranks(1_000..=1_002).await.unwrap();
        assert_eq!(
            steps(&some.rows),
            [(1, 1_000), (1, 1_001), (1, 1_002), (2, 1_002)]
        );
        let newest = records.newest_ranks(2).await.unwrap();
        assert_eq!(steps(&newest.rows), [(2, 1_004), (2, 1_005)]);
        // What was compacted counts once, whether the file before is gone or not.
        put(&run, &file(1, 1).compacted(), &compact(&rows(1..=1_000, 1))).await;
        for _ in 0..2 {
            let records = Records::list(&run).await.unwrap();
            assert_eq!(records.ranks(1..=1_000).await.unwrap().rows, []);
            assert_eq!(records.blocks().await.unwrap().rows.len(), 10);
            run.delete(&file(1, 1).object()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_damaged_is_named_and_the_rest_is_read() {
        let (_folder, run) = place();
        let one = |number| TimeFile { fence: 1, number };
        let row = LedgerRow::default();
        put(&run, &one(0).of_ledger(), std::slice::from_ref(&row)).await;
        run.put(&one(1).of_ledger(), "no parquet").await.unwrap();
        put(&run, &one(2).of_ledger(), std::slice::from_ref(&row)).await;
        put(&run, &one(0).of_capacity(), &[CapacityRow::default()]).await;
        let records = Records::list(&run).await.unwrap();
        let ledger = records.ledger().await.unwrap();
        assert_eq!(ledger.rows.len(), 2);
        let [line] = &ledger.damaged[..] else {
            panic!("{:?}", ledger.damaged)
        };
        assert!(line.contains("ledger-000001-000001"), "{line}");
        assert_eq!(records.capacity().await.unwrap().rows.len(), 1);
        // One that is deleted meanwhile has no rows.
        run.delete(&one(0).of_capacity()).await.unwrap();
        assert!(records.capacity().await.unwrap().rows.is_empty());
    }

    #[tokio::test]
    async fn a_run_without_records_has_none() {
        let (_folder, run) = place();
        let records = Records::list(&run).await.unwrap();
        assert_eq!(records.rank_files().count(), 0);
        assert!(records.newest_ranks(50).await.unwrap().rows.is_empty());
    }
}
