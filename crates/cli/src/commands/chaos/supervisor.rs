//! The disturbed run: its processes, restarted as a supervisor would, and what they log. `injection.rs` injects the
//! faults.

mod starting;

use std::{
    collections::BTreeMap,
    process::ExitStatus,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use fratmae_coordinator::RunEvent;
use serde_json::Value;

use super::{
    fault::{Party, Strike},
    log_event::{LogEvent, log_event},
    means::Means,
    process::{Line, Process},
    run_dir::RunDir,
    stillness::Stillness,
    stuck_bit::StuckBit,
    timeline::{TimelineEvent, What},
};
use crate::exit::Exit;
use crate::progress::{Progress, Report};
use crate::signals;

/// How long a supervisor takes to start a process again.
const RESTART: Duration = Duration::from_millis(300);
/// How often the supervisor checks on everything when no line comes.
const LOOK: Duration = Duration::from_millis(5);
/// Lines that may wait.
pub(super) const LINES: usize = 4096;
/// Lets workers say where they keep their parameters.
const LEVELS: &str = "RUST_LOG=warn,fratmae=info,run=info,fratmae_worker=debug";
/// How long a run may take to begin.
const BEGINNING: Duration = Duration::from_secs(180);

/// How the processes are started.
pub(crate) struct Calls {
    /// This program.
    pub(crate) program: String,
    /// The options that give the job, for `coordinator`.
    pub(crate) job: Vec<String>,
    /// Workers in the group.
    pub(crate) workers: usize,
    /// Worker processes: the group and those that stand by.
    pub(crate) places: usize,
    /// Steps of the job.
    pub(crate) steps: u64,
}

/// A disturbed run that goes on.
pub(crate) struct Supervisor<'a> {
    pub(super) calls: &'a Calls,
    pub(super) folder: &'a RunDir,
    pub(super) means: &'a Means,
    progress: &'a mut Progress,
    pub(super) coordinator: Seat,
    /// Coordinators that were replaced.
    pub(super) olds: Vec<Process>,
    pub(super) workers: Vec<Seat>,
    pub(super) timeline: Vec<TimelineEvent>,
    /// Since the first step.
    began: Option<Instant>,
    /// The newest step.
    newest: u64,
    pub(super) address: String,
    /// Where each worker process keeps its parameters.
    pub(super) places: BTreeMap<u32, u64>,
    pub(super) stuck_bits: Vec<StuckBit>,
    /// Who talks out of turn, by the number of the fault.
    pub(super) liars: BTreeMap<usize, Process>,
    /// Whether coordinators are started with a wrong clock.
    pub(super) is_clock_wrong: bool,
    is_end_told: bool,
    lines: Receiver<Line>,
    sender: SyncSender<Line>,
    started: usize,
    /// The last word of each process that has said one, by its number.
    errors: BTreeMap<usize, String>,
    summary: Option<Value>,
}

/// Where a process is, or will be again.
pub(crate) struct Seat {
    pub(super) process: Option<Process>,
    due: Instant,
}

impl<'a> Supervisor<'a> {
    /// A supervisor under which nothing runs yet.
    pub(crate) fn new(
        calls: &'a Calls,
        folder: &'a RunDir,
        means: &'a Means,
        progress: &'a mut Progress,
    ) -> Self {
        let (sender, lines) = sync_channel(LINES);
        Self {
            calls,
            folder,
            means,
            progress,
            coordinator: Seat::free(),
            olds: Vec::new(),
            workers: (0..calls.places).map(|_| Seat::free()).collect(),
            timeline: Vec::new(),
            began: None,
            newest: 0,
            address: String::new(),
            places: BTreeMap::new(),
            stuck_bits: Vec::new(),
            liars: BTreeMap::new(),
            is_clock_wrong: false,
            is_end_told: false,
            lines,
            sender,
            started: 0,
            errors: BTreeMap::new(),
            summary: None,
        }
    }

