//! Preparing can be stopped at any moment: it leaves no data set until all is there, goes on where it was, and gives
//! the content it would have had, however it is cut into shards.

use std::path::Path;
use std::time::Duration;

use fratmae_tests::{Call, Phantoms, Signal, fratmae, phantoms, scratch};
use serde_json::Value;

const CASES: u64 = Phantoms::CASES as u64;

fn prepare(out: &Path, cases_per_shard: u32) -> Call {
    fratmae(["prepare", "--json", "--grid=160x160x192"])
        .and(format!("--cases-per-shard={cases_per_shard}"))
        .and(&phantoms().source)
        .and("--out")
        .and(out)
}

fn finish(call: &Call) -> Value {
    call.run().succeeded().json()
}

fn shards(out: &Path) -> usize {
    let Ok(files) = std::fs::read_dir(out.join("shards")) else {
        return 0;
    };
    let is_done = |name: &str| name.starts_with("shard-") && name.ends_with(".json");
    files
        .flatten()
        .filter(|file| file.file_name().to_str().is_some_and(is_done))
        .count()
}

#[test]
fn stopped_or_killed_it_leaves_no_data_set_and_goes_on_to_the_same_content() {
    let folder = scratch();
    let whole = finish(&prepare(&folder.path().join("whole"), 12));
    assert_eq!(whole["prepared"], CASES);
    let out = folder.path().join("out");
    for (signal, done) in [(Signal::SIGKILL, 2), (Signal::SIGTERM, 5)] {
        let mut running = prepare(&out, 1).start();
        running.runs_until("some shards", Duration::from_secs(60), |_| {
            shards(&out) >= done
        });
        running.signal(signal);
        running.wait().no_panic();
        assert!(!out.join("manifest.json").exists(), "after {signal}");
    }
    let report = finish(&prepare(&out, 1));
    assert!(report["kept"].as_u64() >= Some(5), "{report}");
    assert_eq!(
        report["kept"].as_u64().unwrap() + report["prepared"].as_u64().unwrap(),
        CASES
    );
    assert_eq!(
        report["digest"], whole["digest"],
        "the content does not depend on the shards"
    );
    fratmae(["dataset", "verify"]).and(&out).run().succeeded();
}

#[test]
fn prepared_again_nothing_is_done_and_other_cases_are_not_mixed_in() {
    let folder = scratch();
    let out = folder.path().join("out");
    let small = |source: &Path| {
        let call = fratmae(["prepare", "--json", "--grid=32x40x48"]);
        call.and(source).and("--out").and(&out)
    };
    let first = finish(&small(&phantoms().source));
    let again = finish(&small(&phantoms().source));
    assert_eq!(again["digest"], first["digest"]);
    assert_eq!(again["kept"], CASES, "{again}");
    let few = folder.path().join("few");
    let phantom = fratmae([
        "phantom",
        "--cases=2",
        "--shape=32x40x48",
        "--spacing=20x16x20",
    ]);
    phantom.and("--out").and(&few).run().succeeded();
    let line = small(&few).and("--quiet").run().only_line();
    assert!(line.contains("another data set"), "{line}");
    fratmae(["dataset", "verify"]).and(&out).run().succeeded();
}
