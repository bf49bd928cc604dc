//! The history: every step once, in files that are as they were written, on the samples that belong there.

use super::journal::generations;
use super::{Check, Judgement};
use crate::evidence::Evidence;
use crate::is_same;
use crate::samples::{Left, Positions};
use fratmae_checkpoint::Record;
use fratmae_coordinator::{HistoryFile, HistoryRow, SkippedSample, steps_of};
use fratmae_dataset::{Sample, SampleOrder};
use fratmae_trainer::{GRADIENT_NORM, LEARNING_RATE, learning_rate};
use std::collections::{BTreeMap, BTreeSet};

/// How far a learning rate may be from its formula: its sine is the system's, and another host's may round otherwise.
const RATE_TOLERANCE: f64 = 1e-12;

/// Checks files and figures; gives the rows up to the last commit.
pub(super) fn check(evidence: &Evidence, judgement: &mut Judgement) -> Vec<HistoryRow> {
    for file in &evidence.subject.files {
        check_file(file, judgement);
    }
    check_digests(evidence, judgement);
    check_twice(&evidence.subject.files, judgement);
    let mut rows = evidence.subject.rows();
    let last = judgement.last;
    rows.retain(|row| row.step <= last);
    for row in &rows {
        check_row(evidence, row, judgement);
    }
    rows
}

/// A file has the steps that its name says.
fn check_file(file: &HistoryFile, judgement: &mut Judgement) {
    let rows = match &file.rows {
        Ok(rows) => rows,
        Err(line) => return judgement.find(Check::History, line.clone()),
    };
    let named = steps_of(&file.name).map(|(first, last)| first..=last);
    let steps = rows.iter().map(|row| row.step);
    if !named.is_some_and(|named| steps.eq(named)) {
        let line = format!("{} does not have the steps of its name", file.name);
        judgement.find(Check::History, line);
    }
}

/// Every file has the digest that the journal kept when its steps were committed.
fn check_digests(evidence: &Evidence, judgement: &mut Judgement) {
    let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
    for record in evidence.subject.records() {
        match record {
            Record::Commit { digests, .. } => {
                let files = digests.history.iter();
                expected.extend(files.map(|(name, digest)| (name.as_str(), digest.as_str())));
            }
            // What follows the step that the run was taken back to is deleted, and written again.
            Record::RolledBack { step, .. } => {
                expected.retain(|name, _| steps_of(name).is_some_and(|(_, last)| last <= *step));
            }
            _ => {}
        }
    }
    let files = &evidence.subject.files;
    let found: BTreeMap<_, _> = files
        .iter()
        .map(|file| (&*file.name, &*file.digest))
        .collect();
    for (name, digest) in &expected {
        match found.get(name) {
            None => judgement.find(Check::History, format!("{name} is missing")),
            Some(found) if found == digest => {}
            Some(found) => judgement.find(
                Check::History,
                format!("{name} was changed: its digest is {found}, and the journal has {digest}"),
            ),
        }
    }
    let unknown = found.keys().filter(|name| !expected.contains_key(*name));
    let unknown = unknown.count();
    if unknown > 0 {
        judgement.note(format!(
            "The journal has no digest of {unknown} of {} files of the history: that nobody changed their figures is not proved by it.",
            found.len()
        ));
    }
}

/// A step that is in two files has the same figures in both: it was computed twice.
fn check_twice(files: &[HistoryFile], judgement: &mut Judgement) {
    let mut seen: BTreeMap<u64, &HistoryRow> = BTreeMap::new();
    for row in files.iter().flat_map(|file| file.rows.iter().flatten()) {
        let Some(other) = seen.insert(row.step, row) else {
            continue;
        };
        let differs = |(name, value): (&str, f64)| !is_same(other.metrics.get(name), value);
        if row.metrics.iter().any(differs) || row.trained != other.trained {
            let line = format!("step {} is in two files with different figures", row.step);
            judgement.find(Check::History, line);
        }
    }
}

