//! Every digest, and every byte flipped.

use fratmae_store::Location;

use super::*;
use crate::manifest::MANIFEST_NAME;
use crate::shard::tests::{GRID, stored};

async fn checked(location: &Location) -> VerifyReport {
    verify(&DataSet::open(location).await.unwrap(), &mut |_, _| {})
        .await
        .unwrap()
}

#[tokio::test]
async fn a_sound_data_set_passes_and_progress_is_told() {
    let data = DataSet::open(&stored(3, 2).await).await.unwrap();
    let mut calls = Vec::new();
    let report = verify(&data, &mut |done, all| calls.push((done, all)))
        .await
        .unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.cases, report.slices, calls),
        (3, 3 * GRID[1], vec![(1, 3), (2, 3), (3, 3)])
    );
    assert_eq!(report.content_digest, data.manifest.digest);
}

#[tokio::test]
async fn how_the_cases_are_cut_into_shards_does_not_change_the_content() {
    let digests = [
        checked(&stored(5, 2).await).await,
        checked(&stored(5, 5).await).await,
    ]
    .map(|report| report.content_digest);
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn a_flipped_byte_is_found_in_its_case() {
    let location = stored(3, 2).await;
    let sound = location.get(&shard_name(0)).await.unwrap();
    // The voxels of the first case are what a shard begins with, behind its name and numbers of slices.
    let mut shard = sound.to_vec();
    shard[sound.len() / 8] ^= 0x10;
    location.put(&shard_name(0), shard).await.unwrap();
    let report = checked(&location).await;
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    assert_eq!(
        (
            report.damaged[0].case_id.as_str(),
            report.damaged[0].shard.as_str()
        ),
        ("case-0", "shards/shard-00000.parquet")
    );
    assert!(report.damaged[0].slice.is_some());
}

#[tokio::test]
async fn a_missing_and_a_torn_shard_are_damage_to_each_of_their_cases() {
    let location = stored(5, 2).await;
    location.delete(&shard_name(1)).await.unwrap();
    let torn = location.get(&shard_name(2)).await.unwrap().slice(..500);
    location.put(&shard_name(2), torn).await.unwrap();
    let damaged: Vec<String> = checked(&location)
        .await
        .damaged
        .into_iter()
        .map(|damage| damage.case_id)
        .collect();
    assert_eq!(damaged, ["case-2", "case-3", "case-4"]);
}

#[tokio::test]
async fn metadata_that_was_changed_by_hand_is_found_in_a_manifest_without_a_seal_too() {
    let location = stored(2, 2).await;
    let manifest = location.get(MANIFEST_NAME).await.unwrap();
    let text = String::from_utf8(manifest.to_vec()).unwrap();
    let (body, _) = text.rsplit_once(",\n  \"seal\"").unwrap();
    let text = body.replace("\"age\": 41.0", "\"age\": 14.0") + "\n}";
    location.put(MANIFEST_NAME, text).await.unwrap();
    let report = checked(&location).await;
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    assert_eq!(
        (report.damaged[0].case_id.as_str(), report.damaged[0].slice),
        ("case-1", None)
    );
}
