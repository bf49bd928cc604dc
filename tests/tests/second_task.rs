//! A task that the program does not know trains through the same coordinator and workers, with the same promise: the bits
//! do not depend on how many workers there are, nor on one that is killed.

use std::path::Path;

use fratmae_config::{BadBatch, Config, StatePlace};
use fratmae_dataset::{SampleOrder, Stack};
use fratmae_model::DeviceKind;
use fratmae_telemetry::LOSS;
use fratmae_tests::{
    Call, Dice, Running, Signal, address_of, applied, coordinator, events, losses, program_call,
    scratch, send, status,
};
use fratmae_trainer::{Opening, Solo, StepReport, Task as _, TrainError};

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
    let steps = applied(&events(&finished.stderr));
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
    let history = status(&folder.path().join("run-1-false").display().to_string());
    let row = &history["history"][0];
    assert!(row["overlap"].is_number(), "its own metric is there: {row}");
    assert!(
        row["reconstruction"].is_null(),
        "and no other task's: {row}"
    );
    for (workers, is_killed) in [(2, false), (3, false), (5, false), (3, true)] {
        let other = trained(folder.path(), workers, is_killed);
        assert!(other == one, "{workers} workers, killed: {is_killed}");
    }
}

/// Four slots of two samples.
fn config() -> Config {
    let mut config = Config::default();
    (config.train.batch, config.train.slots) = (8, 4);
    (config.train.steps, config.train.lr) = (30, 0.02);
    config
}

fn alone(config: &Config) -> Solo<Dice> {
    let device = fratmae_model::open(DeviceKind::Cpu).expect("a CPU");
    let opening = Opening {
        config,
        n_cases: 8,
        kind: DeviceKind::Cpu,
        device: &device,
    };
    let task = Dice::open(&opening).expect("a task");
    let weights = task.first_weights().expect("first weights");
    Solo::new(task, weights, config, device)
}

/// A global batch of waves, slot by slot; every second one is a lesion.
fn batch() -> Vec<Vec<Stack>> {
    let wave = |from: u64| (0..512).map(move |i| 0.5 + 0.5 * ((from * 97 + i) as f32 * 0.1).sin());
    let stack = |sample: fratmae_dataset::Sample| Stack {
        sample,
        case_id: String::new(),
        sentence: String::new(),
        pet: wave(sample.position).collect(),
        ct: Vec::new(),
        label: Some(vec![u8::from(sample.position.is_multiple_of(2)); 512]),
        skipped: Vec::new(),
    };
    let stacks: Vec<_> = SampleOrder { seed: 0, cases: 8 }
        .samples(0)
        .take(8)
        .map(stack)
        .collect();
    stacks.chunks(2).map(<[Stack]>::to_vec).collect()
}

fn step(training: &mut Solo<Dice>, batch: Vec<Vec<Stack>>) -> Result<StepReport, TrainError> {
    training.step(batch, &mut ())
}

fn bits(training: &Solo<Dice>) -> Vec<u32> {
    let weights = training.weights().expect("weights");
    weights.iter().map(|weight| weight.to_bits()).collect()
}

#[test]
fn a_state_on_the_device_comes_to_the_same_bits_as_one_in_the_hosts_memory() {
    let trained = |place| {
        let mut config = config();
        config.workers.state = place;
        let mut training = alone(&config);
        let losses = [(); 30].map(|()| {
            let step = step(&mut training, batch()).expect("a step");
            step.metrics.get(LOSS)
        });
        assert!(losses[29] < losses[0], "{losses:?}");
        (losses.map(f64::to_bits), bits(&training))
    };
    assert!(trained(StatePlace::Host) == trained(StatePlace::Device));
}

#[test]
fn what_the_global_part_adds_moves_its_parameter_and_the_bounds_hold_it() {
    let mut training = alone(&config());
    let sharpness = |training: &Solo<Dice>| training.weights().expect("weights")[257];
    let mut seen = Vec::new();
    for _ in 0..30 {
        step(&mut training, batch()).expect("a step");
        seen.push(sharpness(&training));
    }
    assert!(seen.iter().all(|x| (0.9..=1.1).contains(x)), "{seen:?}");
    assert!(seen.contains(&0.9) || seen.contains(&1.1), "{seen:?}");
}

#[test]
fn a_bad_batch_names_its_slot_and_moves_no_weight_or_ends_the_run() {
    let bad = || {
        let mut batch = batch();
        batch[2][1].pet[7] = f32::NAN;
        batch
    };
    let mut config = config();
    config.train.bad_batch = BadBatch::Skip;
    let mut training = alone(&config);
    let before = bits(&training);
    let report = step(&mut training, bad()).expect("a step that is passed over");
    let slots = report.bad.expect("a bad batch").slots;
    assert_eq!(slots.len(), 1);
    assert_eq!((slots[0].slot, slots[0].cases.len()), (2, 2));
    assert!(bits(&training) == before);
    step(&mut training, batch()).expect("the next one");
    assert!(bits(&training) != before);
    config.train.bad_batch = BadBatch::Fail;
    let error = step(&mut alone(&config), bad())
        .expect_err("a bad batch")
        .to_string();
    assert!(
        error.contains("loss is not finite at step 1 (slot 2 with"),
        "{error}"
    );
}
