//! What a cluster's objects say of the processes of a run, pure.

use super::objects::label;
use crate::{Member, MemberState};
use serde_json::Value;

/// Exit codes that are no failure: finished, and left while the run goes on.
const GOOD_ENDS: [i64; 2] = [0, 75];

/// A pod as a process.
pub(super) fn of_pod(pod: &Value) -> Member {
    let (state, reason) = pod_state(pod);
    Member {
        name: name(pod),
        state,
        reason,
        host: text(&pod["spec"]["nodeName"]),
    }
}

fn pod_state(pod: &Value) -> (MemberState, String) {
    let status = &pod["status"];
    let container = &status["containerStatuses"][0]["state"];
    let said = first([&container["waiting"]["reason"], &status["reason"]]);
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return (MemberState::Ending, text(&status["reason"]));
    }
    match status["phase"].as_str().unwrap_or_default() {
        "Pending" => (
            MemberState::Waiting,
            first([&Value::from(said), unscheduled(status)]),
        ),
        // It is started again after a crash.
        "Running" if container["running"].is_null() => (MemberState::Waiting, said),
        "Running" => (MemberState::Running, String::new()),
        "Succeeded" => (MemberState::Ended, String::new()),
        "Failed" => ended(status),
        _ => (MemberState::Unknown, said),
    }
}

/// Why no node takes a pod.
fn unscheduled(status: &Value) -> &Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut scheduled = conditions
        .filter(|it| it["type"] == "PodScheduled" && it["status"] == "False")
        .map(|it| &it["message"]);
    scheduled.next().unwrap_or(&Value::Null)
}

fn ended(status: &Value) -> (MemberState, String) {
    let end = &status["containerStatuses"][0]["state"]["terminated"];
    let said = first([&status["reason"], &end["reason"]]);
    match end["exitCode"].as_i64() {
        Some(code) if GOOD_ENDS.contains(&code) => (MemberState::Ended, format!("exit {code}")),
        // "Error" says no more than the code does.
        Some(code) if said.is_empty() || said == "Error" => {
            (MemberState::Failed, format!("exit {code}"))
        }
        Some(code) => (MemberState::Failed, format!("{said}, exit {code}")),
        None => (MemberState::Failed, said),
    }
}

/// A job, or a set of jobs, that has no pod: it has ended, or waits to be let in.
pub(super) fn of_job(job: &Value) -> Member {
    let (state, reason) = match (verdict(job), job["spec"]["suspend"].as_bool()) {
        (Some((true, reason)), _) => (MemberState::Ended, reason),
        (Some((false, reason)), _) => (MemberState::Failed, reason),
        (None, Some(true)) => (MemberState::Waiting, waits_for(job)),
        (None, _) => (MemberState::Waiting, String::new()),
    };
    Member {
        name: name(job),
        state,
        reason,
        host: String::new(),
    }
}

fn waits_for(job: &Value) -> String {
    match job["metadata"]["labels"][label::QUEUE].as_str() {
        Some(queue) => format!("in the queue {queue}"),
        None => "suspended".to_owned(),
    }
}

