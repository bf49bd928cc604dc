//! Tests that what is written is the state at the checkpoint's step, whoever copies it and when.

use super::*;
use fratmae_checkpoint::{Manifest, Role, TensorSpec, plan_parts, restore};
use fratmae_control::{Generation, Step};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Mutex;

const VALUES: usize = 3 << 20;

/// A state of some 36 MiB in eight tensors.
fn state() -> (Vec<TensorSpec>, State) {
    let n = VALUES / 8;
    let tensor = |i: usize| TensorSpec {
        name: format!("t{i}"),
        shape: vec![n],
        offset: i * n,
    };
    let values = |start: f32| (0..VALUES).map(|i| start + i as f32).collect::<Vec<_>>();
    let state = State {
        step: Step::new(4),
        parameters: values(0.5),
        first_moment: values(1.5),
        second_moment: values(2.5),
    };
    ((0..8).map(tensor).collect(), state)
}

struct Bench {
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    tensors: Vec<TensorSpec>,
    state: State,
    reserve: Reserve,
    reader: Reader,
    written: Arc<Mutex<Option<Vec<WrittenPart>>>>,
}

const ID: CheckpointId = CheckpointId {
    step: Step::new(4),
    generation: Generation::new(1),
};

impl Bench {
    fn new() -> Self {
        let (tensors, state) = state();
        Self {
            runtime: tokio::runtime::Runtime::new().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            tensors,
            state,
            reserve: Reserve::new(1 << 30),
            reader: Reader::start().unwrap(),
            written: Arc::default(),
        }
    }

    fn run(&self) -> Location {
        Location::open(self.folder.path().to_str().unwrap()).unwrap()
    }

    fn snapshots(&self, max_stall_ms: u64, memory: u64) -> Snapshots {
        let settings = SnapshotSettings {
            max_stall: Duration::from_millis(max_stall_ms),
            max_slowdown: 1.0,
            memory,
            every: 10,
        };
        let plan = plan_parts(&self.tensors, 2 << 20);
        assert!(plan.len() > 10);
        let (runtime, reserve) = (self.runtime.handle().clone(), self.reserve.clone());
        Snapshots::new(self.run(), runtime, plan, settings, reserve).unwrap()
    }

    fn begin(&self, snapshots: &mut Snapshots) {
        let written = Arc::clone(&self.written);
        let report = move |parts| *written.lock().unwrap() = Some(parts);
        snapshots.begin(ID, &self.state, Box::new(report)).unwrap();
    }

    /// A step as the worker takes it: lent, taken back, secured, changed.
    fn step(&mut self, snapshots: &mut Snapshots) {
        let parameters = Arc::new(std::mem::take(&mut self.state.parameters));
        let lent = Arc::clone(&parameters);
        let view = || Ok(Box::new(View(lent)) as SharedWeights);
        snapshots.lend(&mut self.state, view).unwrap();
        snapshots.take_back(&mut self.state).unwrap();
        self.state.parameters = Arc::into_inner(parameters).expect("nobody else holds it");
        snapshots.secure(&self.state).unwrap();
        self.change();
        snapshots.step_took(0.01);
    }

    fn change(&mut self) {
        self.state.step = self.state.step.next();
        let state = &mut self.state;
        for vector in [
            &mut state.parameters,
            &mut state.first_moment,
            &mut state.second_moment,
        ] {
            vector.iter_mut().for_each(|value| *value = -*value);
        }
    }

    fn restored(&self) -> State {
        let parts = self.written.lock().unwrap().take().expect("a report");
        let manifest = Manifest {
            format_version: fratmae_checkpoint::FORMAT_VERSION,
            step: 4,
            generation: 1,
            fence: 1,
            parts: parts.into_iter().map(|part| part.record).collect(),
            weights_digest: String::new(),
            samples_seen: 0,
            loss: 0.0,
            config_digest: String::new(),
            data_digest: String::new(),
            seed: 0,
        };
        let run = self.run();
        let restored = restore(&run, &manifest, &self.tensors);
        self.runtime.block_on(restored).unwrap()
    }
}

struct View(Arc<Vec<f32>>);

impl AsRef<[f32]> for View {
    fn as_ref(&self) -> &[f32] {
        &self.0
    }
}

#[test]
fn written_is_the_state_at_its_step_although_steps_go_on() {
    for (max_stall_ms, memory) in [(1, 1 << 30), (1000, 1 << 30), (1, 1)] {
        let mut bench = Bench::new();
        let mut snapshots = bench.snapshots(max_stall_ms, memory);
        let expected = bench.state.clone();
        bench.begin(&mut snapshots);
        for _ in 0..3 {
            bench.step(&mut snapshots);
        }
        snapshots.finish(&bench.state).unwrap();
        assert!(!snapshots.is_under_way());
        assert!(bench.restored() == expected, "{max_stall_ms} {memory}");
        assert_eq!(bench.state.step, Step::new(7));
        assert_eq!(bench.state.parameters.len(), VALUES);
    }
}

