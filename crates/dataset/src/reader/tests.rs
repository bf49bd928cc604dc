//! What is read, which bytes are asked for, and how damage is named.

use super::*;
use crate::shard::tests::{GRID, prepared, stored};

const PLANE: usize = GRID[0] * GRID[2];

fn expected(case: u64, rows: &[u32]) -> Slices {
    fn cut<T: Copy>(voxels: &[T], rows: &[u32]) -> Vec<T> {
        let row = |&row: &u32| &voxels[row as usize * PLANE..][..PLANE];
        rows.iter().flat_map(row).copied().collect()
    }
    let case = prepared(case);
    Slices {
        pet: cut(&case.pet, rows),
        ct: cut(&case.ct, rows),
        label: case.label.map(|label| cut(&label, rows)),
    }
}

async fn open(location: &Location) -> DataSet {
    DataSet::open(location).await.unwrap()
}

/// Returns the bytes of a shard that hold slices of a case.
pub(crate) async fn places(data: &DataSet, case: u32, rows: &[u32]) -> Vec<Range<u64>> {
    let entry = &data.manifest.cases[case as usize];
    let footer = data.footer(entry.shard).await.unwrap().metadata;
    let find = |name, per_row, value_bytes| {
        let rows = GRID[1];
        let expected = Expected {
            name,
            rows,
            per_row,
            value_bytes,
        };
        Column::find(&footer, entry.row_group as usize, expected).unwrap()
    };
    let columns = [
        find("pet", PLANE, 2),
        find("ct", PLANE, 2),
        find("checksum", 1, 16),
    ];
    columns
        .iter()
        .flat_map(|column| column.ranges(rows).unwrap())
        .collect()
}

#[tokio::test]
async fn slices_come_back_as_they_were_prepared() {
    let data = open(&stored(5, 2).await).await;
    for (case, rows) in [
        (0, vec![0]),
        (4, vec![1, 4, 7, 10]),
        (3, (0..GRID[1] as u32).collect()),
        (2, vec![11]),
    ] {
        assert_eq!(
            data.read_slices(case, &rows).await.unwrap(),
            expected(case.into(), &rows),
            "case {case}, {rows:?}"
        );
    }
}

#[tokio::test]
async fn only_the_pages_of_the_wanted_slices_are_needed() {
    let location = stored(3, 3).await;
    let data = open(&location).await;
    let rows = [2, 5, 8];
    let wanted = places(&data, 1, &rows).await;
    let shard = location.get(&shard_name(0)).await.unwrap();
    let mut torn = vec![0xaa; shard.len()];
    for range in &wanted {
        let range = range.start as usize..range.end as usize;
        torn[range.clone()].copy_from_slice(&shard[range]);
    }
    // The footer was read before the rest of the shard is destroyed, and it is read once only.
    location.put(&shard_name(0), torn).await.unwrap();
    assert_eq!(
        data.read_slices(1, &rows).await.unwrap(),
        expected(1, &rows)
    );
    assert!(data.read_slices(1, &[3]).await.is_err());
    let fetched: u64 = wanted.iter().map(|range| range.end - range.start).sum();
    assert!(
        fetched * 6 < shard.len() as u64,
        "{fetched} of {} bytes",
        shard.len()
    );
}

#[tokio::test]
async fn a_damaged_slice_is_named_and_the_others_are_not() {
    let location = stored(3, 3).await;
    let data = open(&location).await;
    let place = places(&data, 1, &[5]).await[1].clone();
    let mut shard = location.get(&shard_name(0)).await.unwrap().to_vec();
    shard[(place.end - 3) as usize] ^= 1;
    location.put(&shard_name(0), shard).await.unwrap();
    let refusal = data.read_slices(1, &[2, 5, 8]).await.unwrap_err();
    let begins = places(&data, 1, &[5]).await[0].start;
    assert_eq!(
        refusal.to_string(),
        format!(
            "slice 5 of case case-1 does not match its checksum (shards/shard-00000.parquet, row group 1, byte {begins}): \
             the object is damaged; delete it and run the same `fratmae prepare` again"
        )
    );
    assert_eq!(
        data.read_slices(1, &[2, 8]).await.unwrap(),
        expected(1, &[2, 8])
    );
}

#[tokio::test]
async fn no_flipped_byte_goes_unnoticed_or_panics() {
    let location = stored(1, 1).await;
    let shard = location.get(&shard_name(0)).await.unwrap();
    let rows: Vec<u32> = (0..GRID[1] as u32).collect();
    let whole = expected(0, &rows);
    for place in 0..shard.len() {
        let mut flipped = shard.to_vec();
        flipped[place] ^= 0x41;
        location.put(&shard_name(0), flipped).await.unwrap();
        // Bytes of columns that are not read here may differ: what is read is right or refused. Only the digest of the
        // case covers its label.
        if let Ok(slices) = open(&location).await.read_slices(0, &rows).await {
            assert!(
                (slices.pet, slices.ct) == (whole.pet.clone(), whole.ct.clone()),
                "the byte at {place}"
            );
        }
    }
}

