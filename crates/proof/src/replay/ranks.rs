//! The ranks of a replay: each computes its slots, as a worker does, and all come to the same state.

use super::Opened;
use crate::error::ProofError;
use fratmae_checkpoint::State;
use fratmae_collective::{CollectiveError, Membership, MeshPort, SlotTree, TcpGroup};
use fratmae_control::deal_slots;
use fratmae_dataset::{Loader, Stack};
use fratmae_model::{DeviceKind, ModelError, Parameter};
use fratmae_trainer::{Engine, Group, Samples, StepReport, Task, TrainState};
use std::borrow::Cow;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::{Range, RangeInclusive};
use std::panic::resume_unwind;
use std::thread::{Builder, ScopedJoinHandle};
use std::time::Duration;

/// How long a rank waits for the others, which share its cores.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One of the ranks.
pub(super) struct Rank<T: Task> {
    engine: Engine<T>,
    state: TrainState,
    group: Group,
    loader: Loader,
}

/// The samples of a rank's slots in a step, slot by slot.
pub(super) type Loaded = Vec<Vec<Stack>>;

impl<T: Task> Rank<T> {
    /// Reads its samples of a step.
    pub(super) fn load(&mut self, step: u64, slot_size: usize) -> Result<Loaded, ProofError> {
        let mut slots = Vec::new();
        for _ in self.group.own_slots() {
            let mut stacks = Vec::with_capacity(slot_size);
            for _ in 0..slot_size {
                let stack = self.loader.next();
                stacks.push(stack.ok_or(ProofError::NoSamples { step })??);
            }
            slots.push(stacks);
        }
        Ok(slots)
    }

    /// Its weights.
    pub(super) fn weights(&self) -> Result<Cow<'_, [f32]>, ModelError> {
        self.state.parameters()
    }

    /// Their layout.
    pub(super) fn parameters(&self) -> &[Parameter] {
        self.engine.parameters()
    }

    fn step(&mut self, loaded: Loaded) -> Result<StepReport, ProofError> {
        let batches = loaded.into_iter().map(T::Batch::from).collect();
        let (state, group) = (&mut self.state, &mut self.group);
        Ok(self.engine.step(state, batches, group, &mut ())?)
    }
}

/// Puts the ranks together, each with the same state and the slots that so many workers are dealt.
pub(super) fn form<T: Task>(
    opened: &Opened<'_>,
    (task, state): (T, State),
    n_ranks: usize,
    loader: impl Fn(Samples) -> Loader,
    steps: &RangeInclusive<u64>,
) -> Result<Vec<Rank<T>>, ProofError> {
    let origin = opened.subject.run_file.origin.as_ref();
    let (step, samples) = origin.map_or((0, 0), |origin| (origin.step, origin.samples_seen));
    let mut tasks = vec![task];
    while tasks.len() < n_ranks {
        tasks.push(opened.task(opened.config)?);
    }
    let groups = groups(opened.config.train.slots, n_ranks)?;
    let rank = |(task, group): (T, Group)| {
        let device = opened.device.clone();
        let engine = Engine::new(task, opened.config, DeviceKind::Cpu, device);
        let engine = engine.after(step, samples);
        let samples = engine.samples(group.own_slots(), steps.clone());
        Rank {
            state: engine.place(TrainState::Host(state.clone())),
            loader: loader(samples),
            engine,
            group,
        }
    };
    Ok(tasks.into_iter().zip(groups).map(rank).collect())
}

/// Applies a step on all ranks at the same time; all report the same.
///
/// # Errors
/// The first rank's that has one.
pub(super) fn step<T: Task + Send>(
    ranks: &mut [Rank<T>],
    loaded: Vec<Loaded>,
) -> Result<StepReport, ProofError> {
    if let [rank] = ranks {
        return rank.step(loaded.into_iter().flatten().collect());
    }
    let steps = ranks.iter_mut().zip(loaded);
    let mut reports = together(steps.map(|(rank, loaded)| move || rank.step(loaded)))?;
    Ok(reports.swap_remove(0))
}

/// Does pieces of work on threads of their own, at the same time.
fn together<R: Send, W: FnOnce() -> Result<R, ProofError> + Send>(
    work: impl Iterator<Item = W>,
) -> Result<Vec<R>, ProofError> {
    std::thread::scope(|scope| {
        let begin = |(number, work)| {
            let thread = Builder::new().name(format!("rank-{number}"));
            thread.spawn_scoped(scope, work).map_err(ProofError::Ranks)
        };
        let threads: Result<Vec<_>, _> = work.enumerate().map(begin).collect();
        let end = |thread: ScopedJoinHandle<'_, Result<R, ProofError>>| match thread.join() {
            Ok(done) => done,
            Err(panic) => resume_unwind(panic),
        };
        let done: Vec<_> = threads?.into_iter().map(end).collect();
        done.into_iter().collect()
    })
}

/// Joins ranks of this process to a group; one by itself needs none.
fn groups(n_slots: usize, n_ranks: usize) -> Result<Vec<Group>, ProofError> {
    if n_ranks <= 1 {
        return Ok(vec![Group::alone(n_slots)]);
    }
    let open = |_| MeshPort::open(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    let ports = (0..n_ranks).map(open).collect::<io::Result<Vec<_>>>();
    let ports = ports.map_err(ProofError::Ranks)?;
    let addresses = ports.iter().map(MeshPort::local_addr);
    let addresses = addresses.collect::<io::Result<Vec<SocketAddr>>>();
    let addresses = addresses.map_err(ProofError::Ranks)?;
    let slots = dealt(n_slots, n_ranks);
    let join = |(rank, port)| {
        let membership = Membership {
            run: "replay".to_owned(),
            generation: 1,
            rank,
            addresses: addresses.clone(),
            slots: slots.clone(),
        };
        move || joined(port, &membership).map_err(ProofError::from)
    };
    let joined = together(ports.iter().enumerate().map(join))?;
    let group = |process| Group {
        process: Box::new(process),
        tree: SlotTree::new(n_slots),
        slots: slots.clone(),
    };
    Ok(joined.into_iter().map(group).collect())
}

fn joined(port: &MeshPort, membership: &Membership) -> Result<TcpGroup, CollectiveError> {
    TcpGroup::connect(port, membership, PATIENCE)
}

/// The slots of each rank.
fn dealt(n_slots: usize, n_ranks: usize) -> Vec<Range<usize>> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let dealt = deal_slots(number(n_slots), number(n_ranks)).into_iter();
    dealt
        .map(|run| run.start.get() as usize..run.end.get() as usize)
        .collect()
}
