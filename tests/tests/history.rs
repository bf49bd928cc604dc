//! The history of a run lives as long as its weights: it has every step, although all who applied it are gone.

use std::time::Duration;

use fratmae_tests::{
    Call, RunEvent, Running, Signal, applied, events, fratmae, phantoms, scratch, status,
};

const STEPS: u64 = 150;
const PATIENCE: Duration = Duration::from_secs(120);
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");

/// Leads a run whose only checkpoint is its last, so that nothing of it is on the store before.
fn leader(run: &str) -> Call {
    let data = phantoms().data.display().to_string();
    let call = fratmae(["coordinator", "--json", "--log", "json", "--workers", "2"]);
    call.and("--config")
        .and(CONFIG)
        .and("--data")
        .and(data)
        .and("--run")
        .and(run)
        .and("--set")
        .and(format!("train.steps={STEPS}"))
        .and("--set")
        .and(format!("checkpoint.every={STEPS}"))
        .within(Duration::from_secs(300))
}

fn worker(address: &str, name: &str) -> Running {
    let call = fratmae(["worker", "--threads", "1", "--coordinator", address]);
    call.and("--name")
        .and(name)
        .within(Duration::from_secs(300))
        .start()
}

fn address_of(coordinator: &mut Running) -> String {
    let serving = |event: &RunEvent| match event {
        RunEvent::Serving { address } => Some(address.clone()),
        _ => None,
    };
    coordinator.runs_until("an address", PATIENCE, |running| {
        events(&running.said())
            .iter()
            .any(|event| serving(event).is_some())
    });
    events(&coordinator.said())
        .iter()
        .find_map(serving)
        .expect("it was there a moment ago")
}

/// Whether a group with this member has applied a step.
fn has_trained_with(running: &Running, name: &str) -> bool {
    let events = events(&running.said());
    let is_start = |event: &RunEvent| match event {
        RunEvent::Began { members, .. } => members.iter().any(|member| member == name),
        _ => false,
    };
    let start = events.iter().position(is_start);
    start.is_some_and(|start| !applied(&events[start..]).is_empty())
}

#[test]
fn a_worker_that_copied_the_state_tells_of_steps_that_only_dead_workers_and_a_dead_coordinator_knew()
 {
    let folder = scratch();
    let run = folder.path().join("run").display().to_string();
    let mut first = leader(&run).start();
    let address = address_of(&mut first);
    let (a, b) = (worker(&address, "a"), worker(&address, "b"));
    first.runs_until_step(5);
    a.signal(Signal::SIGKILL);
    let c = worker(&address, "c");
    first.runs_until("a step with c", PATIENCE, |running| {
        has_trained_with(running, "c")
    });
    first.kill_all();
    b.signal(Signal::SIGKILL);
    let second = leader(&run).start();
    let finished = second.wait().succeeded();
    c.wait().succeeded();
    let events = events(&finished.stderr);
    let began = events.iter().find_map(|event| match event {
        RunEvent::Began { step, members, .. } => Some((*step, members.clone())),
        _ => None,
    });
    let (step, members) = began.expect("the second coordinator has a group");
    assert!(step >= 5 && members == ["c"], "{step} {members:?}");
    let status = status(&run);
    let steps = status["history"].as_array().unwrap().iter();
    let steps: Vec<u64> = steps.map(|row| row["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=STEPS).collect::<Vec<_>>());
    assert_eq!(status["history_missing"], serde_json::json!([]));
}
