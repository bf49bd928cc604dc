//! Workers and coordinators are killed, and the run goes on from what the others hold in memory: no step is done twice,
//! and the weights are those of an undisturbed run.

use std::sync::LazyLock;
use std::time::Duration;

use fratmae_tests::{
    Call, Job, RunEvent, Seeded, Signal, Undisturbed, address_of, applied, coordinator, events,
    fratmae, scratch, send, status,
};

const STEPS: u64 = 60;

/// Long enough to be disturbed, with checkpoints so far apart that going back to one would show.
fn job(run: impl AsRef<std::path::Path>) -> Job {
    Job::tiny(run)
        .set(&format!("train.steps={STEPS}"))
        .set("checkpoint.every=25")
        .set("workers.threads=1")
        .told_as_json()
}

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| Undisturbed::of(job));

/// Each generation's first step and members.
fn generations(events: &[RunEvent]) -> Vec<(u64, usize)> {
    let begun = |event: &RunEvent| match event {
        RunEvent::Began { step, members, .. } => Some((*step, members.len())),
        _ => None,
    };
    events.iter().filter_map(begun).collect()
}

/// Leads the job's run, for workers from elsewhere.
fn leader(run: &str) -> Call {
    let call = coordinator(std::path::Path::new(run)).and("--set");
    let call = call.and(format!("train.steps={STEPS}")).and("--set");
    call.and("checkpoint.every=25")
}

/// How many journal records and manifests of a run were written under a fence.
fn written_under(run: &str, fence: u64) -> usize {
    let run = std::path::Path::new(run);
    let files = |folder: &str| std::fs::read_dir(run.join(folder)).into_iter().flatten();
    let checkpoints = files("checkpoints").flatten();
    let manifests = checkpoints.map(|folder| folder.path().join("manifest.json"));
    let records = files("journal").flatten().map(|file| file.path());
    let texts = records.chain(manifests).flat_map(std::fs::read);
    let values = texts.flat_map(|text| serde_json::from_slice::<serde_json::Value>(&text));
    values.filter(|value| value["fence"] == fence).count()
}

#[test]
fn a_killed_worker_costs_no_step_and_is_started_again() {
    let folder = scratch();
    let job = job(folder.path().join("run")).workers(3);
    let mut running = job.start();
    running.runs_until_step(10);
    send(running.children()[1], Signal::SIGKILL);
    let finished = running.wait().succeeded();
    let events = events(&finished.stderr);
    let steps: Vec<u64> = (1..=STEPS).collect();
    assert_eq!(
        applied(&events),
        steps,
        "each step once:\n{}",
        finished.stderr
    );
    let generations = generations(&events);
    let [(0, 3), (lost_at, 2), (back_at, 3)] = generations[..] else {
        panic!(
            "three workers, two, three: {generations:?}\n{}",
            finished.stderr
        );
    };
    assert!(
        lost_at >= 10 && back_at > lost_at,
        "from memory, not from a checkpoint: {generations:?}"
    );
    UNDISTURBED.assert_reached(&job, &finished.digest(), "one killed");
}

#[test]
fn workers_killed_while_the_others_recover_cost_no_more_than_time() {
    let mut random = Seeded::new(7);
    let folder = scratch();
    let job = job(folder.path().join("run")).workers(4);
    let mut running = job.start();
    let mut moments = Vec::new();
    for round in 1..=3 {
        running.runs_until_step(12 * round);
        // The second falls while the others regroup, or while the first one's successor copies the state.
        let delay = Duration::from_millis(random.below(900));
        for pause in [Duration::ZERO, delay] {
            running.runs_for(pause);
            let children = running.children();
            // None are left where the run has come to its end meanwhile.
            if !children.is_empty() {
                let victim = children[random.below(children.len() as u64) as usize];
                send(victim, Signal::SIGKILL);
            }
        }
        moments.push(delay);
    }
    let finished = running.wait().succeeded();
    let events = events(&finished.stderr);
    assert_eq!(
        applied(&events),
        (1..=STEPS).collect::<Vec<_>>(),
        "{moments:?}"
    );
    let what = format!("killed again after {moments:?}");
    UNDISTURBED.assert_reached(&job, &finished.digest(), &what);
}

