//! Numbers that go wrong: flipped bits are named and healed before they spread, and batches that are not finite are
//! decided alike on every rank, with the slots and cases to blame.

use std::path::Path;
use std::sync::LazyLock;

use fratmae_tests::{Job, Undisturbed, flip_bit, journal, logged, scratch, stick_bit};
use serde_json::Value;

const STEPS: u64 = 30;
/// A number somewhere among those that learn, and the bit that doubles its exponent's highest place.
const PLACE: u64 = 4 * 20_000;
const BIT: u32 = 29;

fn job(run: impl AsRef<Path>) -> Job {
    Job::tiny(run)
        .set(&format!("train.steps={STEPS}"))
        .set("checkpoint.every=8")
        .set("workers.threads=1")
        .told_as_json()
}

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| Undisturbed::of(job));

/// What came of a run in which a bit of one worker's memory was flipped.
struct Flipped {
    victim: String,
    stderr: String,
    digest: String,
}

fn flipped(run: &Path, workers: u32, vector: &str) -> Flipped {
    let job = job(run).workers(workers);
    let call = job.call().with(
        "RUST_LOG",
        "warn,fratmae=info,run=info,fratmae_worker=debug",
    );
    let mut running = call.start();
    running.runs_until_step(10);
    let places = logged(&running.said(), "training");
    let place = places.first().expect("workers say where they compute");
    let address = place[vector]
        .as_str()
        .and_then(|text| text.strip_prefix("0x"));
    let address = u64::from_str_radix(address.expect("an address"), 16).expect("in hexadecimal");
    let process = place["process"].as_u64().expect("a process");
    let victim = name_of(process);
    flip_bit(u32::try_from(process).expect("small"), address + PLACE, BIT);
    let finished = running.wait().succeeded();
    let digest = finished.digest();
    let stderr = finished.stderr;
    Flipped {
        victim,
        stderr,
        digest,
    }
}

/// The name that a worker was started under.
fn name_of(process: u64) -> String {
    let line = std::fs::read_to_string(format!("/proc/{process}/cmdline"));
    let line = line.expect("the process is there");
    let mut words = line.split('\0').skip_while(|word| *word != "--name");
    words.nth(1).unwrap_or_default().to_owned()
}

/// The names of those whose state was not the others', as verdicts have them.
fn named(stderr: &str) -> Vec<String> {
    let verdicts = logged(stderr, "worker in trouble");
    let name = |verdict: &Value| verdict["worker"].as_str().map(ToOwned::to_owned);
    verdicts.iter().filter_map(name).collect()
}

#[test]
fn a_parameters_flipped_bit_is_named_and_healed_from_the_peers_and_leaves_no_trace() {
    for workers in [2, 3] {
        let Flipped { victim, stderr, .. } = flipped_beside_updates(workers);
        assert_eq!(named(&stderr), [victim], "{stderr}");
        assert!(stderr.contains("its parameters"), "{stderr}");
    }
}

/// A run in which the bit was not flipped just while the parameters changed, when nobody can tell whose are right; the
/// weights are those of an undisturbed run in any case.
fn flipped_beside_updates(workers: u32) -> Flipped {
    let run = || {
        let folder = scratch();
        let flipped = flipped(&folder.path().join("run"), workers, "parameters");
        assert_eq!(flipped.digest, UNDISTURBED.digest, "{}", flipped.stderr);
        flipped
    };
    let is_told_apart = |flipped: &Flipped| !flipped.stderr.contains("no majority agrees");
    let mut runs = std::iter::repeat_with(run).take(5);
    runs.find(is_told_apart)
        .expect("an update is a small part of a step")
}

#[test]
fn a_moments_flipped_bit_is_found_by_the_majority_as_soon_as_it_moves_a_parameter() {
    let folder = scratch();
    let Flipped {
        victim,
        stderr,
        digest,
    } = flipped(&folder.path().join("run"), 3, "moment");
    assert_eq!(named(&stderr), [victim], "{stderr}");
    assert!(
        stderr.contains("are not those of the 2 ranks that agree"),
        "{stderr}"
    );
    assert_eq!(digest, UNDISTURBED.digest, "{stderr}");
}

