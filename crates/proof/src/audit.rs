//! What a run's records say of each other, and of what they must be: one function of the evidence.
//!
//! Each check is of one kind of claim, has a name, and finds what contradicts it. How a record came about is not asked:
//! what is sound here may still have been made up as a whole, which a replay shows and this does not.

mod checkpoints;
mod history;
mod journal;
mod result;
#[cfg(test)]
mod tests;

use crate::evidence::Evidence;
use serde::Serialize;
use std::fmt;

/// A kind of claim that an audit checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The job is the one that was trained.
    Job,
    /// The journal is whole.
    Journal,
    /// No step was lost or doubled.
    History,
    /// Every sample counted once.
    Samples,
    /// Every checkpoint is what it says.
    Checkpoints,
    /// The run came to the weights that it names.
    Result,
    /// The data are those that were trained on.
    Data,
    /// Steps that are computed again come to the same bits.
    Replay,
}

impl Check {
    /// All that is judged without computing anything again.
    pub const OF_RECORDS: [Self; 7] = [
        Self::Job,
        Self::Journal,
        Self::History,
        Self::Samples,
        Self::Checkpoints,
        Self::Result,
        Self::Data,
    ];

    /// What holds if nothing was found.
    #[must_use]
    pub const fn claim(self) -> &'static str {
        match self {
            Self::Job => {
                "every kept checkpoint was trained by the job, the seed and the data set in config.json"
            }
            Self::Journal => {
                "the journal has every record from 0 on, unchanged, each written by the coordinator that led then, and its generations rise"
            }
            Self::History => {
                "every step up to the last commit has its figures once, in files that are as the journal recorded them"
            }
            Self::Samples => {
                "every step trained on the samples that the seed puts there, each once"
            }
            Self::Checkpoints => {
                "every checkpoint that was committed and not given up is whole, and its weights have the digest that its manifest and the journal name"
            }
            Self::Result => "the weights of the last step are those that the result names",
            Self::Data => "the data set is the one that the run began with",
            Self::Replay => {
                "the steps that were computed again came to the same figures and weights, bit for bit"
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Job => "job",
            Self::Journal => "journal",
            Self::History => "history",
            Self::Samples => "samples",
            Self::Checkpoints => "checkpoints",
            Self::Result => "result",
            Self::Data => "data",
            Self::Replay => "replay",
        })
    }
}

/// What contradicts a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: Check,
    /// What is wrong with which object or step, in one line.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// What an audit of the records came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// What is wrong, by check; none for a sound run.
    pub findings: Vec<Finding>,
    /// What is not proved and why, in sentences.
    pub notes: Vec<String>,
    /// The last step that the records cover.
    pub last: u64,
}

impl Judgement {
    /// Adds what contradicts a claim.
    pub fn find(&mut self, check: Check, what: impl Into<String>) {
        let what = what.into();
        self.findings.push(Finding { check, what });
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Whether nothing contradicts a claim.
    #[must_use]
    pub fn holds(&self, check: Check) -> bool {
        self.findings.iter().all(|finding| finding.check != check)
    }
}

/// Judges a run by what was read of it.
#[must_use]
pub fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = Judgement {
        last: last_step(evidence),
        ..Judgement::default()
    };
    let subject = &evidence.subject;
    for line in &subject.unread {
        judgement.find(Check::Journal, line.clone());
    }
    if let Some(entries) = &subject.entries {
        journal::check(evidence, entries, &mut judgement);
    }
    let rows = history::check(evidence, &mut judgement);
    history::check_samples(evidence, &rows, &mut judgement);
    checkpoints::check(evidence, &rows, &mut judgement);
    result::check(evidence, &rows, &mut judgement);
    for fault in &evidence.data.faults {
        judgement.find(Check::Data, fault.clone());
    }
    if !evidence.data.is_read {
        judgement.note("The slices of the data set were not read: that its voxels are unchanged is not proved.");
    }
    judgement.findings.sort_by_key(|finding| finding.check);
    judgement
}

/// The newest step that a commit makes part of the run.
fn last_step(evidence: &Evidence) -> u64 {
    let kept = evidence.subject.kept.iter().map(|id| id.step.get());
    let committed = journal::committed(evidence).into_keys();
    let committed = committed.map(|id| id.step.get());
    let began = evidence.subject.run_file.began_at();
    kept.chain(committed).max().unwrap_or(began).max(began)
}