/// Figures of a step that follow from the job alone, and from the journal.
fn check_row(evidence: &Evidence, row: &HistoryRow, judgement: &mut Judgement) {
    let subject = &evidence.subject;
    let (train, step) = (&subject.config.train, row.step);
    let samples = subject.run_file.samples_at(step, train.batch);
    if row.samples != samples {
        let line = format!("step {step} counts {} samples, not {samples}", row.samples);
        judgement.find(Check::History, line);
    }
    let (rate, expected) = (
        row.metrics.get(LEARNING_RATE.name),
        learning_rate(train, step),
    );
    if (rate - expected).abs() > RATE_TOLERANCE * expected {
        let line = format!("step {step} has learning rate {rate}, and the job {expected}");
        judgement.find(Check::History, line);
    }
    let Some(entries) = subject
        .entries
        .as_ref()
        .filter(|_| subject.unread.is_empty())
    else {
        return;
    };
    if !generations(entries).contains(&row.generation) {
        let line = format!(
            "step {step} was applied by generation {}, which the journal does not have",
            row.generation
        );
        judgement.find(Check::History, line);
    }
    let moved = row.loss().is_finite() && row.metrics.get(GRADIENT_NORM.name).is_finite();
    let is_of_step =
        |record: &Record| matches!(record, Record::BadBatch { step: of, .. } if *of == step);
    if !moved && !subject.records().any(is_of_step) {
        let line = format!("step {step} has no finite loss, and the journal no record of that");
        judgement.find(Check::History, line);
    }
}

/// Every step trained on what the seed puts there.
pub(super) fn check_samples(evidence: &Evidence, rows: &[HistoryRow], judgement: &mut Judgement) {
    let subject = &evidence.subject;
    let batch = subject.config.train.batch;
    let began = subject.run_file.began_at();
    let left = Left {
        rows,
        commits: &[],
        batch: batch as u64,
        began: (began, subject.run_file.samples_at(began, batch)),
        last: judgement.last,
    };
    let positions = Positions::of(left);
    for steps in &positions.missing {
        let (first, last) = (steps.start(), steps.end());
        let line = format!("steps {first} to {last} have no figures");
        judgement.find(Check::History, line);
    }
    let mut lost: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for position in positions.lost {
        lost.entry(left.step_of(position))
            .or_default()
            .push(position);
    }
    for (step, positions) in lost {
        let line = format!(
            "step {step} did not train on {} of its samples, the first at position {}",
            positions.len(),
            positions[0]
        );
        judgement.find(Check::Samples, line);
    }
    for (position, times) in positions.doubled {
        let line = format!("the sample at position {position} counted {times} times too often");
        judgement.find(Check::Samples, line);
    }
    check_cases(evidence, rows, judgement);
}

/// Every position has the case that the order puts there, or one that the journal names in its place.
fn check_cases(evidence: &Evidence, rows: &[HistoryRow], judgement: &mut Judgement) {
    let subject = &evidence.subject;
    let order = SampleOrder {
        seed: subject.config.run.seed,
        cases: u32::try_from(subject.run_file.cases).unwrap_or(u32::MAX),
    };
    let replaced = replaced(evidence);
    let slot_size = subject.config.train.batch / subject.config.train.slots.max(1);
    for row in rows {
        let trained = row.trained.as_ref();
        let cases = trained.map_or(&[][..], |trained| &trained.cases);
        let positions = trained.map_or(&[][..], |trained| &trained.positions);
        let Some(first) = positions.first() else {
            continue;
        };
        if !positions.is_sorted() || cases.len() != positions.len() {
            let line = format!(
                "step {} does not have its samples in the order of slots",
                row.step
            );
            judgement.find(Check::Samples, line);
        }
        // What is not of the step's positions in their order was found before.
        let expected = order.samples(*first).zip(positions).zip(cases).enumerate();
        let mut expected =
            expected.filter(|(_, ((sample, position), _))| sample.position == **position);
        let is_other = |(at, ((sample, _), case)): &(usize, ((Sample, &u64), &u32))| {
            let slot = (at / slot_size.max(1)) as u32;
            let place = (row.step, slot, sample.case, **case);
            sample.case != **case && !replaced.contains(&place)
        };
        if let Some((_, ((sample, position), case))) = expected.find(is_other) {
            let line = format!(
                "step {} trained on case number {case} at position {position}, where the seed puts case number {}",
                row.step, sample.case
            );
            judgement.find(Check::Samples, line);
        }
    }
}

/// Step, slot, case and the case that was trained on in its place, by number, of each damaged sample.
fn replaced(evidence: &Evidence) -> BTreeSet<(u64, u32, u32, u32)> {
    let case_ids = evidence.data.case_ids.iter();
    let numbers: BTreeMap<&str, u32> = case_ids.map(String::as_str).zip(0..).collect();
    let of_record = |record: &Record| {
        let Record::Skipped {
            step, slot, sample, ..
        } = record
        else {
            return None;
        };
        let sample: SkippedSample = serde_json::from_value(sample.clone()).ok()?;
        let number = |case: &str| numbers.get(case).copied();
        Some((
            *step,
            *slot,
            number(&sample.case)?,
            number(&sample.replacement)?,
        ))
    };
    evidence.subject.records().filter_map(of_record).collect()
}
