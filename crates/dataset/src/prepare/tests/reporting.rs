//! The report on every case.

use super::*;

#[tokio::test]
async fn the_report_says_of_every_case_what_became_of_it() {
    let bench = Bench::new(4);
    bench.truncate(2);
    let skipping = PrepareOptions {
        skip_bad: true,
        ..OPTIONS
    };
    bench.prepare("out", &skipping).await.unwrap();
    let bytes = bench.out("out").get(REPORT_NAME).await.unwrap();
    let report: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (&report["taken"], &report["skipped"]),
        (&3.into(), &1.into())
    );
    let cases: Vec<CaseReport> = serde_json::from_value(report["cases"].clone()).unwrap();
    let names: Vec<&str> = cases.iter().map(|case| case.case_id.as_str()).collect();
    assert_eq!(names, ["case0", "case1", "case2", "case3"]);
    assert_eq!(
        cases[3].verdict,
        CaseVerdict::Taken {
            shard: 1,
            notes: vec![]
        }
    );
    assert!(
        matches!(&cases[2].verdict, CaseVerdict::Skipped { reason } if reason.starts_with("the PET: truncated")),
        "{:?}",
        cases[2]
    );
}