/// Whether a job has succeeded or failed, and why; none while it goes on.
pub(super) fn verdict(job: &Value) -> Option<(bool, String)> {
    let mut conditions = job["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["status"] == "True");
    conditions.find_map(|condition| {
        let is_good = match condition["type"].as_str()? {
            "Complete" | "Completed" => true,
            "Failed" => false,
            _ => return None,
        };
        Some((
            is_good,
            first([&condition["message"], &condition["reason"]]),
        ))
    })
}

/// The value of a label.
pub(super) fn label_of(object: &Value, label: &str) -> String {
    text(&object["metadata"]["labels"][label])
}

/// An object's name.
pub(super) fn name(object: &Value) -> String {
    text(&object["metadata"]["name"])
}

/// The first text that is there, on one line.
fn first<const N: usize>(values: [&Value; N]) -> String {
    let mut texts = values.into_iter().map(text).filter(|text| !text.is_empty());
    texts.next().unwrap_or_default()
}

fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: &Value) -> Value {
        json!({"metadata": {"name": "pilot-workers-0-x"}, "spec": {"nodeName": "n1"}, "status": status})
    }

    fn found(pod: &Value) -> (MemberState, String) {
        let member = of_pod(pod);
        assert_eq!(member.name, "pilot-workers-0-x");
        (member.state, member.reason)
    }

    fn ended_with(code: i64, reason: &str) -> Value {
        let end = json!({"terminated": {"exitCode": code, "reason": reason}});
        pod(&json!({"phase": "Failed", "containerStatuses": [{"state": end}]}))
    }

    #[test]
    fn a_pod_runs_only_if_its_container_does() {
        let running = json!({"phase": "Running", "containerStatuses": [{"state": {"running": {"startedAt": "x"}}}]});
        assert_eq!(found(&pod(&running)), (MemberState::Running, String::new()));
        assert_eq!(of_pod(&pod(&running)).host, "n1");
        let crashing = json!({
            "phase": "Running",
            "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
        });
        let crashing = found(&pod(&crashing));
        assert_eq!(
            crashing,
            (MemberState::Waiting, "CrashLoopBackOff".to_owned())
        );
    }

    #[test]
    fn a_pod_that_waits_says_for_what() {
        let unscheduled = json!({
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes:\n no GPU"}],
        });
        let unscheduled = found(&pod(&unscheduled));
        assert_eq!(
            unscheduled,
            (MemberState::Waiting, "0/3 nodes: no GPU".to_owned())
        );
        let pulling = json!({
            "phase": "Pending",
            "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}],
        });
        assert_eq!(found(&pod(&pulling)).1, "ImagePullBackOff");
    }

    #[test]
    fn a_worker_that_left_did_not_fail() {
        assert_eq!(
            found(&ended_with(75, "Error")),
            (MemberState::Ended, "exit 75".to_owned())
        );
        assert_eq!(
            found(&ended_with(1, "Error")),
            (MemberState::Failed, "exit 1".to_owned())
        );
        let killed = found(&ended_with(137, "OOMKilled"));
        assert_eq!(
            killed,
            (MemberState::Failed, "OOMKilled, exit 137".to_owned())
        );
        let evicted = found(&pod(&json!({"phase": "Failed", "reason": "Evicted"})));
        assert_eq!(evicted, (MemberState::Failed, "Evicted".to_owned()));
    }

    #[test]
    fn a_pod_that_is_deleted_ends_and_one_of_a_lost_node_is_unknown() {
        let mut deleted = pod(&json!({"phase": "Running"}));
        deleted["metadata"]["deletionTimestamp"] = json!("2026-11-30T22:00:00Z");
        assert_eq!(found(&deleted).0, MemberState::Ending);
        let lost = pod(&json!({"phase": "Unknown", "reason": "NodeLost"}));
        assert_eq!(found(&lost), (MemberState::Unknown, "NodeLost".to_owned()));
        assert_eq!(found(&pod(&json!({}))).0, MemberState::Unknown);
    }

    #[test]
    fn a_job_without_pods_has_ended_or_waits() {
        let job = |spec: Value, conditions: Value| {
            json!({
                "metadata": {"name": "pilot-workers", "labels": {label::QUEUE: "team"}},
                "spec": spec,
                "status": {"conditions": conditions},
            })
        };
        let state = |job: &Value| (of_job(job).state, of_job(job).reason);
        let failed = json!([
            {"type": "FailureTarget", "status": "True", "message": "early"},
            {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": "Container worker failed with exit code 78"},
        ]);
        let failed = state(&job(json!({}), failed));
        assert_eq!(failed.0, MemberState::Failed);
        assert_eq!(failed.1, "Container worker failed with exit code 78");
        let complete = json!([{"type": "Complete", "status": "True", "reason": "SuccessPolicy"}]);
        let complete = state(&job(json!({}), complete));
        assert_eq!(complete, (MemberState::Ended, "SuccessPolicy".to_owned()));
        let queued = state(&job(json!({"suspend": true}), json!([])));
        assert_eq!(
            queued,
            (MemberState::Waiting, "in the queue team".to_owned())
        );
        let not_failed = json!([{"type": "Failed", "status": "False"}]);
        assert_eq!(verdict(&job(json!({}), not_failed)), None);
    }
}