#[tokio::test]
async fn a_truncated_shard_is_refused() {
    let location = stored(1, 1).await;
    let shard = location.get(&shard_name(0)).await.unwrap();
    for length in [0, 3, 8, 100, shard.len() / 2, shard.len() - 1] {
        location
            .put(&shard_name(0), shard.slice(..length))
            .await
            .unwrap();
        assert!(
            open(&location).await.read_slices(0, &[0]).await.is_err(),
            "{length} bytes"
        );
    }
}

#[tokio::test]
async fn a_missing_shard_is_named() {
    let location = stored(1, 1).await;
    location.delete(&shard_name(0)).await.unwrap();
    let refusal = open(&location)
        .await
        .read_slices(0, &[0])
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        refusal,
        "mem://data/shards/shard-00000.parquet does not exist; check the address"
    );
}

#[tokio::test]
async fn slices_and_cases_that_are_not_there_are_refused() {
    let data = open(&stored(1, 1).await).await;
    for rows in [vec![12], vec![3, 2], vec![4, 4], vec![u32::MAX]] {
        assert!(data.read_slices(0, &rows).await.is_err(), "{rows:?}");
    }
    assert!(data.read_slices(1, &[0]).await.is_err());
}

#[tokio::test]
async fn a_damaged_page_of_a_label_is_named_as_its_slice() {
    let location = stored(1, 1).await;
    let data = open(&location).await;
    let footer = data.footer(0).await.unwrap().metadata;
    let expected = Expected {
        name: LABEL_COLUMN,
        rows: GRID[1],
        per_row: PLANE,
        value_bytes: 4,
    };
    let label = Column::find(&footer, 0, expected).unwrap();
    let place = label.ranges(&[5]).unwrap()[0].clone();
    let mut shard = location.get(&shard_name(0)).await.unwrap().to_vec();
    shard[place.start as usize..place.end as usize].fill(0);
    location.put(&shard_name(0), shard).await.unwrap();
    let refusal = data.read_slices(0, &[2, 5]).await.unwrap_err();
    let is_its = |slice, offset| slice == 5 && offset == place.start;
    assert!(
        matches!(refusal, DataSetError::ChecksumMismatch { slice, offset, .. } if is_its(slice, offset)),
        "{refusal}"
    );
    let packed = data.fetch(0, &[2, 5], false, Origin::Nearest).await;
    packed.unwrap().unpack().expect("PET and CT are sound");
}

#[tokio::test]
async fn a_place_without_a_manifest_is_no_data_set() {
    let location = stored(1, 1).await;
    location.delete(MANIFEST_NAME).await.unwrap();
    let refusal = DataSet::open(&location).await.unwrap_err();
    assert!(
        matches!(refusal, DataSetError::Manifest { .. }),
        "{refusal}"
    );
}

#[tokio::test]
async fn what_the_cache_holds_is_read_without_the_store_and_never_believed() {
    let Some(folder) = crate::cache::tests::disk() else {
        return;
    };
    let cached =
        |data: DataSet| data.with_cache(Some(crate::cache::tests::open(folder.path(), 64)));
    let location = stored(3, 3).await;
    let data = cached(open(&location).await);
    assert_eq!(
        data.read_slices(1, &[2, 5]).await.unwrap(),
        expected(1, &[2, 5])
    );
    // The shard is torn, save its footer: what was read of it is in the cache, and the block is one.
    let shard = location.get(&shard_name(0)).await.unwrap();
    let mut torn = shard.to_vec();
    torn[100..600].fill(0);
    location.put(&shard_name(0), torn.clone()).await.unwrap();
    assert_eq!(data.read_slices(0, &[0]).await.unwrap(), expected(0, &[0]));
    // Read afresh, the torn bytes replace the good ones, and are found out; the store mended, so is the cache.
    let packed = data.fetch(0, &[0], true, Origin::Store).await;
    assert!(packed.unwrap().unpack().is_err());
    assert!(data.read_slices(0, &[0]).await.is_err());
    location.put(&shard_name(0), shard).await.unwrap();
    let packed = data.fetch(0, &[0], true, Origin::Store).await;
    packed.unwrap().unpack().unwrap();
    assert_eq!(data.read_slices(0, &[0]).await.unwrap(), expected(0, &[0]));
}

#[tokio::test]
async fn a_local_data_set_is_not_cached() {
    let Some(folder) = crate::cache::tests::disk() else {
        return;
    };
    let remote = stored(1, 1).await;
    let place = folder.path().join("data");
    let local = Location::open(&place.to_string_lossy()).unwrap();
    for name in [MANIFEST_NAME.to_owned(), shard_name(0)] {
        local
            .put(&name, remote.get(&name).await.unwrap())
            .await
            .unwrap();
    }
    for (location, is_cached) in [(remote, true), (local, false)] {
        let data = open(&location).await;
        let data = data.with_cache(Some(crate::cache::tests::open(folder.path(), 64)));
        assert_eq!(data.is_cached(), is_cached);
    }
}
