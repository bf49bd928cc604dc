//! The Parquet layout, read back by the reader and by its page index.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, UInt8Type};
use bytes::Bytes;
use fratmae_store::Location;
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::metadata::PageIndexPolicy;

use super::columns::VOXEL_COLUMNS;
use super::*;
use crate::keyed_rng::KeyedRng;
use crate::manifest::{MANIFEST_NAME, Manifest};

/// The grid of the made-up cases.
pub(crate) const GRID: [usize; 3] = [5, 12, 7];
const PLANE: usize = GRID[0] * GRID[2];

/// Makes up the voxels of a case; every second one has a label.
pub(crate) fn prepared(number: u64) -> PreparedCase {
    let mut rng = KeyedRng::new("made-up case", number, &[]);
    let mut voxels = |low: f64, high: f64| -> Vec<f16> {
        (0..GRID[1] * PLANE)
            .map(|_| f16::from_f64(low + (high - low) * rng.unit()))
            .collect()
    };
    PreparedCase {
        case_id: format!("case-{number}"),
        metadata: Metadata {
            tracer: Some("18F-FDG".to_owned()),
            age: Some(40.0 + number as f32),
            ..Metadata::default()
        },
        fold: None,
        grid: GRID,
        pet: voxels(0.0, 20.0),
        ct: voxels(-1024.0, 1500.0),
        label: number.is_multiple_of(2).then(|| {
            (0..GRID[1] * PLANE)
                .map(|voxel| (voxel % 3) as u8)
                .collect()
        }),
        affine: [
            [5.0, 0.0, 0.0, -10.0],
            [0.0, 4.0, 0.0, 20.0],
            [0.0, 0.0, 3.0, 30.0],
        ],
        spacing: [5.0, 4.0, 3.0],
        source_spacing: [2.0, 2.0, 3.0],
        source_shape: [13, 24, 7],
        source_axes: "LPS".to_owned(),
        body: [2, 9],
        notes: vec![],
    }
}

/// Writes made-up cases to a store in memory, so many a shard, and returns where they lie.
pub(crate) async fn stored(cases: u64, per_shard: u64) -> Location {
    let location = Location::over(Arc::new(InMemory::new()), "data", "mem://data");
    let mut entries = Vec::new();
    for shard in 0..cases.div_ceil(per_shard) {
        let (bytes, made) = shard_of(
            shard as u32,
            shard * per_shard..cases.min((shard + 1) * per_shard),
        );
        location
            .put(&shard_name(shard as u32), Bytes::from(bytes))
            .await
            .unwrap();
        entries.extend(made);
    }
    let manifest = Manifest::new(GRID, entries);
    location
        .put(MANIFEST_NAME, manifest.to_json().unwrap())
        .await
        .unwrap();
    location
}

fn shard_of(shard: u32, cases: std::ops::Range<u64>) -> (Vec<u8>, Vec<ManifestCase>) {
    let mut writer = ShardWriter::new(shard, GRID, true).unwrap();
    let encoded: Vec<_> = cases
        .map(|case| writer.encoder().encode(prepared(case)).unwrap())
        .collect();
    let entries = encoded
        .into_iter()
        .map(|case| writer.append(case).unwrap())
        .collect();
    let shard = writer.finish().unwrap().unwrap();
    (Bytes::from(shard).to_vec(), entries)
}

