//! What an inspection tells of a data set, against cases made here.

use super::*;
use crate::shard::tests::{GRID, stored};

#[tokio::test]
async fn every_case_is_summed_up() {
    let data = DataSet::open(&stored(3, 2).await).await.unwrap();
    let summary = inspect(&data);
    assert_eq!(
        (summary.grid, summary.shards, summary.cases.len()),
        (GRID, 2, 3)
    );
    let case = &summary.cases[2];
    assert_eq!(
        (case.case_id.as_str(), case.source_axes.as_str(), case.label),
        ("case-2", "LPS", true)
    );
    assert!(case.sentence.contains("42-year-old"), "{}", case.sentence);
    let (least, most) = (case.pet.min, case.pet.max);
    assert!(0.0 <= least && least < case.pet.mean && case.pet.mean < most && most <= 20.0);
}
