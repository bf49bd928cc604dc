//! Several calls make one data set: the same bytes for any number of shares, though they are killed at any moment and
//! end at the same time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fratmae_tests::{Call, Phantoms, Seeded, fratmae, phantoms, scratch, snapshot};

const CASES: usize = Phantoms::CASES;

fn prepare(out: &Path) -> Call {
    fratmae(["prepare", "--json", "--grid=128x128x160"])
        .and("--cases-per-shard=1")
        .and(&phantoms().source)
        .and("--out")
        .and(out)
}

fn share(out: &Path, number: u64, of: u64) -> Call {
    prepare(out).and(format!("--shard={number}/{of}"))
}

/// Reads all files of a data set, but for what a killed process left under no final name.
fn bytes(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_final = |name: &String| !name.contains('#') && !name.contains(".probe-");
    let names = snapshot(out).into_keys().filter(is_final);
    names
        .map(|name| {
            let bytes = std::fs::read(out.join(&name)).expect("a file just listed");
            (name, bytes)
        })
        .collect()
}

fn assert_same(out: &Path, whole: &BTreeMap<String, Vec<u8>>) {
    let found = bytes(out);
    let names: Vec<&String> = found.keys().collect();
    assert_eq!(names, whole.keys().collect::<Vec<_>>());
    for (name, bytes) in &found {
        assert!(bytes == &whole[name], "{name} differs");
    }
}

#[test]
fn shares_killed_at_random_moments_give_the_bytes_of_one_call() {
    let folder = scratch();
    let out = folder.path().join("whole");
    let undisturbed = prepare(&out).run().succeeded();
    let whole = bytes(&out);
    assert_eq!(
        whole.len(),
        2 * CASES + 2,
        "shards, records, report, manifest"
    );
    let mut seeded = Seeded::new(11);
    let mut hits = 0;
    for (of, kills) in [(1, 6), (3, 7), (7, 7)] {
        let out = folder.path().join(format!("of-{of}"));
        let expected_ms = (undisturbed.seconds * 1000.0) as u64 / of;
        for _ in 0..kills {
            let mut running = share(&out, seeded.below(of), of).start();
            running.runs_for(Duration::from_millis(seeded.below(expected_ms * 2 / 3 + 1)));
            hits += u32::from(running.is_running());
            running.kill_all();
            running.wait().no_panic();
        }
        let running: Vec<_> = (0..of)
            .map(|number| share(&out, number, of).start())
            .collect();
        let reports = running
            .into_iter()
            .map(|call| call.wait().succeeded().json());
        let digests = reports.map(|report| report["digest"].clone());
        assert!(
            digests
                .into_iter()
                .any(|digest| digest == undisturbed.json()["digest"]),
            "the share that ends last finishes the data set"
        );
        assert_same(&out, &whole);
        fratmae(["dataset", "verify"]).and(&out).run().succeeded();
    }
    assert!(hits >= 8, "only {hits} of 20 kills met a running prepare");
}

#[test]
fn merging_names_missing_shards_and_finishes_by_hand() {
    let folder = scratch();
    let out = folder.path().join("out");
    let small = |more: &str| {
        let call = fratmae([
            "prepare",
            "--quiet",
            "--grid=32x40x48",
            "--cases-per-shard=5",
        ]);
        call.and(&phantoms().source)
            .and("--out")
            .and(&out)
            .and(more)
    };
    let first = small("--shard=0/3").run().succeeded();
    assert!(
        first
            .stdout
            .contains("not complete yet: 2 shards of other shares missing"),
        "{}",
        first.stdout
    );
    let line = small("--merge").run().only_line();
    for word in [
        "2 of 3 shards",
        "shard-00001.parquet",
        "shard-00002.parquet",
        "--shard",
    ] {
        assert!(line.contains(word), "{word} in {line}");
    }
    small("--shard=2/3").run().succeeded();
    small("--shard=1/3").run().succeeded();
    let made = bytes(&out);
    std::fs::remove_file(out.join("manifest.json")).unwrap();
    small("--merge").run().succeeded();
    assert_same(&out, &made);
    assert_eq!(
        made["manifest.json"],
        bytes(&phantoms_with(&folder.path().join("one"), 5))["manifest.json"]
    );
}

/// Prepares the same phantoms in one call.
fn phantoms_with(out: &Path, cases_per_shard: u32) -> std::path::PathBuf {
    fratmae(["prepare", "--grid=32x40x48"])
        .and(format!("--cases-per-shard={cases_per_shard}"))
        .and(&phantoms().source)
        .and("--out")
        .and(out)
        .run()
        .succeeded();
    out.to_owned()
}

#[test]
fn shares_that_are_none_and_flags_that_exclude_each_other_are_refused() {
    let folder = scratch();
    let out = folder.path().join("out");
    for (flags, hint) in [
        (&["--shard=7/7"][..], "from 0 to one below"),
        (&["--shard=7"], "such as 0/7"),
        (&["--shard=a/b"], "such as 0/7"),
        (&["--shard=0/2", "--merge"], "cannot be used with"),
        (&["--layout=nifti"], "autopet, tcia, dicom, table"),
    ] {
        let mut call = prepare(&out);
        for flag in flags {
            call = call.and(*flag);
        }
        let line = call.run().error_line();
        assert!(line.contains(hint), "{hint} in {line}");
    }
    assert!(!out.exists(), "nothing was made");
}