    /// Runs the job to its end and disturbs it as planned; gives its summary and everything that happened.
    ///
    /// # Errors
    /// When the run does not begin, or applies no step for `healing` after the last fault: how long all steps take is
    /// the machine's affair.
    pub(crate) fn run(
        mut self,
        plan: &[Strike],
        healing: Duration,
    ) -> Result<(Value, Vec<TimelineEvent>)> {
        let ended = self.disturb(plan, healing);
        // No process ends that waits for a store which hangs.
        self.means.thaw()?;
        let summary = ended?;
        Ok((summary, self.timeline))
    }

    fn disturb(&mut self, plan: &[Strike], healing: Duration) -> Result<Value> {
        let started = Instant::now();
        let end = plan.iter().map(|strike| strike.at + strike.lasts).max();
        let end = end.unwrap_or_default();
        let mut pending = plan.iter().enumerate().peekable();
        let mut lasting: Vec<usize> = Vec::new();
        let (mut stillness, mut looked) = (Stillness::default(), Instant::now());
        while self.summary.is_none() {
            self.tend()?;
            let Some(now) = self.elapsed() else {
                if started.elapsed() > BEGINNING {
                    bail!("the run did not begin within {} s", BEGINNING.as_secs());
                }
                continue;
            };
            while let Some((number, strike)) = pending.next_if(|(_, strike)| strike.at <= now) {
                self.strike(number, strike);
                lasting.push(number);
            }
            let over = |number: &mut usize| plan[*number].at + plan[*number].lasts <= now;
            for number in lasting.extract_if(.., over) {
                self.lift(number, &plan[number]);
            }
            if now > end {
                self.tell_end(now);
            }
            let gap = std::mem::replace(&mut looked, Instant::now()).elapsed();
            if stillness.look(gap, self.newest, now <= end) > healing {
                bail!(
                    "no step after {} was applied for {} s, although nothing is broken any more; the logs are in {}",
                    self.newest,
                    healing.as_secs(),
                    self.folder.place("logs").display()
                );
            }
        }
        for number in lasting {
            self.lift(number, &plan[number]);
        }
        self.await_olds();
        self.summary.take().context("the run has no summary")
    }

    /// Time since the first step; none before.
    pub(super) fn elapsed(&self) -> Option<Duration> {
        self.began.map(|began| began.elapsed())
    }

    /// Says once how long the rest will take: how much there is to do was fixed before anybody knew how fast this machine is.
    fn tell_end(&mut self, now: Duration) {
        if std::mem::replace(&mut self.is_end_told, true) || self.newest == 0 {
            return;
        }
        let (newest, steps) = (self.newest, self.calls.steps);
        let pace = newest as f64 / now.as_secs_f64();
        let rest = steps.saturating_sub(newest) as f64 / pace;
        self.tell(&format!(
            "faults are over at step {newest} of {steps}; with {pace:.1} steps/s the rest takes {rest:.0} s, and the \
             undisturbed run follows"
        ));
    }

    pub(super) fn note(&mut self, what: What) {
        let at = self.elapsed().unwrap_or_default();
        self.keep(TimelineEvent { at, what });
    }

    /// Keeps a moment for the scorecard, and what the run does by itself in the log.
    fn keep(&mut self, event: TimelineEvent) {
        if let Some(line) = event.what.line() {
            self.folder.log_at(event.at, &line);
        }
        self.timeline.push(event);
    }

    /// Shows what is done to the run, and writes it into the log folder.
    pub(super) fn tell(&mut self, what: &str) {
        let line = self.folder.log_at(self.elapsed().unwrap_or_default(), what);
        self.progress.note(&line);
    }

    /// Reads what was said, and starts what has ended.
    fn tend(&mut self) -> Result<()> {
        ensure!(!signals::is_asked(), "stopped");
        let first = self.lines.recv_timeout(LOOK).ok();
        let ended = self.ended();
        let rest: Vec<Line> = self.lines.try_iter().collect();
        for line in first.into_iter().chain(rest) {
            self.hear(line);
        }
        for (party, number, is_well) in ended {
            self.has_ended(party, number, is_well);
        }
        self.start_missing()
    }