#[test]
fn two_ranks_that_differ_say_so_and_go_back_to_the_newest_checkpoint() {
    let folder = scratch();
    let Flipped { stderr, digest, .. } = flipped(&folder.path().join("run"), 2, "moment");
    assert!(stderr.contains("no majority agrees"), "{stderr}");
    assert_eq!(digest, UNDISTURBED.digest, "{stderr}");
}

/// Sticks a bit of the parameters of the first worker that computes, wherever it places them, for as long as its process
/// is there; gives the worker's name.
fn stuck(running: &mut fratmae_tests::Running) -> String {
    let trains = |running: &fratmae_tests::Running| logged(&running.said(), "training");
    let process = trains(running)[0]["process"].as_u64().expect("a process");
    let victim = name_of(process);
    let process = u32::try_from(process).expect("small");
    loop {
        let places = trains(running);
        let its = places.iter().rev().find(|it| it["process"] == process);
        let address = its.and_then(|it| it["parameters"].as_str()?.strip_prefix("0x"));
        let address = u64::from_str_radix(address.expect("an address"), 16);
        let address = address.expect("in hexadecimal") + PLACE;
        // Often enough for every pass, and so that the log is read again.
        for _ in 0..20 {
            if !stick_bit(process, address, BIT) {
                return victim;
            }
            running.runs_for(std::time::Duration::from_millis(1));
        }
        if !running.is_running() {
            return victim;
        }
    }
}

#[test]
fn a_bit_that_is_stuck_in_one_of_several_workers_costs_that_worker_and_nothing_else() {
    for workers in [3, 5] {
        let folder = scratch();
        let job = job(folder.path().join("run")).workers(workers);
        let call = job.call().with(
            "RUST_LOG",
            "warn,fratmae=info,run=info,fratmae_worker=debug",
        );
        let mut running = call.start();
        running.runs_until_step(5);
        let victim = stuck(&mut running);
        let finished = running.wait().succeeded();
        let named = named(&finished.stderr);
        assert!(
            named.len() >= 2 && named.iter().all(|name| *name == victim),
            "{named:?} {victim}: {}",
            finished.stderr
        );
        assert!(
            finished.stderr.contains("it differed at step"),
            "{}",
            finished.stderr
        );
        assert_eq!(finished.digest(), UNDISTURBED.digest, "{}", finished.stderr);
    }
}

/// A job whose weights soon grow beyond every bound.
fn exploding(run: &Path, workers: u32) -> Job {
    [
        "lr=10",
        "weight_decay=1",
        "warmup=0",
        "clip_norm=1e9",
        "steps=200",
    ]
    .iter()
    .fold(Job::tiny(run).workers(workers), |job, set| {
        job.set(&format!("train.{set}"))
    })
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_names_slot_and_cases() {
    let folder = scratch();
    let ended = exploding(&folder.path().join("run"), 2).start().wait();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains("is not finite at step") && last.contains("(slot "),
        "{last}"
    );
    assert!(last.contains("phantom"), "{last}");
}

#[test]
fn bad_batches_that_are_passed_over_are_the_same_for_every_number_of_workers() {
    let folder = scratch();
    let bad_batches = |workers: u32| -> Vec<(u64, Value)> {
        let run = folder.path().join(format!("run-{workers}"));
        let ended = exploding(&run, workers)
            .set("train.bad_batch=skip")
            .start()
            .wait();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("the weights have diverged"),
            "{}",
            ended.stderr
        );
        let records = journal(&run).into_iter();
        let bad = records.filter(|record| record["kind"] == "bad_batch");
        bad.map(|record| {
            (
                record["step"].as_u64().unwrap_or(0),
                record["batch"].clone(),
            )
        })
        .collect()
    };
    let alone = bad_batches(1);
    // Which batch is the first bad one hangs on the CPU's kernels; the tenth in a row ends the run.
    let last = alone.iter().rev().map(|(step, _)| *step).take(9);
    let last: Vec<u64> = last.collect();
    assert_eq!(last.len(), 9, "{alone:?}");
    assert!(last.windows(2).all(|two| two[0] == two[1] + 1), "{alone:?}");
    assert_eq!(bad_batches(3), alone);
}
