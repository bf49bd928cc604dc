//! Runs whose gradients travel over NCCL, with the stand-in library in its place: they come to the weights of an
//! undisturbed run over TCP, whatever happens to a worker or its communicator.

use std::path::Path;
use std::sync::LazyLock;

use fratmae_tests::{
    Finished, Job, RunEvent, Signal, Undisturbed, address_of, applied, coordinator, events, logged,
    scratch, send, worker,
};

const STEPS: u64 = 30;

/// The tiny job, with checkpoints so far apart that going back to one would show.
fn job(run: impl AsRef<Path>) -> Job {
    Job::tiny(run)
        .set(&format!("train.steps={STEPS}"))
        .set("checkpoint.every=25")
        .set("workers.threads=1")
        .told_as_json()
}

/// The job over NCCL with two workers; in each process the stand-in does what `faults` says.
fn over_nccl(run: impl AsRef<Path>, faults: &str) -> Job {
    demanding_nccl(run, faults).workers(2)
}

/// The library that replaces NCCL and the driver.
fn standin() -> String {
    let tests = std::env::current_exe().expect("the system names this test's binary");
    let library = tests.with_file_name("libfratmae_nccl_standin.so");
    assert!(library.is_file(), "{} is not built", library.display());
    library.display().to_string()
}

fn demanding_nccl(run: impl AsRef<Path>, faults: &str) -> Job {
    let library = standin();
    job(run)
        .set("collective.backend=nccl")
        .set(&format!("collective.nccl_library={library}"))
        .set(&format!("collective.cuda_library={library}"))
        .with("FRATMAE_STANDIN", faults)
}

/// What the job comes to over TCP.
static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| Undisturbed::of(job));

/// The run went over NCCL, did each step once, and came to the weights and losses of an undisturbed one.
fn assert_undisturbed(job: &Job, finished: &Finished) {
    let said = &finished.stderr;
    assert!(!logged(said, "gradients go over NCCL").is_empty(), "{said}");
    let steps: Vec<u64> = (1..=STEPS).collect();
    assert_eq!(applied(&events(said)), steps, "{said}");
    UNDISTURBED.assert_reached(job, &finished.digest(), said);
}

/// How many members each generation had.
fn sizes(finished: &Finished) -> Vec<usize> {
    let events = events(&finished.stderr);
    let size = |event: &RunEvent| match event {
        RunEvent::Began { members, .. } => Some(members.len()),
        _ => None,
    };
    events.iter().filter_map(size).collect()
}

#[test]
fn a_killed_worker_costs_no_step_and_no_bit() {
    let folder = scratch();
    let job = over_nccl(folder.path().join("run"), "");
    let mut running = job.start();
    running.runs_until_step(10);
    send(running.children()[1], Signal::SIGKILL);
    let finished = running.wait().succeeded();
    assert_eq!(sizes(&finished), [2, 1, 2], "{}", finished.stderr);
    assert_undisturbed(&job, &finished);
}

#[test]
fn a_collective_that_fails_costs_a_generation_and_no_process() {
    let folder = scratch();
    // Two collectives a step: the first of the eleventh.
    let job = over_nccl(folder.path().join("run"), "rank=1,error=collective@21");
    let finished = job.start().wait().succeeded();
    assert_eq!(sizes(&finished), [2, 2], "{}", finished.stderr);
    assert_undisturbed(&job, &finished);
}

#[test]
fn a_worker_whose_communicator_cannot_be_ended_is_replaced() {
    let folder = scratch();
    let faults = "rank=1,error=collective@21,hang=abort";
    let job = over_nccl(folder.path().join("run"), faults);
    let finished = job.start().wait().succeeded();
    let said = &finished.stderr;
    assert!(said.contains("this process must be replaced"), "{said}");
    assert_undisturbed(&job, &finished);
}

#[test]
fn two_workers_share_a_device_where_nccl_is_told_that_they_may() {
    let folder = scratch();
    let job = over_nccl(folder.path().join("run"), "device=7");
    let said = job.start().wait().stderr;
    assert!(said.contains("ranks 0 and 1 share one device"), "{said}");
    let job =
        over_nccl(folder.path().join("shared"), "device=7").with("NCCL_MULTI_RANK_GPU_ENABLE", "1");
    let finished = job.start().wait().succeeded();
    assert_undisturbed(&job, &finished);
}

#[test]
fn one_worker_that_demands_nccl_has_a_communicator_of_its_own() {
    let folder = scratch();
    let job = demanding_nccl(folder.path().join("run"), "").workers(1);
    let finished = job.start().wait().succeeded();
    assert_undisturbed(&job, &finished);
}

#[test]
fn a_worker_loads_the_libraries_that_it_was_started_with_and_none_that_a_coordinator_names() {
    let library = standin();
    let led = |run: &Path| {
        coordinator(run)
            .and("--workers=1")
            .and("--set=collective.backend=nccl")
            .and(format!("--set=collective.nccl_library={library}"))
            .and(format!("--set=collective.cuda_library={library}"))
            .start()
    };
    let folder = scratch();
    let mut first = led(&folder.path().join("first"));
    let own = "/nowhere/libcuda.so.1";
    let stubborn = worker(&address_of(&mut first)).with("FRATMAE_CUDA_LIBRARY", own);
    assert_ne!(stubborn.run().code, Some(0));
    let ended = first.wait();
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains(own), "{}", ended.stderr);

    let mut second = led(&folder.path().join("second"));
    let equipped = worker(&address_of(&mut second))
        .and(format!("--nccl-library={library}"))
        .and(format!("--cuda-library={library}"));
    equipped.run().succeeded();
    second.wait().succeeded();
}

#[test]
fn a_demand_that_cannot_be_met_ends_the_run_with_what_to_do() {
    let folder = scratch();
    let job = over_nccl(folder.path().join("run"), "version=21405");
    let finished = job.start().wait();
    assert_ne!(finished.code, Some(0));
    let said = &finished.stderr;
    assert!(
        said.contains("is version 2.14.5, older than 2.18"),
        "{said}"
    );
    assert!(said.contains("collective.nccl_library"), "{said}");
}
