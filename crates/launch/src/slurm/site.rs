//! What a cluster's own settings mean for a run. Pure functions of what `scontrol show` writes.

use super::script::{is_array, leader_partition};
use crate::Spec;

/// Something of a cluster that a run can live with, and that is better known before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What was looked at.
    pub check: String,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub advice: String,
}

impl Remark {
    fn new(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let (check, found, advice) = (check.into(), found.into(), advice.into());
        Self {
            check,
            found,
            advice,
        }
    }
}

/// What is to be said of a cluster with these settings (`scontrol show config`) and partitions (`scontrol show partition
/// --oneliner`).
pub(super) fn remarks(spec: &Spec, settings: &str, partitions: &str) -> Vec<Remark> {
    let leaders = match is_array(spec) {
        true => named(partitions, leader_partition(spec)),
        false => Vec::new(),
    };
    let mut all = named(partitions, &spec.slurm.partition);
    all.extend(&leaders);
    all.sort_unstable();
    all.dedup();
    let of_each = |partition: &&str| {
        closed(partition)
            .into_iter()
            .chain(preempted(partition, settings))
    };
    let mut remarks: Vec<Remark> = all.iter().flat_map(of_each).collect();
    remarks.extend(leaders.into_iter().filter_map(limited));
    remarks.extend(hurried(spec, settings));
    remarks
}

fn closed(partition: &str) -> Option<Remark> {
    let state = word(partition, "State").filter(|state| *state != "UP")?;
    let found = format!("its state is {state}: jobs wait there");
    let advice = "name another one, or ask whoever runs the cluster";
    Some(Remark::new(check(partition), found, advice))
}

fn preempted(partition: &str, settings: &str) -> Option<Remark> {
    let mode = match line(settings, "PreemptType")? {
        "preempt/none" | "(null)" => return None,
        "preempt/qos" => line(settings, "PreemptMode"),
        _ => word(partition, "PreemptMode"),
    };
    mode.filter(|mode| mode.contains("CANCEL"))?;
    let found = "a job that is preempted is cancelled and does not come back (PreemptMode=CANCEL)";
    let advice = "name a partition with PreemptMode=REQUEUE, or launch the run again when workers are missing";
    Some(Remark::new(check(partition), found, advice))
}

fn limited(partition: &str) -> Option<Remark> {
    let limit = word(partition, "MaxTime").filter(|limit| *limit != "UNLIMITED")?;
    let found = format!("it ends the coordinator after {limit}; all workers wait until it is back");
    let advice = "set launch.slurm.leader_partition to one without a time limit";
    Some(Remark::new(check(partition), found, advice))
}

/// Whether a worker has the time to leave that it is promised.
fn hurried(spec: &Spec, settings: &str) -> Option<Remark> {
    let wait = line(settings, "KillWait")?;
    let seconds: u64 = wait.split(' ').next()?.parse().ok()?;
    if seconds >= spec.grace_s {
        return None;
    }
    let found = format!("a job that is preempted is killed {seconds} s after it was asked to end");
    let advice = format!(
        "workers.grace_s = {} is longer; a step may be repeated",
        spec.grace_s
    );
    Some(Remark::new("KillWait", found, advice))
}

fn check(partition: &str) -> String {
    let name = word(partition, "PartitionName").unwrap_or_default();
    format!("partition {name}")
}

/// The partitions of these names, separated by commas; the cluster's default if there is no name.
fn named<'a>(partitions: &'a str, names: &str) -> Vec<&'a str> {
    let is_meant = |partition: &&str| match names {
        "" => word(partition, "Default") == Some("YES"),
        names => names
            .split(',')
            .any(|name| word(partition, "PartitionName") == Some(name)),
    };
    partitions.lines().filter(is_meant).collect()
}

/// The value in a line of `KEY=VALUE` words.
fn word<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let values = line
        .split_whitespace()
        .filter_map(|word| word.split_once('='));
    let mut values = values.filter(|(found, _)| *found == key);
    values.next().map(|(_, value)| value)
}

/// The value in lines of `KEY = VALUE`.
fn line<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let values = text.lines().filter_map(|line| line.split_once('='));
    let mut values = values.filter(|(found, _)| found.trim() == key);
    values.next().map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;
    use crate::sample::spec_of;

    fn spec(sets: &[&str]) -> Spec {
        let base = [
            "run.url=/runs/pilot",
            "data.url=/data",
            "workers.count=4",
            "workers.min=1",
        ];
        spec_of(Target::Slurm, &base, sets).unwrap()
    }

    const PARTITIONS: &str = "\
PartitionName=work AllowGroups=ALL Default=YES MaxTime=UNLIMITED PreemptMode=REQUEUE State=UP TotalCPUs=32
PartitionName=spot AllowGroups=ALL Default=NO MaxTime=1-00:00:00 PreemptMode=CANCEL State=UP TotalCPUs=32
PartitionName=old AllowGroups=ALL Default=NO MaxTime=UNLIMITED PreemptMode=OFF State=DRAIN TotalCPUs=32
";

    fn settings(kind: &str, mode: &str) -> String {
        format!(
            "Configuration data as of now\nKillWait                = 30 sec\nPreemptMode             = {mode}\nPreemptType             = preempt/{kind}\n"
        )
    }

    fn found(sets: &[&str], settings: &str) -> Vec<String> {
        let remarks = remarks(&spec(sets), settings, PARTITIONS);
        remarks
            .into_iter()
            .map(|remark| format!("{}: {}", remark.check, remark.found))
            .collect()
    }

    #[test]
    fn preemption_that_cancels_is_named_whoever_decides_on_it() {
        let partitions = settings("partition_prio", "REQUEUE");
        assert_eq!(found(&[], &partitions), [""; 0]);
        let spot = [
            "launch.slurm.partition=spot",
            "launch.slurm.leader_partition=work",
        ];
        let spot = found(&spot, &partitions);
        assert!(
            spot[0].starts_with("partition spot: a job that is preempted is cancelled"),
            "{spot:?}"
        );
        assert_eq!(spot.len(), 1, "{spot:?}");
        assert_eq!(found(&[], &settings("qos", "GANG,CANCEL")).len(), 1);
        let none = found(
            &[
                "launch.slurm.partition=work,spot",
                "launch.slurm.leader_partition=work",
            ],
            &settings("none", "CANCEL"),
        );
        assert_eq!(none, [""; 0]);
        let newer = partitions.replace("preempt/partition_prio", "(null)");
        assert_eq!(
            found(
                &[
                    "launch.slurm.partition=spot,work",
                    "launch.slurm.leader_partition=work"
                ],
                &newer
            ),
            [""; 0]
        );
    }

    #[test]
    fn what_makes_a_run_wait_is_named() {
        let none = settings("none", "OFF");
        let lines = found(&["launch.slurm.partition=spot"], &none);
        assert_eq!(
            lines,
            [
                "partition spot: it ends the coordinator after 1-00:00:00; all workers wait until it is back"
            ]
        );
        let lines = found(&["launch.slurm.partition=old"], &none);
        assert_eq!(
            lines,
            ["partition old: its state is DRAIN: jobs wait there"]
        );
        let lines = found(&["workers.grace_s=60"], &none);
        assert_eq!(
            lines,
            ["KillWait: a job that is preempted is killed 30 s after it was asked to end"]
        );
    }

    #[test]
    fn settings_that_cannot_be_read_say_nothing() {
        assert_eq!(remarks(&spec(&[]), "slurm_load_ctl_conf error", ""), []);
    }
}
