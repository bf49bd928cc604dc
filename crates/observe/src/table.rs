//! Rows as columns of a Parquet file, and back. It knows types of columns, not which rows have them.

use arrow_array::types::{ArrowPrimitiveType, Int64Type, TimestampMillisecondType, UInt64Type};
use arrow_array::{
    Array, ArrayRef, Int64Array, ListArray, PrimitiveArray, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use bytes::Bytes;
use fratmae_telemetry::{Account, Accounts};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Rows on their way to a file.
pub(crate) struct Columns<'a, T> {
    rows: &'a [T],
    columns: Vec<(String, ArrayRef)>,
}

impl<'a, T> Columns<'a, T> {
    pub(crate) const fn of(rows: &'a [T]) -> Self {
        Self {
            rows,
            columns: Vec::new(),
        }
    }

    /// A column of counts and numbers.
    pub(crate) fn numbers(self, name: &str, value: impl Fn(&T) -> u64) -> Self {
        let values = UInt64Array::from_iter_values(self.rows.iter().map(value));
        self.column(name, Arc::new(values))
    }

    /// A column of nanoseconds: signed, since people subtract them.
    pub(crate) fn nanoseconds(self, name: &str, value: impl Fn(&T) -> u64) -> Self {
        let values = self.rows.iter().map(|row| signed(value(row)));
        let values = Int64Array::from_iter_values(values);
        self.column(name, Arc::new(values))
    }

    /// A column of moments, from milliseconds since 1970.
    pub(crate) fn times(self, name: &str, value: impl Fn(&T) -> u64) -> Self {
        let values = self.rows.iter().map(|row| signed(value(row)));
        let values = TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC");
        self.column(name, Arc::new(values))
    }

    pub(crate) fn texts(self, name: &str, value: impl Fn(&'a T) -> &'a str) -> Self {
        let values = StringArray::from_iter_values(self.rows.iter().map(value));
        self.column(name, Arc::new(values))
    }

    /// A column for each account: its name and `suffix`.
    pub(crate) fn accounts(self, suffix: &str, value: impl Fn(&T) -> &Accounts) -> Self {
        let add = |columns: Self, account: &Account| {
            let name = format!("{}{suffix}", account.name());
            columns.nanoseconds(&name, |row| value(row)[*account])
        };
        Account::ALL.iter().fold(self, add)
    }

    /// A column of lists of nanoseconds.
    pub(crate) fn lists(self, name: &str, value: impl Fn(&'a T) -> &'a [u64]) -> Self {
        let list = |row| Some(value(row).iter().map(|value| Some(signed(*value))));
        let lists = self.rows.iter().map(list);
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
        self.column(name, Arc::new(lists))
    }

    fn column(mut self, name: &str, values: ArrayRef) -> Self {
        self.columns.push((name.to_owned(), values));
        self
    }

    /// The file.
    pub(crate) fn encode(self) -> Result<Bytes, ParquetError> {
        let batch = RecordBatch::try_from_iter(self.columns)?;
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression);
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build()))?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(Bytes::from(bytes))
    }
}

/// The type has no larger ones, and no run lasts for 292 years.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A part of a file's rows.
pub(crate) struct Batch(RecordBatch);

/// Reads a file part by part; `rows` makes rows of each.
pub(crate) fn decode<T>(
    bytes: Bytes,
    rows: impl Fn(&Batch) -> Result<Vec<T>, ParquetError>,
) -> Result<Vec<T>, ParquetError> {
    let decode = || {
        let mut all = Vec::new();
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
            all.extend(rows(&Batch(batch?))?);
        }
        Ok(all)
    };
    // On some damaged pages the reader panics, which must stay this file's affair.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        let reason = "its decoder gave up".to_owned();
        Err(ParquetError::General(reason))
    })
}

impl Batch {
    /// Makes a row for each of the batch's.
    pub(crate) fn rows<T>(&self, row: impl Fn(usize) -> T) -> Vec<T> {
        (0..self.0.num_rows()).map(row).collect()
    }

    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<u64>, ParquetError> {
        Ok(self.values::<UInt64Type>(name)?.to_vec())
    }

    /// Numbers that are small.
    pub(crate) fn small(&self, name: &str) -> Result<Vec<u32>, ParquetError> {
        let values = self.values::<UInt64Type>(name)?.iter();
        let small = values.map(|value| u32::try_from(*value));
        let small: Result<_, _> = small.collect();
        small.map_err(|_| other(name))
    }

    pub(crate) fn nanoseconds(&self, name: &str) -> Result<Vec<u64>, ParquetError> {
        unsigned(name, self.values::<Int64Type>(name)?)
    }

    pub(crate) fn times(&self, name: &str) -> Result<Vec<u64>, ParquetError> {
        unsigned(name, self.values::<TimestampMillisecondType>(name)?)
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, ParquetError> {
        let texts = self.typed::<StringArray>(name)?.iter();
        let texts: Option<Vec<String>> = texts.map(|text| Some(text?.to_owned())).collect();
        texts.ok_or_else(|| other(name))
    }

    /// The accounts whose columns end in `suffix`; one that a version did not know is zero.
    pub(crate) fn accounts(&self, suffix: &str) -> Result<Vec<Accounts>, ParquetError> {
        let mut rows = vec![Accounts::default(); self.0.num_rows()];
        for account in Account::ALL {
            let name = format!("{}{suffix}", account.name());
            if self.0.column_by_name(&name).is_none() {
                continue;
            }
            for (row, value) in rows.iter_mut().zip(self.nanoseconds(&name)?) {
                row[*account] = value;
            }
        }
        Ok(rows)
    }

    pub(crate) fn lists(&self, name: &str) -> Result<Vec<Vec<u64>>, ParquetError> {
        let lists = self.typed::<ListArray>(name)?;
        let list = |index| {
            let list = lists.value(index);
            let values = list.as_any().downcast_ref::<Int64Array>();
            let values = values.filter(|values| values.null_count() == 0);
            unsigned(name, values.ok_or_else(|| other(name))?.values())
        };
        (0..lists.len()).map(list).collect()
    }

    fn values<P: ArrowPrimitiveType>(&self, name: &str) -> Result<&[P::Native], ParquetError> {
        Ok(self.typed::<PrimitiveArray<P>>(name)?.values())
    }

    /// A column without a gap.
    fn typed<A: Array + 'static>(&self, name: &str) -> Result<&A, ParquetError> {
        let column = self.0.column_by_name(name);
        let column = column.and_then(|column| column.as_any().downcast_ref::<A>());
        let whole = column.filter(|column| column.null_count() == 0);
        whole.ok_or_else(|| other(name))
    }
}

fn unsigned(name: &str, values: &[i64]) -> Result<Vec<u64>, ParquetError> {
    let values = values.iter().map(|value| u64::try_from(*value));
    let values: Result<_, _> = values.collect();
    values.map_err(|_| other(name))
}

fn other(name: &str) -> ParquetError {
    ParquetError::General(format!("column {name} is missing or of another type"))
}
