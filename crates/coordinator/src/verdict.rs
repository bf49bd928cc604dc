//! A verdict on a worker as the journal and `status` keep it. Who is to blame is `control`'s to say.

use fratmae_control::Verdict;
use serde::{Deserialize, Serialize};

/// Who was at fault, where it was in its work, why, and what that rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerVerdict {
    /// All of it in one line.
    pub line: String,
    pub worker: String,
    /// Its host, as its peers reach it.
    pub host: String,
    /// Its rank; none if it stood by.
    pub rank: Option<u32>,
    /// The generation at that time.
    pub generation: u64,
    /// The step it was last heard to work on.
    pub step: Option<u64>,
    /// What it was last heard to do.
    pub phase: String,
    /// The last collective call that it was heard to begin.
    pub collective: Option<String>,
    /// That call's number in the generation.
    pub sequence: Option<u64>,
    /// What is wrong with it.
    pub reason: String,
    /// What that rests on, where it does not speak for itself.
    pub evidence: Vec<String>,
    /// The exit code of its process, if it ends as it is told to; none if it goes on, or in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

impl From<&Verdict> for WorkerVerdict {
    fn from(verdict: &Verdict) -> Self {
        let call = verdict.call.as_ref();
        Self {
            line: verdict.to_string(),
            worker: verdict.worker.clone(),
            host: verdict.host.clone(),
            rank: verdict.rank.map(fratmae_control::Rank::get),
            generation: verdict.generation.get(),
            step: verdict.heard_at.map(|(_, step)| step.get()),
            phase: verdict.phase.name().to_owned(),
            collective: call.map(|call| call.operation.clone()),
            sequence: call.map(|call| call.sequence),
            reason: verdict.reason.clone(),
            evidence: verdict.evidence.clone(),
            exit: verdict.parting.map(fratmae_control::Parting::exit_code),
        }
    }
}