#[test]
#[expect(clippy::too_many_lines, reason = "every column once")]
fn a_shard_is_plain_parquet_with_a_row_group_a_case_and_a_row_a_slice() {
    let (bytes, entries) = shard_of(3, 0..3);
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
    let groups: Vec<i64> = reader
        .metadata()
        .row_groups()
        .iter()
        .map(|group| group.num_rows())
        .collect();
    assert_eq!(groups, [GRID[1] as i64; 3]);
    for (number, batch) in reader.with_batch_size(GRID[1]).build().unwrap().enumerate() {
        let (batch, case) = (batch.unwrap(), prepared(number as u64));
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let values = |name: &str| column(name).as_fixed_size_list().values().clone();
        assert_eq!(
            column("case_id").as_string::<i32>().value(5),
            format!("case-{number}")
        );
        let slices: Vec<u32> = (0..GRID[1] as u32).collect();
        assert_eq!(
            column("slice")
                .as_primitive::<arrow_array::types::UInt32Type>()
                .values(),
            &slices[..]
        );
        assert_eq!(
            values("pet").as_primitive::<Float16Type>().values(),
            &case.pet[..]
        );
        assert_eq!(
            values("ct").as_primitive::<Float16Type>().values(),
            &case.ct[..]
        );
        match &case.label {
            Some(label) => assert_eq!(
                values("label").as_primitive::<UInt8Type>().values(),
                &label[..]
            ),
            None => assert_eq!(column("label").null_count(), GRID[1]),
        }
        assert_eq!(
            column("age").as_primitive::<Float32Type>().value(0),
            40.0 + number as f32
        );
        assert!(column("sex").is_null(0));
        assert_eq!(
            column("origin")
                .as_fixed_size_list()
                .value(4)
                .as_primitive::<Float64Type>()
                .values(),
            &[-10.0, 20.0, 30.0]
        );
        assert_eq!(
            column("spacing")
                .as_fixed_size_list()
                .value(4)
                .as_primitive::<Float32Type>()
                .values(),
            &[5.0, 4.0, 3.0]
        );
        assert_eq!(
            (entries[number].shard, entries[number].row_group),
            (3, number as u32)
        );
    }
}

#[test]
fn a_page_of_voxels_is_one_slice() {
    let (bytes, _) = shard_of(0, 0..2);
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(bytes), options).unwrap();
    for (group, columns) in reader.metadata().row_groups().iter().enumerate() {
        let index = reader.metadata().page_index_for_row_group(group);
        for (place, column) in columns.columns().iter().enumerate() {
            let name = column.column_path().parts()[0].as_str();
            let rows: Vec<i64> = index
                .offset_index(place)
                .unwrap()
                .page_locations()
                .iter()
                .map(|page| page.first_row_index)
                .collect();
            let expected = if VOXEL_COLUMNS.contains(&name) {
                GRID[1] as i64
            } else {
                1
            };
            assert_eq!(rows, (0..expected).collect::<Vec<_>>(), "{name}");
            assert_eq!(column.dictionary_page_offset(), None, "{name}");
            let is_packed = matches!(column.compression(), Compression::ZSTD(_));
            assert_eq!(is_packed, name != CHECKSUM_COLUMN, "{name}");
        }
    }
}

#[test]
fn an_entry_sums_up_its_case() {
    let (_, entries) = shard_of(0, 0..1);
    let case = prepared(0);
    let mean = case.pet.iter().map(|voxel| voxel.to_f64()).sum::<f64>() / case.pet.len() as f64;
    let max = case.ct.iter().copied().fold(f16::MIN, f16::max);
    assert_eq!(
        (entries[0].pet.mean, entries[0].ct.max),
        (mean as f32, max.to_f32())
    );
    assert_eq!(
        (entries[0].body, entries[0].label, entries[0].spacing),
        ([2, 9], true, [5.0, 4.0, 3.0])
    );
}

#[test]
fn the_digest_of_a_case_depends_on_each_voxel() {
    let writer = ShardWriter::new(0, GRID, true).unwrap();
    let digest = |case: PreparedCase| writer.encoder().encode(case).unwrap().entry.digest;
    let (mut pet, mut ct, mut label) = (prepared(0), prepared(0), prepared(0));
    pet.pet[200] = f16::from_f32(21.0);
    ct.ct[200] = f16::from_f32(2000.0);
    label.label.as_mut().unwrap()[200] = 9;
    let digests = std::collections::BTreeSet::from([prepared(0), pet, ct, label].map(digest));
    assert_eq!(digests.len(), 4);
}

#[test]
fn a_shard_of_no_case_has_no_bytes() {
    let writer = ShardWriter::new(0, GRID, false).unwrap();
    assert!(writer.finish().unwrap().is_none());
}
