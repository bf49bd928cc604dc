//! One data set made by several calls: the same bytes, whoever ends last.

use super::*;

fn share(number: u32, of: u32) -> PrepareOptions {
    PrepareOptions {
        cases_per_shard: 1,
        part: Part::Share { number, of },
        ..OPTIONS
    }
}

#[tokio::test]
async fn shares_in_any_order_give_the_bytes_of_one_call() {
    let bench = Bench::new(5);
    let whole = PrepareOptions {
        part: Part::Whole,
        ..share(0, 1)
    };
    bench.prepare("whole", &whole).await.unwrap();
    for of in [1, 3, 7] {
        let name = format!("of-{of}");
        for number in (0..of).rev() {
            let report = bench.prepare(&name, &share(number, of)).await.unwrap();
            assert_eq!(report.digest.is_some(), report.missing.is_empty());
            // With seven shares for five shards the last two have no work.
            let made = (number..5).step_by(of as usize).count();
            assert_eq!(report.prepared, made, "share {number}/{of}");
        }
        assert_eq!(bench.files(&name).await, bench.files("whole").await, "{of}");
    }
}

#[tokio::test]
async fn a_share_makes_no_data_set_and_merging_names_what_is_missing() {
    let bench = Bench::new(5);
    let report = bench.prepare("out", &share(1, 3)).await.unwrap();
    let missing = [0, 2, 3].map(shard_name);
    assert_eq!(
        (report.cases.len(), &report.missing[..], &report.digest),
        (2, &missing[..], &None)
    );
    let left: Vec<String> = bench.files("out").await.into_keys().collect();
    assert!(
        left.iter().all(|name| name.starts_with("shards/")),
        "{left:?}"
    );
    let merge = PrepareOptions {
        part: Part::Merge,
        ..share(0, 1)
    };
    let refusal = bench.prepare("out", &merge).await.unwrap_err().to_string();
    assert!(refusal.contains("3 of 5 shards are missing"), "{refusal}");
    for name in &missing {
        assert!(refusal.contains(name), "{refusal}");
    }
    assert_eq!(bench.files("out").await.len(), left.len());
    let whole = PrepareOptions {
        part: Part::Whole,
        ..merge.clone()
    };
    bench.prepare("out", &whole).await.unwrap();
    let made = bench.files("out").await;
    for lost in [MANIFEST_NAME, REPORT_NAME] {
        bench.out("out").delete(lost).await.unwrap();
    }
    let merged = bench.prepare("out", &merge).await.unwrap();
    assert_eq!((merged.prepared, merged.cases.len()), (0, 5));
    assert_eq!(bench.files("out").await, made);
}

#[tokio::test]
async fn shares_that_end_together_both_finish_the_data_set() {
    let bench = Bench::new(4);
    bench.prepare("out", &share(0, 1)).await.unwrap();
    let whole = bench.files("out").await;
    for lost in [MANIFEST_NAME, REPORT_NAME] {
        bench.out("out").delete(lost).await.unwrap();
    }
    let (one, two, three, four) = (share(0, 4), share(1, 4), share(2, 4), share(3, 4));
    let reports = tokio::try_join!(
        bench.prepare("out", &one),
        bench.prepare("out", &two),
        bench.prepare("out", &three),
        bench.prepare("out", &four),
    );
    let (one, two, three, four) = reports.unwrap();
    let is_same = [&two, &three, &four]
        .iter()
        .all(|report| report.digest == one.digest);
    assert!(is_same && one.digest.is_some());
    assert_eq!(bench.files("out").await, whole);
}

#[tokio::test]
async fn shards_of_other_files_are_not_merged() {
    let bench = Bench::new(2);
    bench.prepare("out", &share(0, 2)).await.unwrap();
    let mut changed = fs::read(bench.cases[0].ct.path()).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(bench.cases[0].ct.path(), changed).unwrap();
    let report = bench.prepare("out", &share(1, 2)).await.unwrap();
    assert_eq!(report.missing, [shard_name(0)]);
    assert!(
        fratmae_dataset::DataSet::open(&bench.out("out"))
            .await
            .is_err()
    );
    let report = bench.prepare("out", &share(0, 2)).await.unwrap();
    assert_eq!((report.prepared, report.missing.len()), (1, 0));
}

#[tokio::test]
async fn a_share_that_is_none_is_refused() {
    let refusal = Bench::new(1)
        .prepare("out", &share(3, 3))
        .await
        .unwrap_err();
    assert!(matches!(refusal, PrepareError::Options { .. }), "{refusal}");
}
