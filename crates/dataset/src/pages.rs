//! Owns the way from a shard's footer to the raw bytes of single slices: which ranges to fetch.
//!
//! It goes below Arrow on purpose. A page of voxels is one slice, stored plain, so its unpacked bytes are the voxels;
//! building Arrow lists of two million values to take them apart again costs many times what unpacking costs. It reads
//! no object itself and checks no digest; unpacking is a part of its own.

mod unpacking;

use std::ops::Range;

use bytes::{Buf, Bytes, buf::Reader};
use parquet::basic::Type;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
pub(crate) use unpacking::Unpacking;

fn fault(reason: impl Into<String>) -> ParquetError {
    ParquetError::General(reason.into())
}

/// Says what a column of fixed-size values must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'name> {
    /// Its name, the first part of its path.
    pub(crate) name: &'name str,
    /// Rows of the row group.
    pub(crate) rows: usize,
    /// Values in a row.
    pub(crate) per_row: usize,
    /// Bytes of a value.
    pub(crate) value_bytes: usize,
}

impl Expected<'_> {
    fn check(&self, chunk: &ColumnChunkMetaData) -> Result<()> {
        let Self {
            name, value_bytes, ..
        } = self;
        if width(chunk) != Some(*value_bytes) {
            let reason = format!("the values of column {name} are not {value_bytes} bytes wide");
            return Err(fault(reason));
        }
        // The library takes signs on trust and would panic on a negative place.
        let is_placed = chunk.data_page_offset() >= 0 && chunk.compressed_size() >= 0;
        if !is_placed || chunk.dictionary_page_offset().is_some() {
            let reason = format!("column {name} is not laid out as plain pages");
            return Err(fault(reason));
        }
        Ok(())
    }
}

/// Locates the pages of one column of one row group.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    chunk: ColumnChunkMetaData,
    pages: Vec<PageLocation>,
    row_bytes: usize,
    rows: usize,
}

impl Column {
    /// Finds a column in the footer of its shard.
    pub(crate) fn find(
        footer: &ParquetMetaData,
        row_group: usize,
        expected: Expected<'_>,
    ) -> Result<Self> {
        let Expected { name, rows, .. } = expected;
        let group = footer.row_groups().get(row_group);
        let group = group.ok_or_else(|| fault(format!("it has no row group {row_group}")))?;
        let found = group.num_rows();
        if found != rows as i64 {
            let reason = format!("row group {row_group} has {found} rows, not {rows}");
            return Err(fault(reason));
        }
        let place = group.columns().iter().position(|column| {
            let parts = column.column_path().parts();
            parts.first().is_some_and(|part| part == name)
        });
        let place = place.ok_or_else(|| fault(format!("it has no column {name}")))?;
        let chunk = group.column(place).clone();
        expected.check(&chunk)?;
        let index = footer.page_index_for_row_group(row_group);
        let index = index.offset_index(place);
        let index = index.ok_or_else(|| fault(format!("column {name} has no offset index")))?;
        let column = Self {
            pages: index.page_locations().clone(),
            chunk,
            row_bytes: expected.per_row * expected.value_bytes,
            rows,
        };
        column.check_start()?;
        Ok(column)
    }

    /// Refuses a column that does not start with its first page: the library takes what lies between for a
    /// dictionary, and would count back over the start of the file.
    fn check_start(&self) -> Result<()> {
        let first = self.pages.first().map(|page| page.offset);
        if first == Some(self.chunk.data_page_offset()) {
            return Ok(());
        }
        Err(fault("its first page does not lie at its start"))
    }

    /// Returns the numbers of the pages that hold the rows, which must ascend.
    ///
    /// A page holds either one row, as in voxel columns, or all of them.
    fn wanted(&self, rows: &[u32]) -> Result<Vec<usize>> {
        let in_reach = rows.last().is_none_or(|&row| (row as usize) < self.rows);
        if !in_reach || !rows.is_sorted_by(|one, next| one < next) {
            return Err(fault(format!(
                "slices {rows:?} are not ascending numbers below {}",
                self.rows
            )));
        }
        if self.is_one_page() {
            return Ok(vec![0]);
        }
        let in_rows = self
            .pages
            .iter()
            .enumerate()
            .all(|(row, page)| page.first_row_index == row as i64);
        if !in_rows || self.pages.len() != self.rows {
            return Err(fault("its pages are not cut by slices"));
        }
        Ok(rows.iter().map(|&row| row as usize).collect())
    }

    /// Returns the byte of the file at which the page of a row begins, or the column where that is not known.
    pub(crate) fn offset(&self, row: u32) -> u64 {
        let page = if self.is_one_page() { 0 } else { row as usize };
        let offset = self.pages.get(page).map(|page| page.offset);
        offset
            .and_then(|offset| u64::try_from(offset).ok())
            .unwrap_or_else(|| self.chunk.byte_range().0)
    }

    /// Returns the ranges of the file that hold the rows.
    pub(crate) fn ranges(&self, rows: &[u32]) -> Result<Vec<Range<u64>>> {
        let (start, length) = self.chunk.byte_range();
        let range = |page: usize| {
            let page = &self.pages[page];
            let first = u64::try_from(page.offset).ok()?;
            let last = first.checked_add(u64::try_from(page.compressed_page_size).ok()?)?;
            (start <= first && last - start <= length).then_some(first..last)
        };
        let wanted = self.wanted(rows)?;
        wanted
            .into_iter()
            .map(|page| range(page).ok_or_else(|| fault("a page lies outside its column")))
            .collect()
    }

    fn is_one_page(&self) -> bool {
        self.pages.len() == 1
    }
}

/// Returns how many bytes a value takes on its page.
fn width(chunk: &ColumnChunkMetaData) -> Option<usize> {
    match chunk.column_type() {
        Type::FIXED_LEN_BYTE_ARRAY => usize::try_from(chunk.column_descr().type_length()).ok(),
        Type::INT32 => Some(4),
        _ => None,
    }
}

/// Holds the fetched ranges of a file, and stands in for the file.
#[derive(Debug)]
pub(crate) struct Fetched {
    parts: Vec<(u64, Bytes)>,
}

impl Fetched {
    /// Pairs ranges, ascending, with what was found there.
    pub(crate) fn new(ranges: &[Range<u64>], bytes: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            parts: ranges.iter().map(|range| range.start).zip(bytes).collect(),
        }
    }
}

impl Length for Fetched {
    fn len(&self) -> u64 {
        self.parts
            .last()
            .map_or(0, |(start, bytes)| start.saturating_add(bytes.len() as u64))
    }
}

impl ChunkReader for Fetched {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let part = self.parts.binary_search_by_key(&start, |(start, _)| *start);
        let part = part.map_err(|_| fault(format!("nothing was fetched at byte {start}")))?;
        Ok(self.parts[part].1.clone().reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.get_read(start)?.into_inner();
        if bytes.len() < length {
            return Err(fault(format!(
                "{} bytes instead of {length} were found at byte {start}",
                bytes.len()
            )));
        }
        Ok(bytes.slice(..length))
    }
}

#[cfg(test)]
mod tests;
