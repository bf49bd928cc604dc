//! Tests that what is written is the state at the checkpoint's step, whoever copies it and when.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Mutex;

use super::*;
use crate::tests::manifest;
use crate::{Manifest, Role, TensorSpec, plan_parts, restore};

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
            written: Arc::default(),
        }
    }

    fn run(&self) -> Location {
        Location::open(self.folder.path().to_str().unwrap()).unwrap()
    }

    fn writer(&self, max_stall_ms: u64, copier: &Copier) -> BackgroundWriter {
        let settings = WriterSettings {
            max_stall: Duration::from_millis(max_stall_ms),
            max_slowdown: 1.0,
            every: 10,
        };
        let (run, runtime) = (self.run(), self.runtime.handle().clone());
        let (parts, progress) = (plan_parts(&self.tensors, 2 << 20), Arc::new(|| ()));
        assert!(parts.len() > 10);
        BackgroundWriter::new(run, runtime, parts, settings, copier.clone(), progress).unwrap()
    }

    /// A writer with more than enough memory that copies while steps compute.
    fn usual(&self) -> BackgroundWriter {
        self.writer(1, &Copier::start(1 << 30).unwrap())
    }

    fn on_written(&self) -> OnWritten {
        let written = Arc::clone(&self.written);
        Box::new(move |parts| *written.lock().unwrap() = Some(parts))
    }

    fn begin(&self, writer: &mut BackgroundWriter) {
        writer.begin(ID, &self.state, self.on_written()).unwrap();
    }

    fn begin_immutable(&self, id: CheckpointId, writer: &mut BackgroundWriter, readable: usize) {
        let vectors = Fickle(self.state.clone(), readable);
        let begun = writer.begin_immutable(id, vectors, self.on_written());
        begun.unwrap();
    }

    /// What a step does around its computation.
    fn copy(&mut self, writer: &mut BackgroundWriter) {
        let parameters = Arc::new(std::mem::take(&mut self.state.parameters));
        let shared = Arc::clone(&parameters);
        let view = || Ok::<_, CheckpointError>(Box::new(View(shared)) as SharedWeights);
        writer.start_copy(&mut self.state, view).unwrap();
        writer.stop_copy(&mut self.state).unwrap();
        self.state.parameters = Arc::into_inner(parameters).expect("nobody else holds it");
    }

    fn step(&mut self, writer: &mut BackgroundWriter) {
        self.copy(writer);
        writer.finish_copy(&self.state);
        self.change();
        writer.step_took(0.01);
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
            parts: parts.into_iter().map(|part| part.record).collect(),
            ..manifest(4, 1)
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

/// Vectors of a device that gives back only so many of their numbers.
struct Fickle(State, usize);

impl Vectors for Fickle {
    fn numbers(&self, role: Role, range: Range<usize>) -> Result<Cow<'_, [f32]>, String> {
        if range.end > self.1 {
            return Err("the device is gone".to_owned());
        }
        self.0.numbers(role, range)
    }
}

#[test]
fn the_state_at_its_step_is_written_although_steps_go_on() {
    for (max_stall_ms, memory) in [(1, 1 << 30), (1000, 1 << 30), (1, 1)] {
        let mut bench = Bench::new();
        let mut writer = bench.writer(max_stall_ms, &Copier::start(memory).unwrap());
        let expected = bench.state.clone();
        bench.begin(&mut writer);
        for _ in 0..3 {
            bench.step(&mut writer);
        }
        writer.finish(&bench.state).unwrap();
        assert!(!writer.is_busy());
        assert!(bench.restored() == expected, "{max_stall_ms} {memory}");
        assert_eq!(bench.state.step, Step::new(7));
        assert_eq!(bench.state.parameters.len(), VALUES);
    }
}

#[test]
fn a_checkpoint_without_a_step_after_it_is_complete_when_it_is_waited_for() {
    let bench = Bench::new();
    let mut writer = bench.usual();
    bench.begin(&mut writer);
    writer.finish(&bench.state).unwrap();
    assert!(bench.restored() == bench.state);
}

#[test]
fn the_next_checkpoint_is_copied_to_the_memory_of_the_one_before() {
    let mut bench = Bench::new();
    let copier = Copier::start(1 << 30).unwrap();
    let mut writer = bench.writer(1, &copier);
    for _ in 0..3 {
        bench.begin(&mut writer);
        bench.step(&mut writer);
        writer.finish(&bench.state).unwrap();
        // A part that is uploaded while others are copied gives them its memory: then it is less than one copy.
        let kept = copier.pool.bytes();
        assert!(kept > 0 && kept < 12 * VALUES + (1 << 20), "{kept} bytes");
        std::fs::remove_dir_all(bench.folder.path().join("checkpoints")).unwrap();
    }
}

#[test]
fn a_cancelled_checkpoint_reports_nothing_and_gives_the_state_back() {
    let mut bench = Bench::new();
    let before = bench.state.clone();
    let mut writer = bench.usual();
    bench.begin(&mut writer);
    bench.copy(&mut writer);
    let thread = writer.writing.take().unwrap();
    drop(writer);
    thread.join().unwrap().unwrap();
    assert!(bench.state == before);
    // It may have been complete before it was cancelled.
    if let Some(parts) = bench.written.lock().unwrap().take() {
        assert!(parts.len() > 10);
    }
}

#[test]
fn a_failing_store_is_reported_at_the_next_wait() {
    let bench = Bench::new();
    let mut writer = bench.usual();
    std::fs::write(bench.folder.path().join("checkpoints"), "in the way").unwrap();
    bench.begin(&mut writer);
    let error = writer.finish(&bench.state).unwrap_err().to_string();
    assert!(error.contains("checkpoints"), "{error}");
    assert!(bench.written.lock().unwrap().is_none());
}

#[test]
fn vectors_that_never_change_are_copied_during_any_number_of_steps() {
    for memory in [1 << 30, 1] {
        let mut bench = Bench::new();
        let mut writer = bench.writer(1, &Copier::start(memory).unwrap());
        let expected = bench.state.clone();
        bench.begin_immutable(ID, &mut writer, usize::MAX);
        assert!(writer.is_busy());
        for _ in 0..3 {
            writer.begin_step();
            bench.change();
            writer.step_took(0.01);
        }
        writer.wait().unwrap();
        assert!(!writer.is_busy());
        assert!(bench.restored() == expected, "{memory}");
    }
}

#[test]
fn a_device_that_does_not_give_its_state_back_fails_the_checkpoint() {
    let bench = Bench::new();
    let mut writer = bench.usual();
    bench.begin_immutable(ID, &mut writer, VALUES / 2);
    let error = writer.wait().unwrap_err().to_string();
    assert!(error.contains("the device is gone"), "{error}");
    assert!(bench.written.lock().unwrap().is_none());
}

#[test]
fn the_copier_of_a_cancelled_checkpoint_copies_the_next_one() {
    let bench = Bench::new();
    let copier = Copier::start(1).unwrap();
    for _ in 0..3 {
        bench.begin_immutable(ID, &mut bench.writer(1, &copier), usize::MAX);
    }
    let _ = std::fs::remove_dir_all(bench.folder.path().join("checkpoints"));
    let mut writer = bench.writer(1, &copier);
    let id = CheckpointId {
        generation: Generation::new(2),
        ..ID
    };
    bench.begin_immutable(id, &mut writer, usize::MAX);
    writer.wait().unwrap();
    assert!(bench.written.lock().unwrap().is_some());
}
