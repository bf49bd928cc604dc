//! What a disturbed run comes to, worked out from its plan and from what happened: a pure function.

use std::{collections::BTreeMap, time::Duration};

use clap::ValueEnum as _;
use serde::Serialize;

use super::{
    fault::{Kind, Party, Strike, worker_name},
    timeline::{TimelineEvent, What},
};

/// For so long after its end a fault can be the reason of a verdict.
const AFTERMATH: Duration = Duration::from_secs(20);

/// The figures of a disturbed run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Scorecard {
    /// Each kind of fault that was tried.
    pub(crate) faults: Vec<Row>,
    /// Steps that were applied and then done again, because nobody had their state any more.
    pub(crate) steps_lost: u64,
    /// Verdicts that a fault explains.
    pub(crate) verdicts_right: usize,
    /// The others, in the coordinator's words.
    pub(crate) verdicts_wrong: Vec<String>,
    /// Last words of coordinators, and how often each was said.
    pub(crate) coordinators_ended: BTreeMap<String, u64>,
    /// Last words of workers.
    pub(crate) workers_ended: BTreeMap<String, u64>,
    /// Coordinators that did not end although another one had taken over.
    pub(crate) olds_stayed: usize,
    /// Where processes panicked.
    pub(crate) panics: Vec<String>,
}

/// The faults of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// Which.
    pub(crate) kind: Kind,
    /// How many were done.
    pub(crate) done: usize,
    /// How many could not be done at their moment.
    pub(crate) missed: usize,
    /// How many were found out.
    pub(crate) detected: usize,
    /// From the fault to the verdict; of coordinators, to the next one, or to the end of one that was replaced.
    pub(crate) detection_ms: Option<Spread>,
    /// From the fault to the next step applied after what was done about it.
    pub(crate) recovery_ms: Option<Spread>,
}

/// Two marks of some times, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Spread {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
}

impl Scorecard {
    /// Works it out.
    pub(crate) fn of(plan: &[Strike], timeline: &[TimelineEvent]) -> Self {
        let mut timeline = timeline.to_vec();
        // A line is noted when it was written, and read a little later.
        timeline.sort_by_key(|event| event.at);
        let judged = Judged {
            plan,
            timeline: &timeline,
        };
        let (right, wrong) = judged.verdicts();
        let (coordinators_ended, workers_ended) = judged.endings();
        Self {
            faults: judged.rows(),
            steps_lost: judged.steps_lost(),
            verdicts_right: right,
            verdicts_wrong: wrong,
            coordinators_ended,
            workers_ended,
            olds_stayed: judged
                .timeline
                .iter()
                .filter(|event| event.what == What::OldStayed)
                .count(),
            panics: judged.panics(),
        }
    }

    /// Kinds of which not one fault was done.
    pub(crate) fn never_done(&self) -> Vec<String> {
        let is_done = |kind: &Kind| {
            let mut rows = self.faults.iter();
            rows.any(|row| row.kind == *kind && row.done > 0)
        };
        let kinds = Kind::value_variants().iter().copied();
        let never = kinds.filter(|kind| !is_done(kind));
        never.map(Kind::name).collect()
    }
}

impl Spread {
    /// The nearest marks of some times; none of none.
    pub(crate) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort();
        let mark = |share: usize| {
            let place = (times.len() * share).div_ceil(100).saturating_sub(1);
            times.get(place).map(|time| time.as_millis() as u64)
        };
        let (p50, p99) = (mark(50)?, mark(99)?);
        Some(Self { p50, p99 })
    }
}

struct Judged<'a> {
    plan: &'a [Strike],
    timeline: &'a [TimelineEvent],
}

