//! A store behind a sick network, a damaged data set, a lost cache: the run goes on, with the same order and weights.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use fratmae_tests::{
    Call, Fault, Job, SickNetwork, Sickness, SmallDisk, copy_folder, fratmae, lacks_right, losses,
    phantoms, scratch, skip, variable,
};

const URL: &str = "FRATMAE_TEST_S3_URL";
/// Seconds of a stall, to try long ones by hand with the deadlines that a job has by default.
const STALL: &str = "FRATMAE_TEST_STALL_S";
const SICKNESS: Sickness = Sickness {
    seed: 5,
    one_in: 7,
    stall: Duration::from_secs(3),
};

/// The bucket to write to and the store's endpoint, when there is one.
fn store(test: &str) -> Option<(String, String)> {
    let store = variable(URL).zip(variable("AWS_ENDPOINT_URL"));
    if store.is_none() {
        skip(
            test,
            &format!("{URL} is not set; `cargo xtask test` starts a store and sets it"),
        );
    }
    store
}

/// How sick: as the surroundings say, so that long stalls can be tried by hand.
fn sickness() -> Sickness {
    let seconds = variable(STALL).and_then(|seconds| seconds.parse().ok());
    Sickness {
        stall: seconds.map_or(SICKNESS.stall, Duration::from_secs),
        ..SICKNESS
    }
}

fn place(bucket: &str, folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_str().unwrap();
    format!("{bucket}/{name}")
}

fn prepare(out: &str) -> Call {
    let prepare = fratmae(["prepare", "--quiet", "--grid=32x40x48", "--out", out]);
    prepare.and(&phantoms().source)
}

/// A job whose requests go through the sick network; with short stalls goes a short deadline for silence.
fn through(network: &SickNetwork, job: Job) -> Call {
    let is_by_hand = variable(STALL).is_some();
    let job = if is_by_hand {
        job
    } else {
        job.set("store.stall_ms=700")
    };
    job.call()
        .with("AWS_ENDPOINT_URL", &network.endpoint())
        .within(Duration::from_secs(300))
}

