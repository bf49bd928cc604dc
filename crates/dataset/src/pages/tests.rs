//! Every way a column can be stored: read right, or refused; and damage, which is never believed.

use std::sync::Arc;

use arrow_array::{FixedSizeListArray, Float16Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use half::f16;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;

use super::*;

const ROWS: usize = 6;
const PLANE: usize = 500;
const EXPECTED: Expected<'_> = Expected {
    name: "pet",
    rows: ROWS,
    per_row: PLANE,
    value_bytes: 2,
};

fn voxels() -> Vec<f16> {
    let voxel = |place: usize| f16::from_f32((place * place % 977) as f32 / 7.0);
    (0..ROWS * PLANE).map(voxel).collect()
}

fn bytes_of(rows: &[u32]) -> Vec<u8> {
    let voxels = voxels();
    let row = |&row: &u32| voxels[row as usize * PLANE..][..PLANE].to_vec();
    rows.iter()
        .flat_map(row)
        .flat_map(f16::to_le_bytes)
        .collect()
}

/// Stores the voxels, a row a page, otherwise as the properties say.
fn stored(properties: WriterPropertiesBuilder) -> Bytes {
    let path = ["pet", "list", "element"].map(str::to_owned).to_vec();
    let path = ColumnPath::from(path);
    let properties: WriterProperties = properties
        .set_write_batch_size(1)
        .set_column_data_page_row_count_limit(path, 1)
        .build();
    let element = Arc::new(Field::new("element", DataType::Float16, false));
    let values = Arc::new(Float16Array::from(voxels()));
    let list = FixedSizeListArray::new(Arc::clone(&element), PLANE as i32, values, None);
    let kind = DataType::FixedSizeList(element, PLANE as i32);
    let schema = Arc::new(Schema::new(vec![Field::new("pet", kind, false)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(list)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

fn plain() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_dictionary_enabled(false)
}

fn zstd(level: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(level).unwrap())
}

fn column(file: &Bytes) -> Result<Column> {
    let footer = ParquetMetaDataReader::new()
        .with_offset_index_policy(PageIndexPolicy::Required)
        .parse_and_finish(file)?;
    Column::find(&footer, 0, EXPECTED)
}

fn fetched(file: &Bytes, ranges: &[Range<u64>]) -> Fetched {
    let part = |range: &Range<u64>| file.slice(range.start as usize..range.end as usize);
    Fetched::new(ranges, ranges.iter().map(part).collect::<Vec<_>>())
}

fn read(file: &Bytes, rows: &[u32]) -> std::result::Result<Vec<u8>, String> {
    let column = column(file).map_err(|error| error.to_string())?;
    let ranges = column.ranges(rows).map_err(|error| error.to_string())?;
    let unpacked = column.unpack(fetched(file, &ranges), rows);
    unpacked.map_err(|(_, error)| error.to_string())
}

#[test]
fn plain_pages_are_read_however_hard_they_are_compressed() {
    let all = (0..ROWS as u32).collect::<Vec<_>>();
    for compression in [
        Compression::UNCOMPRESSED,
        zstd(-50),
        zstd(-7),
        zstd(1),
        zstd(19),
    ] {
        let file = stored(plain().set_compression(compression));
        for rows in [&all[..], &[0], &[1, 4], &[5]] {
            assert_eq!(
                read(&file, rows),
                Ok(bytes_of(rows)),
                "{compression}, {rows:?}"
            );
        }
    }
}

#[test]
fn rows_are_unpacked_one_by_one() {
    let file = stored(plain().set_compression(zstd(-7)));
    let column = column(&file).unwrap();
    let rows = [0, 2, 3, 5];
    let ranges = column.ranges(&rows).unwrap();
    let mut unpacking = column.unpacking(fetched(&file, &ranges)).unwrap();
    for row in rows {
        assert_eq!(unpacking.row(row).unwrap(), bytes_of(&[row]), "{row}");
    }
    assert!(
        unpacking.row(1).is_err(),
        "rows are read in ascending order only"
    );
}

#[test]
fn pages_of_another_kind_are_refused() {
    let split = plain()
        .set_compression(zstd(3))
        .set_encoding(Encoding::BYTE_STREAM_SPLIT);
    let dictionary = WriterProperties::builder().set_compression(zstd(1));
    let second_version = plain().set_writer_version(WriterVersion::PARQUET_2_0);
    let plain_of_second = second_version.set_encoding(Encoding::PLAIN);
    for (properties, reason) in [
        (split, "a page is not stored plain"),
        (dictionary, "not laid out as plain pages"),
        (plain_of_second, "a page does not begin as one"),
    ] {
        let refusal = read(&stored(properties), &[2]).unwrap_err();
        assert!(refusal.contains(reason), "{refusal}");
    }
}

#[test]
fn a_page_that_calls_itself_huge_is_refused_before_a_buffer_is_made() {
    let file = stored(plain().set_compression(zstd(-7)));
    let column = column(&file).unwrap();
    let ranges = column.ranges(&[1]).unwrap();
    let page = &file[ranges[0].start as usize..ranges[0].end as usize];
    // The kind of page, then the size: here the largest that 32 bits can say.
    let after_size = 3 + page[3..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let huge = [
        &page[..3],
        &[0xfe, 0xff, 0xff, 0xff, 0x0f],
        &page[after_size..],
    ]
    .concat();
    let huge = Bytes::from(huge);
    let fetched = Fetched::new(&ranges, [huge.slice(..page.len())]);
    let (row, refusal) = column.unpack(fetched, &[1]).unwrap_err();
    let refusal = refusal.to_string();
    assert!(
        row == 1 && refusal.contains("says it unpacks to 2147483647 bytes"),
        "{refusal}"
    );
}

/// Found by fuzzing: the library subtracts the start of the column from the place of its first page.
#[test]
fn a_first_page_elsewhere_than_at_the_start_is_refused() {
    let file = stored(plain().set_compression(zstd(-7)));
    let mut column = column(&file).unwrap();
    column.pages[0].offset -= 1;
    assert!(column.check_start().is_err());
    column.pages.clear();
    assert!(column.check_start().is_err());
}

#[test]
fn no_damage_to_a_page_panics() {
    let file = stored(plain().set_compression(zstd(-7)));
    let column = column(&file).unwrap();
    let ranges = column.ranges(&[1]).unwrap();
    let page = &file[ranges[0].start as usize..ranges[0].end as usize];
    for place in 0..page.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = page.to_vec();
            damaged[place] ^= flip;
            // It may go unnoticed here: the digest is checked elsewhere. What comes back has the right size.
            if let Ok(values) = column.unpack(Fetched::new(&ranges, [damaged.into()]), &[1]) {
                assert_eq!(values.len(), 2 * PLANE);
            }
        }
        let cut = Bytes::copy_from_slice(&page[..place]);
        assert!(column.unpack(Fetched::new(&ranges, [cut]), &[1]).is_err());
    }
}
