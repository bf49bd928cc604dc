//! The Parquet files of ranks, ledger and capacity: which columns each has. `docs/history.md` says what they mean.

use crate::compaction::RankBlock;
use crate::ledger::{CapacityRow, Counts, LedgerRow, Lost, RankRow};
use crate::table::{Batch, Columns, decode};
use bytes::Bytes;
use parquet::errors::ParquetError;

/// What the columns of an account's nanoseconds end in.
const NS: &str = "_ns";

/// A kind of row that a run keeps in files of its own.
pub trait Row: Sized {
    /// What the names of its files begin with.
    const KIND: &'static str;

    /// The file of some rows.
    ///
    /// # Errors
    /// The writer's; there is no case known.
    fn encode(rows: &[Self]) -> Result<Bytes, ParquetError>;

    /// The rows of a file. Columns that this version does not know are passed over.
    ///
    /// # Errors
    /// It is no Parquet, or not of this kind.
    fn decode(file: Bytes) -> Result<Vec<Self>, ParquetError>;
}

impl Row for RankRow {
    const KIND: &'static str = "ranks";

    fn encode(rows: &[Self]) -> Result<Bytes, ParquetError> {
        Columns::of(rows)
            .numbers("step", |row| row.step)
            .numbers("generation", |row| row.generation)
            .numbers("rank", |row| row.rank.into())
            .texts("worker", |row| &row.worker)
            .texts("host", |row| &row.host)
            .numbers("slots", |row| row.slots.into())
            .times("time", |row| row.unix_ms)
            .accounts(NS, |row| &row.accounts)
            .lists("calls_ns", |row| &row.calls)
            .encode()
    }

    fn decode(file: Bytes) -> Result<Vec<Self>, ParquetError> {
        decode(file, |batch| {
            let (step, generation) = (batch.numbers("step")?, batch.numbers("generation")?);
            let (rank, slots) = (batch.small("rank")?, batch.small("slots")?);
            let (worker, host) = (batch.texts("worker")?, batch.texts("host")?);
            let (time, accounts) = (batch.times("time")?, batch.accounts(NS)?);
            let calls = batch.lists("calls_ns")?;
            Ok(batch.rows(|index| Self {
                step: step[index],
                generation: generation[index],
                rank: rank[index],
                worker: worker[index].clone(),
                host: host[index].clone(),
                slots: slots[index],
                unix_ms: time[index],
                accounts: accounts[index],
                calls: calls[index].clone(),
            }))
        })
    }
}

impl Row for RankBlock {
    const KIND: &'static str = "blocks";

    fn encode(rows: &[Self]) -> Result<Bytes, ParquetError> {
        Columns::of(rows)
            .numbers("first_step", |row| row.first_step)
            .numbers("last_step", |row| row.last_step)
            .numbers("steps", |row| row.steps.into())
            .numbers("generation", |row| row.generation)
            .numbers("rank", |row| row.rank.into())
            .texts("worker", |row| &row.worker)
            .texts("host", |row| &row.host)
            .numbers("slots", |row| row.slots.into())
            .times("first_time", |row| row.first_unix_ms)
            .times("last_time", |row| row.last_unix_ms)
            .accounts(NS, |row| &row.sum)
            .accounts("_ns_min", |row| &row.least)
            .accounts("_ns_median", |row| &row.median)
            .accounts("_ns_max", |row| &row.most)
            .encode()
    }

    fn decode(file: Bytes) -> Result<Vec<Self>, ParquetError> {
        decode(file, |batch| {
            let (first, last) = (batch.numbers("first_step")?, batch.numbers("last_step")?);
            let (steps, generation) = (batch.small("steps")?, batch.numbers("generation")?);
            let (rank, slots) = (batch.small("rank")?, batch.small("slots")?);
            let (worker, host) = (batch.texts("worker")?, batch.texts("host")?);
            let (began, ended) = (batch.times("first_time")?, batch.times("last_time")?);
            let (sum, least) = (batch.accounts(NS)?, batch.accounts("_ns_min")?);
            let (median, most) = (batch.accounts("_ns_median")?, batch.accounts("_ns_max")?);
            Ok(batch.rows(|index| Self {
                first_step: first[index],
                last_step: last[index],
                steps: steps[index],
                generation: generation[index],
                rank: rank[index],
                worker: worker[index].clone(),
                host: host[index].clone(),
                slots: slots[index],
                first_unix_ms: began[index],
                last_unix_ms: ended[index],
                sum: sum[index],
                least: least[index],
                median: median[index],
                most: most[index],
            }))
        })
    }
}

impl Row for LedgerRow {
    const KIND: &'static str = "ledger";

