//! What is written comes back, files of other versions are read, and rubbish is refused.

use super::*;
use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use fratmae_telemetry::{Account, Accounts};
use parquet::arrow::ArrowWriter;
use std::sync::Arc;

fn accounts(first: u64) -> Accounts {
    let accounts = Account::ALL.iter().copied();
    accounts.zip(first..).collect()
}

fn ranks() -> Vec<RankRow> {
    let row = |step: u64| RankRow {
        step,
        generation: 2,
        rank: 3,
        worker: "host-3".to_owned(),
        host: "10.0.0.3".to_owned(),
        slots: 2,
        unix_ms: 1_764_500_000_000 + step,
        accounts: accounts(step),
        calls: vec![step; (step % 3) as usize],
    };
    (1..=5).map(row).collect()
}

fn stretches() -> Vec<LedgerRow> {
    let row = |number: u64| LedgerRow {
        worker: format!("w{number}"),
        incarnation: 1_764_500_000_000_000 + number,
        host: "a".to_owned(),
        generation: number,
        from_step: 4,
        to_step: 9,
        begin_unix_ms: 10,
        end_unix_ms: 20,
        accounts: accounts(1 << 40),
        lost: Lost {
            rewind: 1,
            partial: 2,
            silent: 3,
        },
    };
    (0..3).map(row).collect()
}

fn capacity() -> Vec<CapacityRow> {
    vec![CapacityRow {
        fence: 1,
        begin_unix_ms: 2,
        end_unix_ms: 3,
        wanted: 4,
        present_ns: 5,
        missing_ns: 6,
        best_step: 7,
        progress_unix_ms: 8,
        counts: Counts {
            steps_applied: 9,
            steps_repeated: 10,
            steps_skipped: 11,
            verdicts: 12,
            generations: 13,
            checkpoints: 14,
            telemetry_dropped: 15,
        },
    }]
}

fn returns<R: Row + PartialEq + std::fmt::Debug>(rows: &[R]) {
    let file = R::encode(rows).unwrap();
    assert_eq!(R::decode(file).unwrap(), rows);
    assert!(R::decode(R::encode(&[]).unwrap()).unwrap().is_empty());
}

#[test]
fn rows_come_back_as_they_were() {
    returns(&ranks());
    returns(&crate::compaction::compact(&ranks()));
    returns(&stretches());
    returns(&capacity());
}

#[test]
fn a_number_beyond_the_column_s_type_is_its_largest() {
    let row = CapacityRow {
        present_ns: u64::MAX,
        ..CapacityRow::default()
    };
    let read = CapacityRow::decode(CapacityRow::encode(&[row]).unwrap()).unwrap();
    assert_eq!(read[0].present_ns, u64::MAX >> 1);
}

/// A file of the columns that stay of another one, and another one more.
fn changed<R: Row>(rows: &[R], stay: impl Fn(&str) -> bool) -> Bytes {
    let file = R::encode(rows).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
    let batch = reader.unwrap().build().unwrap().next().unwrap().unwrap();
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.filter(|(field, _)| stay(field.name()));
    let mut columns: Vec<(String, ArrayRef)> = columns
        .map(|(field, values)| (field.name().clone(), Arc::clone(values)))
        .collect();
    let later = UInt64Array::from_iter_values(0..batch.num_rows() as u64);
    columns.push(("of_a_later_version".to_owned(), Arc::new(later)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    Bytes::from(bytes)
}

#[test]
fn accounts_of_other_versions_are_zero_or_passed_over() {
    let rows = ranks();
    let file = changed(&rows, |name| name != "standby_ns");
    let read = RankRow::decode(file).unwrap();
    assert_eq!(read[0].accounts[Account::Standby], 0);
    assert_eq!(
        read[0].accounts[Account::Load],
        rows[0].accounts[Account::Load]
    );
}

#[test]
fn a_file_without_a_column_is_refused_by_its_name() {
    let file = changed(&ranks(), |name| name != "slots");
    let error = RankRow::decode(file).unwrap_err().to_string();
    assert!(error.contains("column slots is missing"), "{error}");
}

#[test]
fn no_bytes_make_a_panic() {
    let file = RankRow::encode(&ranks()).unwrap();
    LedgerRow::decode(file.clone()).unwrap_err();
    RankRow::decode(Bytes::from_static(b"no parquet")).unwrap_err();
    RankRow::decode(Bytes::new()).unwrap_err();
    for end in (0..file.len()).step_by(7) {
        RankRow::decode(file.slice(..end)).unwrap_err();
    }
    for place in 0..file.len() {
        for flipped in [0x01, 0x40, 0x55, 0xff] {
            let mut bytes = file.to_vec();
            bytes[place] ^= flipped;
            // It is refused, or a value is another one.
            let _ = RankRow::decode(Bytes::from(bytes));
        }
    }
}
