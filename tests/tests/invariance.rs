//! The weights and the loss of every step have the same bits for every number of workers, and a finished run is left
//! as it is.

use fratmae_tests::{Job, losses, scratch, snapshot};

const WORKERS: [u32; 6] = [1, 2, 3, 4, 5, 8];

#[test]
fn weights_and_every_loss_are_the_same_for_every_number_of_workers() {
    let folder = scratch();
    let trained = WORKERS.map(|workers| {
        let job = Job::tiny(folder.path().join(format!("run-{workers}"))).workers(workers);
        let outcome = job.finish();
        assert_eq!(outcome.figures["step"], 6, "{workers} workers");
        assert_eq!(outcome.figures["samples_seen"], 96, "{workers} workers");
        (outcome, losses(job.run_url()))
    });
    let (first, first_losses) = &trained[0];
    let steps: Vec<u64> = first_losses.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
    for ((outcome, losses), workers) in trained.iter().zip(WORKERS) {
        assert_eq!(losses, first_losses, "{workers} workers");
        assert_eq!(outcome.digest(), first.digest(), "{workers} workers");
        assert_eq!(
            outcome.figures["loss"], first.figures["loss"],
            "{workers} workers"
        );
    }
}

#[test]
fn another_seed_gives_other_weights() {
    let folder = scratch();
    let digest = |seed: u32| {
        let job = Job::tiny(folder.path().join(format!("run-{seed}")));
        let job = job.set("train.steps=1").set(&format!("run.seed={seed}"));
        job.finish().digest().to_owned()
    };
    assert_ne!(digest(1), digest(2));
}

#[test]
fn a_finished_run_prints_the_same_line_again_and_changes_no_file() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run).set("train.steps=2");
    let first = job.finish();
    let files = snapshot(&run);
    assert!(files.contains_key("config.json"), "{files:?}");
    let again = job.workers(3).finish();
    assert_eq!(again.line, first.line);
    assert_eq!(snapshot(&run), files);
}

#[test]
fn the_shape_of_the_parts_and_the_frequency_of_checkpoints_do_not_matter() {
    let folder = scratch();
    let digest = |name: &str, sets: &[&str]| {
        let job = Job::tiny(folder.path().join(name)).set("train.steps=4");
        let job = sets.iter().fold(job, |job, set| job.set(set));
        job.finish().digest().to_owned()
    };
    let plain = digest("plain", &[]);
    let other = [
        "checkpoint.every=1",
        "checkpoint.part_mib=64",
        "workers.threads=3",
        "data.prefetch_mib=1",
    ];
    assert_eq!(digest("other", &other), plain);
}
