//! Numbers that go wrong: flipped bits are named and healed before they spread, and batches that are not finite are
//! decided alike on every rank, with the slots and cases to blame.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use fratmae_tests::{
    Job, Running, Seeded, StuckBit, Undisturbed, flip_bit, journal, logged, scratch, variable,
};
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

/// A worker process, and where its numbers lie.
struct Victim {
    process: u32,
    name: String,
    address: u64,
}

impl Victim {
    /// The first worker that says where it computes.
    fn first(stderr: &str, vector: &str) -> Self {
        let places = logged(stderr, "training");
        let place = places.first().expect("workers say where they compute");
        let process = process(place);
        Self {
            process,
            name: name_of(process),
            address: address(place, vector),
        }
    }

    /// Where its numbers lie now.
    fn newest_address(&self, stderr: &str, vector: &str) -> u64 {
        let places = logged(stderr, "training");
        let newest = places.iter().rfind(|place| process(place) == self.process);
        newest.map_or(self.address, |place| address(place, vector))
    }
}

fn process(place: &Value) -> u32 {
    let process = place["process"].as_u64().expect("a process");
    u32::try_from(process).expect("small")
}

fn address(place: &Value, vector: &str) -> u64 {
    let text = place[vector].as_str().expect("an address");
    let digits = text.strip_prefix("0x").expect("in hexadecimal");
    u64::from_str_radix(digits, 16).expect("in hexadecimal")
}

fn started(run: &Path, workers: u32) -> Running {
    let job = job(run).workers(workers);
    let levels = "warn,fratmae=info,run=info,fratmae_worker=debug";
    job.call().with("RUST_LOG", levels).start()
}

fn flipped(run: &Path, workers: u32, vector: &str) -> Flipped {
    let mut running = started(run, workers);
    running.runs_until_step(10);
    let victim = Victim::first(&running.said(), vector);
    flip_bit(victim.process, victim.address + PLACE, BIT);
    let finished = running.wait().succeeded();
    let digest = finished.digest();
    let stderr = finished.stderr;
    Flipped {
        victim: victim.name,
        stderr,
        digest,
    }
}

/// The name that a worker was started under.
fn name_of(process: u32) -> String {
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
    let folder = scratch();
    for number in 0..3 {
        let run = folder.path().join(format!("run-{number}"));
        let Flipped {
            victim,
            stderr,
            digest,
        } = flipped(&run, 3, "parameters");
        assert_eq!(named(&stderr), [victim], "{stderr}");
        assert!(stderr.contains("its parameters"), "{stderr}");
        assert_eq!(digest, UNDISTURBED.digest, "{stderr}");
    }
}

/// Of two that differ nobody can tell which is right, unless it was not just while the parameters changed.
#[test]
fn a_parameters_flipped_bit_in_one_of_two_is_named_or_undone() {
    let folder = scratch();
    let mut n_named = 0;
    for number in 0..3 {
        let run = folder.path().join(format!("run-{number}"));
        let Flipped {
            victim,
            stderr,
            digest,
        } = flipped(&run, 2, "parameters");
        assert_eq!(digest, UNDISTURBED.digest, "{stderr}");
        let found = named(&stderr);
        if !stderr.contains("no majority agrees") {
            assert_eq!(found, [victim], "{stderr}");
            n_named += 1;
        } else {
            assert!(found.is_empty(), "{stderr}");
        }
    }
    assert!(n_named > 0, "an update is a small part of a step");
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

/// How many runs with a stuck bit are tried; a few more by hand.
const STUCK_RUNS: &str = "FRATMAE_TEST_STUCK_RUNS";
const MOST_STUCK_RUNS: u64 = 2;
/// Numbers that learn in this job, at least.
const NUMBERS: u64 = 1_800_000;

#[test]
fn a_worker_with_a_stuck_bit_is_given_up_and_the_others_finish() {
    let asked = variable(STUCK_RUNS).and_then(|runs| runs.parse().ok());
    let folder = scratch();
    for number in 0..asked.unwrap_or(MOST_STUCK_RUNS) {
        let run = folder.path().join(format!("run-{number}"));
        let workers = [3, 5][number as usize % 2];
        let (mut draw, vector) = (Seeded::new(number), "parameters");
        let mut running = started(&run, workers);
        running.runs_until_step(2 + draw.below(16));
        let victim = Victim::first(&running.said(), vector);
        let place = 4 * draw.below(NUMBERS);
        let bit = u32::try_from(draw.below(32)).expect("small");
        let what = format!(
            "run {number}: bit {bit} of number {place} of {}",
            victim.name
        );
        let stuck = StuckBit::hold(victim.process, victim.address + place, bit);
        running.runs_until(&what, Duration::from_secs(100), |running| {
            let said = running.said();
            stuck.move_to(victim.newest_address(&said, vector) + place);
            !logged(&said, "run finished").is_empty()
        });
        let n_set = stuck.n_set();
        drop(stuck);
        let finished = running.wait().succeeded();
        let stderr = &finished.stderr;
        assert_eq!(finished.digest(), UNDISTURBED.digest, "{what}: {stderr}");
        let found = named(stderr);
        assert!(
            found.iter().all(|name| *name == victim.name),
            "{what}: {found:?}: {stderr}"
        );
        // A bit that is right again by itself, or was changed as the run ended, is no lasting fault.
        let is_given_up = found.len() >= 2 && stderr.contains("it differed at step");
        assert!(is_given_up || n_set < 3, "{what}, {n_set}: {stderr}");
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
