//! A state that is kept where the model computes trains, dies, heals and is restored as one in the host's memory: to the
//! bit, since here the device is the CPU.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use fratmae_tests::{
    Job, RunEvent, Signal, Undisturbed, applied, committed_steps, events, scratch, send,
};

const STEPS: u64 = 40;

fn job(run: impl AsRef<Path>) -> Job {
    Job::tiny(run)
        .set(&format!("train.steps={STEPS}"))
        .set("checkpoint.every=9")
        // Several parts on each rank, so that one follows the other while training goes on.
        .set("checkpoint.part_mib=1")
        .set("workers.threads=1")
        .told_as_json()
}

fn on_device(run: impl AsRef<Path>) -> Job {
    job(run).set("workers.state=device")
}

/// Of a state in the host's memory.
static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| Undisturbed::of(job));

#[test]
fn its_weights_are_those_of_a_state_in_the_hosts_memory_for_every_number_of_workers() {
    for workers in [1, 2, 3] {
        let folder = scratch();
        let job = on_device(folder.path().join("run")).workers(workers);
        let digest = job.finish().digest().to_owned();
        UNDISTURBED.assert_reached(&job, &digest, &format!("{workers} workers"));
    }
}

#[test]
fn a_killed_worker_has_it_copied_from_the_others_devices() {
    let folder = scratch();
    let job = on_device(folder.path().join("run")).workers(3);
    let mut running = job.start();
    running.runs_until_step(10);
    send(running.children()[1], Signal::SIGKILL);
    let finished = running.wait().succeeded();
    let events = events(&finished.stderr);
    let once: Vec<u64> = (1..=STEPS).collect();
    assert_eq!(applied(&events), once, "{}", finished.stderr);
    let members = events.iter().filter_map(|event| match event {
        RunEvent::Began { members, .. } => Some(members.len()),
        _ => None,
    });
    assert_eq!(members.collect::<Vec<_>>(), [3, 2, 3]);
    UNDISTURBED.assert_reached(&job, &finished.digest(), "one killed");
}

#[test]
fn it_is_restored_from_what_a_state_in_the_hosts_memory_left_and_the_other_way_round() {
    for (first, then) in [("device", "host"), ("host", "device")] {
        let folder = scratch();
        let run = folder.path().join("run");
        let job = |place: &str| job(&run).set(&format!("workers.state={place}"));
        let mut running = job(first).start();
        running.runs_until("a checkpoint", Duration::from_secs(60), |_| {
            committed_steps(&run).last() >= Some(&18)
        });
        running.kill_all();
        running.wait();
        let then = job(then);
        let digest = then.finish().digest().to_owned();
        UNDISTURBED.assert_reached(&then, &digest, first);
    }
}
