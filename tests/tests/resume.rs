//! A run that was stopped or killed at any moment goes on, when it is run again, to the weights it would have had.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use fratmae_tests::{
    Job, Running, Seeded, Signal, Undisturbed, committed_steps, is_alive, scratch, send, status,
    wait_until,
};

const STEPS: u64 = 24;
const PATIENCE: Duration = Duration::from_secs(60);

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| Undisturbed::of(Job::long));

fn run_until_committed(running: &mut Running, run: &Path, step: u64) {
    let what = format!("checkpoint {step}");
    running.runs_until(&what, PATIENCE, |_| {
        committed_steps(run).last() >= Some(&step)
    });
}

/// Finishes the job; it must come to the weights and the losses of an undisturbed run.
fn finish_as_undisturbed(job: &Job, what: &str) {
    let outcome = job.finish();
    assert_eq!(outcome.figures["step"], STEPS, "{what}");
    UNDISTURBED.assert_reached(job, outcome.digest(), what);
}

#[test]
fn stopped_half_way_it_says_where_and_goes_on() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::long(&run);
    let mut running = job.start();
    run_until_committed(&mut running, &run, STEPS / 2);
    running.signal(Signal::SIGTERM);
    let stopped = running.wait();
    stopped.no_panic();
    let status = status(job.run_url());
    assert_eq!(
        status["state"], "interrupted",
        "{status}\n{}",
        stopped.stderr
    );
    let step = status["committed_step"].as_u64().unwrap();
    assert!((STEPS / 2..STEPS).contains(&step), "{status}");
    finish_as_undisturbed(&job, "after SIGTERM");
}

#[test]
fn an_interrupt_at_the_terminal_reaches_every_process_and_is_the_same_stop() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::long(&run).workers(3);
    let mut running = job.start();
    run_until_committed(&mut running, &run, 4);
    running.signal(Signal::SIGINT);
    for child in running.children() {
        send(child, Signal::SIGINT);
    }
    running.wait().no_panic();
    assert_eq!(status(job.run_url())["state"], "interrupted");
    finish_as_undisturbed(&job, "after SIGINT");
}

#[test]
fn all_processes_killed_again_and_again_it_still_comes_to_the_same_weights() {
    for seed in [1, 2] {
        let mut random = Seeded::new(seed);
        let folder = scratch();
        let run = folder.path().join("run");
        let job = Job::long(&run).workers(1 + seed as u32);
        let mut moments = Vec::new();
        for _ in 0..3 {
            let newest = committed_steps(&run).last().copied().unwrap_or(0);
            let more = [0, 1, 4][random.below(3) as usize];
            let wanted = (newest + more).min(STEPS - 8);
            let delay = Duration::from_millis(random.below(700));
            moments.push((wanted, delay));
            let mut running = job.start();
            if wanted > 0 {
                run_until_committed(&mut running, &run, wanted);
            }
            running.runs_for(delay);
            running.kill_all();
            running.wait();
        }
        finish_as_undisturbed(&job, &format!("seed {seed}, killed {moments:?}"));
    }
}

#[test]
fn workers_end_by_themselves_when_no_coordinator_comes() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::long(&run).set("workers.coordinator_patience_s=1");
    let mut running = job.start();
    run_until_committed(&mut running, &run, 4);
    let workers = running.children();
    assert_eq!(workers.len(), 2);
    running.signal(Signal::SIGKILL);
    wait_until(
        "workers without a coordinator to end",
        Duration::from_secs(15),
        || workers.iter().all(|worker| !is_alive(*worker)),
    );
    let ended = running.wait();
    assert_eq!(ended.code, None);
    ended.no_panic();
    let errors: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(
        errors.len(),
        workers.len(),
        "one line a worker:\n{}",
        ended.stderr
    );
    assert!(
        errors.iter().all(|line| line.contains("coordinator")),
        "{}",
        ended.stderr
    );
    assert_ne!(status(job.run_url())["state"], "finished");
    finish_as_undisturbed(&job, "after the coordinator was killed");
}

#[test]
fn the_run_goes_on_when_one_worker_of_three_is_killed() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::long(&run).workers(3);
    let mut running = job.start();
    run_until_committed(&mut running, &run, 8);
    let workers = running.children();
    assert_eq!(workers.len(), 3);
    send(workers[1], Signal::SIGKILL);
    let finished = running.wait().succeeded();
    UNDISTURBED.assert_reached(&job, &finished.digest(), &finished.stderr);
    assert!(status(job.run_url())["generation"].as_u64() >= Some(2));
}

#[test]
fn a_worker_that_hangs_is_given_up_and_the_run_goes_on() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::long(&run).set("coordinator.worker_timeout_s=2");
    let mut running = job.start();
    run_until_committed(&mut running, &run, 4);
    send(running.children()[0], Signal::SIGSTOP);
    let finished = running.wait().succeeded();
    UNDISTURBED.assert_reached(&job, &finished.digest(), &finished.stderr);
    assert!(
        finished.stderr.contains("worker_timeout_s"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_second_coordinator_takes_the_run_over_and_the_first_one_stops() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::long(&run);
    let mut first = job.start();
    run_until_committed(&mut first, &run, 4);
    let second = Job::long(&run).take_over();
    finish_as_undisturbed(&second, "after another coordinator had it");
    let first = first.wait();
    first.no_panic();
    assert_eq!(first.code, Some(75), "{}", first.stderr);
    let reason = first
        .stderr
        .lines()
        .rfind(|line| line.starts_with("error: "));
    assert!(
        reason.is_some_and(|line| line.contains("fence 2) has taken over this run")),
        "{}",
        first.stderr
    );
    let again = job.finish();
    assert_eq!(again.digest(), UNDISTURBED.digest);
    assert_eq!(status(job.run_url())["fence"], 2);
}

#[test]
fn a_checkpoint_that_is_damaged_while_the_run_is_up_gives_way_to_the_one_before() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::long(&run);
    let mut running = job.start();
    run_until_committed(&mut running, &run, 8);
    let workers = running.children();
    workers
        .iter()
        .for_each(|worker| send(*worker, Signal::SIGSTOP));
    let newest = *committed_steps(&run).last().unwrap();
    damage_part(&run, newest);
    workers
        .iter()
        .for_each(|worker| send(*worker, Signal::SIGKILL));
    let finished = running.wait().succeeded();
    let line = format!("checkpoint of step {newest} is passed over");
    assert!(finished.stderr.contains(&line), "{}", finished.stderr);
    UNDISTURBED.assert_reached(&job, &finished.digest(), &finished.stderr);
}

/// Flips a bit in the first part of a step's checkpoint.
fn damage_part(run: &Path, step: u64) {
    let step = format!("step-{step:012}");
    let folders = std::fs::read_dir(run.join("checkpoints")).expect("there are checkpoints");
    let mut folders = folders.flatten().map(|folder| folder.path());
    let folder = folders.find(|path| path.display().to_string().contains(&step));
    let part = folder
        .expect("the step has one")
        .join("part-00000.safetensors");
    let mut bytes = std::fs::read(&part).expect("it is whole");
    *bytes.last_mut().expect("it has values") ^= 1;
    std::fs::write(part, bytes).expect("it is ours");
}
