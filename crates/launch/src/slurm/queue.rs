//! What Slurm's commands say of jobs: text of a form that we ask for, the same from 20.11 to 26.05. A line that is not of
//! this form says nothing.

use std::collections::BTreeMap;

use crate::MemberState;

/// What `squeue` is asked for: number, state, reason, nodes and name. The name is last, as it may hold anything.
pub(super) const QUEUE_FORMAT: &str = "%i|%T|%r|%N|%j";

/// The same of `sacct`, which knows no reasons and has an exit code.
pub(super) const RECORD_FORMAT: &str = "JobID,State,ExitCode,NodeList,JobName";

/// A job, or one task of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    /// `12`, or `12_3` of an array.
    pub(super) id: String,
    pub(super) state: MemberState,
    pub(super) reason: String,
    pub(super) host: String,
    /// The name of its job.
    pub(super) name: String,
}

impl Task {
    /// The number of its job, which is that of the array.
    pub(super) fn job(&self) -> &str {
        self.id.split('_').next().unwrap_or_default()
    }

    /// Its index in the array.
    pub(super) fn index(&self) -> u64 {
        let index = self.id.split_once('_').map(|(_, index)| index.parse());
        index.and_then(Result::ok).unwrap_or_default()
    }
}

/// Reads the queue.
pub(super) fn tasks(text: &str) -> Vec<Task> {
    let read = |[id, state, reason, host, name]: [&str; 5]| {
        let (word, state) = state_of(state)?;
        // A state that is not the usual one of its kind is a reason of its own.
        let reason = match (reason, word) {
            ("None" | "", "PENDING" | "RUNNING" | "COMPLETING" | "COMPLETED") => String::new(),
            ("None" | "", word) => word.to_owned(),
            (reason, _) => reason.to_owned(),
        };
        Some(Task {
            id: id_of(id)?,
            state,
            reason,
            host: host_of(host),
            name: name.to_owned(),
        })
    };
    text.lines().filter_map(fields).filter_map(read).collect()
}

/// Reads records of the past. Of several attempts of a job the last counts.
pub(super) fn records(text: &str) -> Vec<Task> {
    let read = |[id, state, exit, host, name]: [&str; 5]| {
        let (word, state) = state_of(state)?;
        let code = exit.split(':').next().unwrap_or_default();
        let reason = match (word, code) {
            ("COMPLETED" | "PENDING" | "RUNNING", _) => String::new(),
            (word, "" | "0") => word.to_owned(),
            (word, code) => format!("{word}, exit code {code}"),
        };
        Some(Task {
            id: id_of(id)?,
            state,
            reason,
            host: host_of(host),
            name: name.to_owned(),
        })
    };
    let tasks = text.lines().filter_map(fields).filter_map(read);
    merged(tasks.collect(), Vec::new())
}

/// One task for each number: what is in the queue now counts for more than a record, and a later line for more than an
/// earlier one.
pub(super) fn merged(past: Vec<Task>, now: Vec<Task>) -> Vec<Task> {
    let tasks = past.into_iter().chain(now);
    // What never became tasks of an array may be told with the number of the array alone.
    let key = |task: &Task| {
        let job = task.job().parse::<u64>().unwrap_or_default();
        (job, task.index(), task.id.clone())
    };
    let tasks: BTreeMap<_, _> = tasks.map(|task| (key(&task), task)).collect();
    tasks.into_values().collect()
}

fn fields(line: &str) -> Option<[&str; 5]> {
    let fields: Vec<&str> = line.splitn(5, '|').map(str::trim).collect();
    fields.try_into().ok()
}

/// A number, with the index of a task if there is one: no range of tasks that do not exist yet, and no step of a job.
fn id_of(text: &str) -> Option<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (job, index) = text.split_once('_').unwrap_or((text, "0"));
    (is_number(job) && is_number(index)).then(|| text.to_owned())
}

fn host_of(text: &str) -> String {
    match text {
        "None assigned" | "(null)" => String::new(),
        host => host.to_owned(),
    }
}

/// The first word of a state (`CANCELLED by 1000`) and what it means; nothing for a text that is no state.
fn state_of(text: &str) -> Option<(&str, MemberState)> {
    let word = text.split([' ', '+']).next().unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    if word.is_empty() || !word.bytes().all(is_word) {
        return None;
    }
    let state = match word {
        "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED"
        | "RESV_DEL_HOLD" | "SPECIAL_EXIT" | "POWER_UP_NODE" | "EXPEDITING" => MemberState::Waiting,
        "RUNNING" | "RESIZING" | "SIGNALING" | "SUSPENDED" | "STOPPED" => MemberState::Running,
        // Its processes may still be there.
        "COMPLETING" | "STAGE_OUT" => MemberState::Ending,
        "COMPLETED" => MemberState::Ended,
        "BOOT_FAIL" | "CANCELLED" | "DEADLINE" | "FAILED" | "LAUNCH_FAILED" | "NODE_FAIL"
        | "OUT_OF_MEMORY" | "PREEMPTED" | "RECONFIG_FAIL" | "REVOKED" | "TIMEOUT" => {
            MemberState::Failed
        }
        _ => MemberState::Unknown,
    };
    Some((word, state))
}

#[cfg(test)]
mod tests;
