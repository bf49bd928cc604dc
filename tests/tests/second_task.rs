//! A task that the program does not know trains through the same coordinator and workers, with the same promise: the bits
//! do not depend on how many workers there are, nor on one that is killed.

use std::path::Path;

use fratmae_tests::{
    Call, Running, Signal, address_of, applied, coordinator, losses, program_call, scratch, send,
    told,
};

/// Long enough to be disturbed: a step takes a millisecond or two.
const STEPS: u64 = 600;

fn leader(run: &Path, workers: usize) -> Call {
    [
        format!("train.steps={STEPS}"),
        "train.lr=0.01".to_owned(),
        "checkpoint.every=250".to_owned(),
        format!("workers.count={workers}"),
    ]
    .into_iter()
    .fold(coordinator(run), |call, set| call.and("--set").and(set))
}

fn worker(address: &str, name: usize) -> Running {
    let call = program_call(
        env!("CARGO_BIN_EXE_dice-worker"),
        [address, &name.to_string()],
    );
    call.start()
}

/// Trains with so many workers, one of which is killed on the way if asked, and gives the weights' digest and the losses.
fn trained(folder: &Path, workers: usize, is_killed: bool) -> (String, Vec<(u64, String)>) {
    let run = folder.join(format!("run-{workers}-{is_killed}"));
    let mut coordinator = leader(&run, workers).start();
    let address = address_of(&mut coordinator);
    let mut all: Vec<_> = (0..workers).map(|name| worker(&address, name)).collect();
    if is_killed {
        coordinator.runs_until_step(20);
        send(all[1].id(), Signal::SIGKILL);
        all.push(worker(&address, workers));
    }
    let finished = coordinator.wait().succeeded();
    let steps = applied(&told(&finished.stderr));
    assert_eq!(steps, (1..=STEPS).collect::<Vec<_>>(), "each step once");
    (finished.digest(), losses(&run.display().to_string()))
}

#[test]
fn a_second_task_trains_to_the_same_weights_with_any_number_of_workers_and_through_a_kill() {
    let folder = scratch();
    let one = trained(folder.path(), 1, false);
    let loss = |at: usize| one.1[at].1.parse::<f64>().expect("a loss");
    let (first, last) = (loss(0), loss(STEPS as usize - 1));
    assert!(last < 0.9 * first, "it learns: {first} to {last}");
    for (workers, is_killed) in [(2, false), (3, false), (5, false), (3, true)] {
        let other = trained(folder.path(), workers, is_killed);
        assert!(other == one, "{workers} workers, killed: {is_killed}");
    }
}