    /// Takes the processes out that have ended.
    fn ended(&mut self) -> Vec<(Option<Party>, usize, bool)> {
        let mut ended = Vec::new();
        let places = (0..).map(Party::Worker);
        let workers = places.zip(&mut self.workers);
        for (party, seat) in workers.chain([(Party::Coordinator, &mut self.coordinator)]) {
            let Some(process) = &mut seat.process else {
                continue;
            };
            if let Some(status) = process.ended() {
                ended.push((Some(party), process.number, is_well(status)));
                seat.process = None;
                seat.due = Instant::now() + RESTART;
            }
        }
        self.olds.retain_mut(|old| {
            let status = old.ended();
            ended.extend(status.map(|status| (None, old.number, is_well(status))));
            status.is_none()
        });
        ended
    }

    fn has_ended(&mut self, party: Option<Party>, number: usize, is_well: bool) {
        let reason = self.errors.remove(&number);
        let reason = reason.unwrap_or_else(|| match is_well {
            true => "exited normally".to_owned(),
            false => "was killed".to_owned(),
        });
        self.note(match party {
            Some(party) => What::Ended { party, reason },
            None => What::OldEnded { reason },
        });
    }

    fn hear(&mut self, line: Line) {
        if line.is_result {
            let is_leader = self.coordinator.process.as_ref();
            let is_leader = is_leader.is_none_or(|leader| leader.number == line.from);
            let result = serde_json::from_str::<Value>(&line.text).ok();
            let summary = result.filter(|value| value["weights_digest"].is_string());
            if is_leader && summary.is_some() {
                self.summary = summary;
            }
            return;
        }
        let Some(event) = log_event(&line.text) else {
            return;
        };
        if let LogEvent::Event(RunEvent::Applied { .. }) = event {
            self.began.get_or_insert(line.at);
        }
        let began = self.began.unwrap_or(line.at);
        let at = line.at.saturating_duration_since(began);
        let what = match event {
            LogEvent::Event(RunEvent::Serving { address }) => {
                self.address = address;
                What::Serving
            }
            LogEvent::Error(reason) => {
                self.errors.insert(line.from, reason);
                return;
            }
            LogEvent::Event(RunEvent::Began { step, members, .. }) => What::Began {
                step,
                members: members.len(),
            },
            LogEvent::Event(RunEvent::Applied { step, .. }) => What::Applied { step },
            LogEvent::Event(RunEvent::Verdict { verdict }) => What::Verdict { line: verdict.line },
            LogEvent::Event(_) => return,
            LogEvent::Panic(line) => What::Panic { line },
            LogEvent::Computes {
                process,
                parameters,
            } => {
                self.computes(process, parameters);
                return;
            }
        };
        if let What::Applied { step } = what {
            self.newest = self.newest.max(step);
            self.progress.show(&Report::Items {
                done: step,
                total: self.calls.steps,
                name: "steps, disturbed".to_owned(),
            });
        }
        self.keep(TimelineEvent { at, what });
    }

    /// A process keeps its parameters elsewhere now, and the bit that is stuck in them is there.
    fn computes(&mut self, process: u32, parameters: u64) {
        self.places.insert(process, parameters);
        let stuck = self.stuck_bits.iter().filter(|bit| bit.process == process);
        stuck.for_each(|bit| bit.move_to(parameters));
    }

    /// Replaced coordinators must notice it and end.
    fn await_olds(&mut self) {
        /// A coordinator looks at its fence every five seconds, and gives its workers ten to leave.
        const PATIENCE: Duration = Duration::from_secs(20);
        let asked = Instant::now();
        while !self.olds.is_empty() && asked.elapsed() < PATIENCE {
            let first = self.lines.recv_timeout(LOOK).ok();
            first.into_iter().for_each(|line| self.hear(line));
            let ended = self.ended();
            for (party, number, is_well) in ended {
                self.has_ended(party, number, is_well);
            }
        }
        for _ in 0..self.olds.len() {
            self.note(What::OldStayed);
        }
    }
}

impl Seat {
    fn free() -> Self {
        Self {
            process: None,
            due: Instant::now(),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.process.is_none() && self.due <= now
    }
}

/// Whether a process ended by itself: the run is finished, or goes on without it.
fn is_well(status: ExitStatus) -> bool {
    let stopped = i32::from(Exit::Stopped.code());
    status.success() || status.code() == Some(stopped)
}