#[test]
fn a_checkpoint_without_a_step_after_it_is_whole_when_it_is_waited_for() {
    let bench = Bench::new();
    let mut snapshots = bench.snapshots(1, 1 << 30);
    bench.begin(&mut snapshots);
    snapshots.finish(&bench.state).unwrap();
    assert!(bench.restored() == bench.state);
}

#[test]
fn the_next_checkpoint_is_copied_into_the_memory_of_the_one_before() {
    let mut bench = Bench::new();
    let mut snapshots = bench.snapshots(1, 1 << 30);
    for _ in 0..3 {
        bench.begin(&mut snapshots);
        bench.step(&mut snapshots);
        snapshots.finish(&bench.state).unwrap();
        // A part that is on the store while others are copied lends them its memory: then it is less than one copy.
        let kept = bench.reserve.bytes();
        assert!(kept > 0 && kept < 12 * VALUES + (1 << 20), "{kept} bytes");
        std::fs::remove_dir_all(bench.folder.path().join("checkpoints")).unwrap();
    }
}

#[test]
fn a_checkpoint_that_is_given_up_reports_nothing_and_gives_the_state_back() {
    let mut bench = Bench::new();
    let before = bench.state.clone();
    let mut snapshots = bench.snapshots(1, 1 << 30);
    bench.begin(&mut snapshots);
    let parameters = bench.state.parameters.clone();
    let view = || Ok(Box::new(View(Arc::new(parameters))) as SharedWeights);
    snapshots.lend(&mut bench.state, view).unwrap();
    snapshots.take_back(&mut bench.state).unwrap();
    let thread = snapshots.writing.take().unwrap();
    drop(snapshots);
    thread.join().unwrap().unwrap();
    assert!(bench.state == before);
    // It may have been through before it was given up.
    if let Some(parts) = bench.written.lock().unwrap().take() {
        assert!(parts.len() > 10);
    }
}

#[test]
fn a_store_that_fails_is_told_at_the_next_wait() {
    let bench = Bench::new();
    let mut snapshots = bench.snapshots(1, 1 << 30);
    std::fs::write(bench.folder.path().join("checkpoints"), "in the way").unwrap();
    bench.begin(&mut snapshots);
    let error = snapshots.finish(&bench.state).unwrap_err().to_string();
    assert!(error.contains("checkpoints"), "{error}");
    assert!(bench.written.lock().unwrap().is_none());
}

/// Vectors of a device that gives back only so many numbers of them.
struct Fickle(State, usize);

impl Vectors for Fickle {
    fn numbers(&self, role: Role, range: Range<usize>) -> Result<Cow<'_, [f32]>, String> {
        if range.end > self.1 {
            return Err("the device is gone".to_owned());
        }
        self.0.numbers(role, range)
    }
}

fn begin_of_unchanging(bench: &Bench, snapshots: &mut Snapshots, readable: usize) {
    let written = Arc::clone(&bench.written);
    let report = move |parts| *written.lock().unwrap() = Some(parts);
    let vectors = Fickle(bench.state.clone(), readable);
    snapshots
        .begin_of_unchanging(ID, vectors, &bench.reader, Box::new(report))
        .unwrap();
}

#[test]
fn vectors_that_nobody_changes_are_copied_while_any_number_of_steps_goes_on() {
    for memory in [1 << 30, 1] {
        let mut bench = Bench::new();
        let mut snapshots = bench.snapshots(1, memory);
        let expected = bench.state.clone();
        begin_of_unchanging(&bench, &mut snapshots, usize::MAX);
        assert!(snapshots.is_under_way());
        for _ in 0..3 {
            snapshots.begin_step();
            bench.change();
            snapshots.step_took(0.01);
        }
        snapshots.wait().unwrap();
        assert!(!snapshots.is_under_way());
        assert!(bench.restored() == expected, "{memory}");
    }
}

#[test]
fn a_device_that_does_not_give_its_state_back_fails_the_checkpoint_and_is_heard() {
    let bench = Bench::new();
    let mut snapshots = bench.snapshots(1, 1 << 30);
    begin_of_unchanging(&bench, &mut snapshots, VALUES / 2);
    let error = snapshots.wait().unwrap_err().to_string();
    assert!(error.contains("the device is gone"), "{error}");
    assert!(bench.written.lock().unwrap().is_none());
}

#[test]
fn a_checkpoint_that_is_given_up_leaves_the_reader_to_the_next() {
    let bench = Bench::new();
    for _ in 0..3 {
        let mut given_up = bench.snapshots(1, 1);
        begin_of_unchanging(&bench, &mut given_up, usize::MAX);
    }
    let _ = std::fs::remove_dir_all(bench.folder.path().join("checkpoints"));
    let mut snapshots = bench.snapshots(1, 1);
    let id = CheckpointId {
        generation: Generation::new(2),
        ..ID
    };
    let written = Arc::clone(&bench.written);
    let report = move |parts| *written.lock().unwrap() = Some(parts);
    let vectors = Fickle(bench.state.clone(), usize::MAX);
    snapshots
        .begin_of_unchanging(id, vectors, &bench.reader, Box::new(report))
        .unwrap();
    snapshots.wait().unwrap();
    assert!(bench.written.lock().unwrap().is_some());
}
