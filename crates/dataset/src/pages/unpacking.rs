//! Owns the unpacking of a column's pages, row after row; it believes nothing that they say about their size.
//!
//! Each row is given as the page it was decompressed into, without a copy: a slice of two volumes stays in the
//! processor's cache until it is checked and windowed, where a whole stack would go through memory three times.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

use super::{Column, Fetched, fault};

/// In thrift's compact protocol: a number of 32 bits follows, in the field after the last one.
const I32_NEXT: u8 = 0x15;
/// The kind of page that holds values, as a number of thrift.
const DATA_PAGE: u8 = 0;
/// Bytes of the longest number of 32 bits.
const LONGEST_I32: usize = 5;
/// Bytes that the levels of a small page take at most.
const LEVELS: u64 = 1024;

/// Unpacks one row after the other.
pub(crate) struct Unpacking<'column> {
    pub(crate) column: &'column Column,
    fetched: Arc<Fetched>,
    pages: SerializedPageReader<Fetched>,
    next: usize,
}

impl Column {
    /// Starts to unpack what was fetched.
    pub(crate) fn unpacking(&self, fetched: Fetched) -> Result<Unpacking<'_>> {
        let fetched = Arc::new(fetched);
        let pages = Some(self.pages.clone());
        let read = Arc::clone(&fetched);
        Ok(Unpacking {
            column: self,
            fetched,
            pages: SerializedPageReader::new(read, &self.chunk, self.rows, pages)?,
            next: 0,
        })
    }

    /// Unpacks rows, which must ascend, and joins their values.
    ///
    /// # Errors
    /// The first row that cannot be unpacked, with its number.
    pub(crate) fn unpack(
        &self,
        fetched: Fetched,
        rows: &[u32],
    ) -> std::result::Result<Vec<u8>, (u32, ParquetError)> {
        let first = rows.first().copied().unwrap_or_default();
        self.wanted(rows).map_err(|error| (first, error))?;
        let mut unpacking = self.unpacking(fetched).map_err(|error| (first, error))?;
        let mut values = Vec::with_capacity(rows.len() * self.row_bytes);
        if self.is_one_page() {
            let whole = unpacking.row(0).map_err(|error| (first, error))?;
            let whole: Vec<&[u8]> = whole.chunks_exact(self.row_bytes).collect();
            rows.iter()
                .for_each(|&row| values.extend_from_slice(whole[row as usize]));
            return Ok(values);
        }
        for &row in rows {
            let unpacked = unpacking.row(row).map_err(|error| (row, error))?;
            values.extend_from_slice(&unpacked);
        }
        Ok(values)
    }

    /// Finds the values in a page: they follow the levels, and nothing follows them.
    fn values(&self, page: Option<Page>) -> Result<Bytes> {
        let Page::DataPage {
            buf,
            encoding: Encoding::PLAIN,
            ..
        } = page.ok_or_else(|| fault("a page is missing"))?
        else {
            return Err(fault("a page is not stored plain"));
        };
        let descr = self.chunk.column_descr();
        let mut values = buf;
        for depth in [descr.max_rep_level(), descr.max_def_level()] {
            if depth > 0 {
                values = after_levels(&values).ok_or_else(|| fault("a page ends in its levels"))?;
            }
        }
        let (found, length) = (values.len(), self.page_bytes());
        if found != length {
            let reason = format!("a page holds {found} bytes of values, not {length}");
            return Err(fault(reason));
        }
        Ok(values)
    }

    /// Bytes of values that each page holds.
    fn page_bytes(&self) -> usize {
        let rows = if self.is_one_page() { self.rows } else { 1 };
        rows * self.row_bytes
    }
}

impl Unpacking<'_> {
    /// Unpacks the values of a row, or of all rows where they share a page. Rows must ascend.
    pub(crate) fn row(&mut self, row: u32) -> Result<Bytes> {
        let page = if self.column.is_one_page() {
            0
        } else {
            row as usize
        };
        for _ in self.next..page {
            self.pages.skip_next_page()?;
        }
        self.next = page + 1;
        self.check_size(page)?;
        self.column.values(self.pages.get_next_page()?)
    }

    /// Refuses a page that calls itself larger than its values and levels can be: the library makes a buffer on its word.
    fn check_size(&self, page: usize) -> Result<()> {
        let place = self.column.pages.get(page);
        let place = place.ok_or_else(|| fault("a page is missing"))?;
        let offset = u64::try_from(place.offset)?;
        let header = self
            .fetched
            .get_bytes(offset, place.compressed_page_size.try_into()?)?;
        let size = unpacked_size(&header);
        let size = size.ok_or_else(|| fault("a page does not begin as one"))?;
        let most = 2 * self.column.page_bytes() as u64 + LEVELS;
        if size > most {
            let reason = format!("a page says it unpacks to {size} bytes, where {most} is most");
            return Err(fault(reason));
        }
        Ok(())
    }
}

/// Reads the size that a data page says it unpacks to: the second field of its header, after its kind.
fn unpacked_size(header: &[u8]) -> Option<u64> {
    let rest = header.strip_prefix(&[I32_NEXT, DATA_PAGE, I32_NEXT])?;
    let mut size = 0_u64;
    for (place, &byte) in rest.iter().take(LONGEST_I32).enumerate() {
        size |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            // Zigzag: odd numbers are the negative ones.
            return (size & 1 == 0).then_some(size >> 1);
        }
    }
    None
}

/// Cuts off levels, which begin with their size.
fn after_levels(page: &Bytes) -> Option<Bytes> {
    let size = u32::from_le_bytes(*page.first_chunk()?) as usize;
    let end = size.checked_add(4)?;
    (end <= page.len()).then(|| page.slice(end..))
}