#[test]
fn a_run_through_a_sick_network_gives_the_weights_of_a_sound_one() {
    let Some((bucket, endpoint)) = store("a sick network") else {
        return;
    };
    let folder = scratch();
    let place = place(&bucket, folder.path());
    let network = SickNetwork::start(&endpoint, sickness());
    let data = format!("{place}/data");
    // Preparing and the first contact bear with a store for seconds only, so they take what 10 s stalls leave them.
    prepare(&data)
        .with("AWS_ENDPOINT_URL", &network.endpoint())
        .run()
        .succeeded();
    fratmae(["dataset", "verify", &data]).run().succeeded();
    let sound = Job::tiny(folder.path().join("local"));
    let sick = Job::on(&data, &format!("{place}/run")).workers(3);
    let run = sick.run_url().to_owned();
    let digest = sound.finish().digest().to_owned();
    let cache = folder.path().join("cache");
    let sick = sick
        .set("checkpoint.every=1")
        .set(&format!("data.cache_dir={}", cache.display()));
    let finished = through(&network, sick).run().succeeded();
    assert_eq!(finished.json()["weights_digest"], digest);
    assert_eq!(losses(&run), losses(sound.run_url()));
    fratmae(["checkpoint", "verify", "--all", &run])
        .run()
        .succeeded();
    for fault in Fault::ALL {
        let of = format!("{fault:?} among {} requests", network.requests());
        assert!(network.count(fault) > 0, "no {of}");
    }
    assert!(
        finished.stderr.contains("the store is unwell"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_cache_that_is_killed_damaged_or_on_a_full_disk_changes_nothing() {
    let Some((bucket, _)) = store("the cache") else {
        return;
    };
    let folder = scratch();
    let place = place(&bucket, folder.path());
    let data = format!("{place}/data");
    prepare(&data).run().succeeded();
    let digest = Job::tiny(folder.path().join("local")).finish();
    let digest = digest.digest();
    let cache = folder.path().join("cache");
    let with = |run: &str, cache: &Path| {
        Job::on(&data, &folder.path().join(run).display().to_string())
            .set(&format!("data.cache_dir={}", cache.display()))
            .set("checkpoint.every=1")
    };
    let killed = with("killed", &cache);
    let mut running = killed.start();
    running.runs_until("a block", Duration::from_secs(60), |_| {
        !blocks(&cache).is_empty()
    });
    running.kill_all();
    running.wait();
    assert_eq!(killed.finish().digest(), digest);
    for block in blocks(&cache) {
        std::fs::write(block, b"no block").unwrap();
    }
    assert_eq!(with("damaged", &cache).finish().digest(), digest);
    let full = folder.path().join("full-disk");
    std::fs::create_dir(&full).unwrap();
    match SmallDisk::format(&folder.path().join("image"), &full, 512) {
        Err(reason) => lacks_right("the cache on a full disk", &reason),
        Ok(_disk) => {
            let outcome = with("full", &full).workers(1).finish();
            assert_eq!(outcome.digest(), digest);
            let said = &outcome.finished.stderr;
            assert_eq!(said.matches("takes nothing more in").count(), 1, "{said}");
        }
    }
}

/// The files of a cache.
fn blocks(cache: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(cache.join("fratmae-blocks-1"));
    let folders = folders.into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten());
    files.flatten().map(|file| file.path()).collect()
}

#[test]
fn a_store_that_stays_sick_is_told_in_one_line_once_patience_ends() {
    let Some((bucket, endpoint)) = store("a store that stays sick") else {
        return;
    };
    let folder = scratch();
    let data = format!("{}/data", place(&bucket, folder.path()));
    prepare(&data).run().succeeded();
    let job = Job::on(&data, &folder.path().join("run").display().to_string())
        .set("train.steps=2000")
        .set("checkpoint.every=2000")
        .set("store.patience_s=3")
        .workers(1);
    let network = SickNetwork::start(
        &endpoint,
        Sickness {
            one_in: u64::MAX,
            ..SICKNESS
        },
    );
    let mut running = through(&network, job).start();
    running.runs_until("a generation", Duration::from_secs(60), |running| {
        running.said().contains("generation 1")
    });
    drop(network);
    let line = running.wait().error_line();
    assert!(line.contains(&format!("{data}/shards/shard-")), "{line}");
    assert!(line.contains("tries in"), "{line}");
}

/// Flips one byte in the first voxel page that a shard of a copy of the phantoms holds.
fn damaged(folder: &Path) -> String {
    let data = folder.join("damaged");
    copy_folder(&phantoms().data, &data);
    let shard = data.join("shards/shard-00000.parquet");
    let mut bytes = std::fs::read(&shard).unwrap();
    let place = bytes.len() / 7;
    bytes[place] ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    let verified = fratmae(["dataset", "verify", &data.display().to_string()]).run();
    assert_ne!(verified.code, Some(0), "the byte at {place} matters");
    data.display().to_string()
}

/// Stacks that span the body, so that each epoch meets the damage.
fn deep(data: &str, run: &Path) -> Job {
    Job::on(data, &run.display().to_string())
        .set("data.stride=1")
        .set("model.stack=[40, 32, 48]")
}

#[test]
fn a_flipped_byte_ends_the_run_with_its_place() {
    let folder = scratch();
    let data = damaged(folder.path());
    let line = deep(&data, &folder.path().join("run"))
        .call()
        .run()
        .error_line();
    for word in [
        "slice ",
        " of case ",
        "shard-00000.parquet",
        "row group ",
        "byte ",
    ] {
        assert!(line.contains(word), "{word} in {line}");
    }
}

#[test]
fn a_skipped_sample_gives_the_same_weights_for_every_number_of_workers_and_is_written_down() {
    let folder = scratch();
    let data = damaged(folder.path());
    let finished = [1, 2, 3].map(|workers| {
        let run = folder.path().join(format!("run-{workers}"));
        let job = deep(&data, &run)
            .set("data.bad_sample=skip")
            .workers(workers);
        let outcome = job.finish();
        (outcome, skipped(&run))
    });
    let (first, first_skipped) = &finished[0];
    assert!(!first_skipped.is_empty(), "{}", first.finished.stderr);
    for (outcome, skipped) in &finished {
        assert_eq!(outcome.digest(), first.digest());
        assert_eq!(skipped, first_skipped);
        assert!(outcome.finished.stderr.contains("takes its place"));
    }
    let sound = deep(
        &phantoms().data.display().to_string(),
        &folder.path().join("sound"),
    );
    assert_ne!(sound.finish().digest(), first.digest());
}

/// What the journal says of skipped samples, in the order of steps and slots.
fn skipped(run: &Path) -> Vec<String> {
    let records = std::fs::read_dir(run.join("journal")).unwrap();
    let records = records.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let mut skipped: Vec<String> = records
        .filter(|record| record.contains("\"skipped\""))
        .map(|record| {
            let value: serde_json::Value = serde_json::from_str(&record).unwrap();
            let record = &value["record"];
            assert!(record["sample"]["offset"].as_u64().unwrap() > 0);
            format!(
                "{:>4} {:>4} {}",
                record["step"], record["slot"], record["sample"]
            )
        })
        .collect();
    skipped.sort();
    skipped
}

#[test]
fn stacks_along_other_axes_train_alike_for_every_number_of_workers() {
    let folder = scratch();
    for (axis, stack) in [("axial", "[8, 32, 40]"), ("sagittal", "[8, 40, 48]")] {
        let digests = [1, 3].map(|workers| {
            let job = Job::tiny(folder.path().join(format!("{axis}-{workers}")))
                .set(&format!("data.axis={axis}"))
                .set(&format!("model.stack={stack}"))
                .set("train.steps=2")
                .workers(workers);
            job.finish().digest().to_owned()
        });
        assert_eq!(digests[0], digests[1], "{axis}");
    }
    let line = Job::tiny(folder.path().join("wrong"))
        .set("data.axis=axial")
        .call()
        .run()
        .error_line();
    assert!(line.contains("axial slices of data.grid"), "{line}");
}

#[test]
fn a_cache_in_memory_is_refused() {
    let folder = scratch();
    let line = Job::tiny(folder.path().join("run"))
        .set("data.cache_dir=/dev/shm/fratmae-test")
        .call()
        .run()
        .error_line();
    assert!(line.contains("shared memory"), "{line}");
}