#[test]
fn a_standby_takes_over_from_a_killed_worker() {
    let folder = scratch();
    let job = job(folder.path().join("run"));
    let mut coordinator = leader(job.run_url()).start();
    let address = address_of(&mut coordinator);
    let worker = |name| {
        let call = fratmae(["worker", "--threads", "1", "--coordinator", &address]);
        call.and("--name").and(name).start()
    };
    let workers = ["one", "two", "three"].map(worker);
    coordinator.runs_until_step(10);
    let begun = events(&coordinator.said());
    let members = begun.iter().find_map(|event| match event {
        RunEvent::Began { members, .. } => Some(members.clone()),
        _ => None,
    });
    let members = members.expect("a generation began");
    let names = ["one", "two", "three"];
    let victim = names.iter().position(|name| *name == members[0]);
    send(workers[victim.expect("one of ours")].id(), Signal::SIGKILL);
    let finished = coordinator.wait().succeeded();
    let events = events(&finished.stderr);
    assert_eq!(applied(&events), (1..=STEPS).collect::<Vec<_>>());
    let worlds: Vec<usize> = generations(&events)
        .iter()
        .map(|(_, world)| *world)
        .collect();
    assert_eq!(worlds, [2, 2], "{}", finished.stderr);
    UNDISTURBED.assert_reached(&job, &finished.digest(), "a standby");
}

#[test]
fn workers_train_on_while_their_coordinator_is_replaced() {
    let folder = scratch();
    let job = job(folder.path().join("run")).workers(3);
    let mut first = job.start();
    first.runs_until_step(5);
    let workers = first.children();
    first.signal(Signal::SIGKILL);
    let second = job.start().wait().succeeded();
    let events = events(&second.stderr);
    assert_eq!(
        generations(&events),
        [],
        "the group goes on:\n{}",
        second.stderr
    );
    assert_eq!(status(job.run_url())["generation"], 1);
    assert_eq!(workers.len(), 3);
    UNDISTURBED.assert_reached(&job, &second.digest(), "a second coordinator");
}

#[test]
fn a_coordinator_that_was_stopped_and_replaced_writes_nothing_more() {
    let folder = scratch();
    let job = job(folder.path().join("run"));
    let run = job.run_url();
    let mut first = leader(run).start();
    let address = address_of(&mut first);
    let _workers = ["one", "two"].map(|name| {
        let call = fratmae(["worker", "--threads", "1", "--coordinator", &address]);
        call.and("--name").and(name).start()
    });
    first.runs_until_step(10);
    first.signal(Signal::SIGSTOP);
    let mut second = leader(run).and("--take-over").start();
    address_of(&mut second);
    let before = written_under(run, 1);
    assert!(before >= 2, "a fence and a generation");
    // The shares of the checkpoint at step 25 wait for it, and whatever else was said meanwhile.
    second.runs_for(Duration::from_secs(3));
    first.signal(Signal::SIGCONT);
    let line = first.wait().error_line();
    assert!(
        line.contains("fence 2) has taken over this run; exiting"),
        "{line}"
    );
    assert_eq!(written_under(run, 1), before);
    let second = second.wait().succeeded();
    UNDISTURBED.assert_reached(&job, &second.digest(), "a stopped coordinator");
}

#[test]
fn a_coordinator_that_was_away_takes_no_closed_stream_for_a_death() {
    let folder = scratch();
    let job = job(folder.path().join("run")).workers(2);
    let mut running = job.start();
    running.runs_until_step(5);
    running.signal(Signal::SIGSTOP);
    // Workers close their streams after 15 s of silence and look for it.
    running.runs_for(Duration::from_secs(20));
    running.signal(Signal::SIGCONT);
    let finished = running.wait().succeeded();
    let all = events(&finished.stderr);
    assert_eq!(generations(&all), [(0, 2)], "{}", finished.stderr);
    let verdict = |event: &RunEvent| matches!(event, RunEvent::Verdict { .. });
    assert!(!all.iter().any(verdict), "{}", finished.stderr);
    UNDISTURBED.assert_reached(&job, &finished.digest(), "a coordinator that was away");
}