impl Judged<'_> {
    fn rows(&self) -> Vec<Row> {
        let mut kinds: Vec<Kind> = self.plan.iter().map(|strike| strike.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.into_iter().map(|kind| self.row(kind)).collect()
    }

    fn row(&self, kind: Kind) -> Row {
        let is_ours = |number: usize| {
            self.plan
                .get(number)
                .is_some_and(|strike| strike.kind == kind)
        };
        let (mut done, mut missed) = (0, 0);
        let (mut detections, mut recoveries) = (Vec::new(), Vec::new());
        for event in self.timeline {
            match event.what {
                What::Missed(number, _) if is_ours(number) => missed += 1,
                What::Struck(number) if is_ours(number) => {
                    done += 1;
                    let detected = self.detected(number, event.at);
                    let recovered = self.recovered(event.at, detected);
                    detections.extend(detected.map(|at| at - event.at));
                    recoveries.extend(recovered.map(|at| at - event.at));
                }
                _ => {}
            }
        }
        Row {
            kind,
            done,
            missed,
            detected: detections.len(),
            detection_ms: Spread::of(detections),
            // Nobody reads a checkpoint while the group lives.
            recovery_ms: Spread::of(recoveries).filter(|_| !kind.befalls_files()),
        }
    }

    fn first(&self, from: Duration, is_it: impl Fn(&What) -> bool) -> Option<Duration> {
        let later = self.timeline.iter().filter(|event| event.at >= from);
        later
            .map(|event| (event.at, &event.what))
            .find(|(_, what)| is_it(what))
            .map(|(at, _)| at)
    }

    /// When the fault of a number was found out.
    fn detected(&self, number: usize, struck: Duration) -> Option<Duration> {
        let strike = self.plan.get(number)?;
        let until = self.lifted(number).unwrap_or(struck) + AFTERMATH;
        let found = match strike.kind {
            Kind::KillCoordinator => self.first(struck, |what| *what == What::Serving),
            Kind::RivalCoordinator => {
                self.first(struck, |what| matches!(what, What::OldEnded { .. }))
            }
            _ => self.first(struck, |what| match what {
                What::Verdict { line } => strike
                    .victims()
                    .iter()
                    .any(|victim| is_named(line, *victim)),
                _ => false,
            }),
        };
        found.filter(|at| *at <= until)
    }

    /// When the first step was applied by those who went on after a fault.
    fn recovered(&self, struck: Duration, detected: Option<Duration>) -> Option<Duration> {
        let begun =
            detected.and_then(|at| self.first(at, |what| matches!(what, What::Began { .. })));
        // What was on its way already was applied before the fault.
        let from = begun.unwrap_or(struck + Duration::from_millis(1));
        self.first(from, |what| matches!(what, What::Applied { .. }))
    }

    fn lifted(&self, number: usize) -> Option<Duration> {
        let lifted = What::Lifted(number);
        self.first(Duration::ZERO, |what| *what == lifted)
    }

    /// Steps that a group which began behind what had been applied came to again.
    fn steps_lost(&self) -> u64 {
        let (mut newest, mut lost, mut is_behind) = (0_u64, 0, false);
        for event in self.timeline {
            match event.what {
                What::Began { step, .. } => is_behind = step < newest,
                What::Applied { step } if step <= newest => lost += u64::from(is_behind),
                What::Applied { step } => (newest, is_behind) = (step, false),
                _ => {}
            }
        }
        lost
    }

    fn verdicts(&self) -> (usize, Vec<String>) {
        let mut right = 0;
        let mut wrong = Vec::new();
        for event in self.timeline {
            if let What::Verdict { line } = &event.what {
                match self.is_explained(line, event.at) {
                    true => right += 1,
                    false => wrong.push(format!("{:.1} s: {line}", event.at.as_secs_f64())),
                }
            }
        }
        (right, wrong)
    }

    /// Whether a fault around that time hit the one that a verdict names.
    fn is_explained(&self, line: &str, at: Duration) -> bool {
        let explains = |victim| victim == Party::Coordinator || is_named(line, victim);
        let struck = self.timeline.iter().filter_map(|event| match event.what {
            What::Struck(number) => Some((number, event.at)),
            _ => None,
        });
        struck
            .filter(|(_, struck)| *struck <= at)
            .any(|(number, struck)| {
                let until = self.lifted(number).unwrap_or(struck) + AFTERMATH;
                at <= until && self.plan[number].victims().into_iter().any(explains)
            })
    }

    fn endings(&self) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
        let (mut coordinators, mut workers) = (BTreeMap::new(), BTreeMap::new());
        for event in self.timeline {
            let (endings, reason) = match &event.what {
                What::Ended {
                    party: Party::Worker(_),
                    reason,
                } => (&mut workers, reason),
                What::Ended {
                    party: Party::Coordinator,
                    reason,
                }
                | What::OldEnded { reason } => (&mut coordinators, reason),
                _ => continue,
            };
            *endings.entry(reason.clone()).or_default() += 1;
        }
        (coordinators, workers)
    }

    fn panics(&self) -> Vec<String> {
        let panic = |event: &TimelineEvent| match &event.what {
            What::Panic { line } => Some(line.clone()),
            _ => None,
        };
        self.timeline.iter().filter_map(panic).collect()
    }
}

/// Whether a line names a worker, as a word of its own.
fn is_named(line: &str, party: Party) -> bool {
    let Party::Worker(place) = party else {
        return false;
    };
    let name = worker_name(place);
    line.split(|letter: char| !(letter.is_alphanumeric() || letter == '-'))
        .any(|word| word == name)
}

#[cfg(test)]
mod tests;