    fn encode(rows: &[Self]) -> Result<Bytes, ParquetError> {
        Columns::of(rows)
            .texts("worker", |row| &row.worker)
            .numbers("incarnation", |row| row.incarnation)
            .texts("host", |row| &row.host)
            .numbers("generation", |row| row.generation)
            .numbers("from_step", |row| row.from_step)
            .numbers("to_step", |row| row.to_step)
            .times("begin", |row| row.begin_unix_ms)
            .times("end", |row| row.end_unix_ms)
            .accounts(NS, |row| &row.accounts)
            .nanoseconds("lost_rewind_ns", |row| row.lost.rewind)
            .nanoseconds("lost_partial_ns", |row| row.lost.partial)
            .nanoseconds("lost_silent_ns", |row| row.lost.silent)
            .encode()
    }

    fn decode(file: Bytes) -> Result<Vec<Self>, ParquetError> {
        decode(file, |batch| {
            let (worker, host) = (batch.texts("worker")?, batch.texts("host")?);
            let incarnation = batch.numbers("incarnation")?;
            let generation = batch.numbers("generation")?;
            let (from_step, to_step) = (batch.numbers("from_step")?, batch.numbers("to_step")?);
            let (begin, end) = (batch.times("begin")?, batch.times("end")?);
            let accounts = batch.accounts(NS)?;
            let rewind = batch.nanoseconds("lost_rewind_ns")?;
            let partial = batch.nanoseconds("lost_partial_ns")?;
            let silent = batch.nanoseconds("lost_silent_ns")?;
            Ok(batch.rows(|index| Self {
                worker: worker[index].clone(),
                incarnation: incarnation[index],
                host: host[index].clone(),
                generation: generation[index],
                from_step: from_step[index],
                to_step: to_step[index],
                begin_unix_ms: begin[index],
                end_unix_ms: end[index],
                accounts: accounts[index],
                lost: Lost {
                    rewind: rewind[index],
                    partial: partial[index],
                    silent: silent[index],
                },
            }))
        })
    }
}

impl Row for CapacityRow {
    const KIND: &'static str = "capacity";

    fn encode(rows: &[Self]) -> Result<Bytes, ParquetError> {
        Columns::of(rows)
            .numbers("fence", |row| row.fence)
            .times("begin", |row| row.begin_unix_ms)
            .times("end", |row| row.end_unix_ms)
            .numbers("wanted", |row| row.wanted.into())
            .nanoseconds("present_ns", |row| row.present_ns)
            .nanoseconds("missing_ns", |row| row.missing_ns)
            .numbers("best_step", |row| row.best_step)
            .times("progress", |row| row.progress_unix_ms)
            .numbers("steps_applied", |row| row.counts.steps_applied)
            .numbers("steps_repeated", |row| row.counts.steps_repeated)
            .numbers("steps_skipped", |row| row.counts.steps_skipped)
            .numbers("verdicts", |row| row.counts.verdicts)
            .numbers("generations", |row| row.counts.generations)
            .numbers("checkpoints", |row| row.counts.checkpoints)
            .numbers("telemetry_dropped", |row| row.counts.telemetry_dropped)
            .encode()
    }

    fn decode(file: Bytes) -> Result<Vec<Self>, ParquetError> {
        decode(file, |batch| {
            let (fence, wanted) = (batch.numbers("fence")?, batch.small("wanted")?);
            let (begin, end) = (batch.times("begin")?, batch.times("end")?);
            let present = batch.nanoseconds("present_ns")?;
            let missing = batch.nanoseconds("missing_ns")?;
            let (best_step, progress) = (batch.numbers("best_step")?, batch.times("progress")?);
            let counts = counts(batch)?;
            Ok(batch.rows(|index| Self {
                fence: fence[index],
                begin_unix_ms: begin[index],
                end_unix_ms: end[index],
                wanted: wanted[index],
                present_ns: present[index],
                missing_ns: missing[index],
                best_step: best_step[index],
                progress_unix_ms: progress[index],
                counts: counts[index],
            }))
        })
    }
}

fn counts(batch: &Batch) -> Result<Vec<Counts>, ParquetError> {
    let (applied, repeated) = (
        batch.numbers("steps_applied")?,
        batch.numbers("steps_repeated")?,
    );
    let (skipped, verdicts) = (batch.numbers("steps_skipped")?, batch.numbers("verdicts")?);
    let generations = batch.numbers("generations")?;
    let checkpoints = batch.numbers("checkpoints")?;
    let dropped = batch.numbers("telemetry_dropped")?;
    Ok(batch.rows(|index| Counts {
        steps_applied: applied[index],
        steps_repeated: repeated[index],
        steps_skipped: skipped[index],
        verdicts: verdicts[index],
        generations: generations[index],
        checkpoints: checkpoints[index],
        telemetry_dropped: dropped[index],
    }))
}

#[cfg(test)]
mod tests;
