//! What a run told about itself on standard error with `--log json`.

use fratmae_coordinator::RunEvent;
use serde_json::Value;

/// Reads the events among the lines of standard error, in their order.
pub fn events(stderr: &str) -> Vec<RunEvent> {
    stderr.lines().filter_map(RunEvent::from_line).collect()
}

/// The steps that were applied, in the order in which that was told.
pub fn applied(events: &[RunEvent]) -> Vec<u64> {
    let step = |event: &RunEvent| match event {
        RunEvent::Applied { step, .. } => Some(*step),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

/// The lines of standard error that say this, with their fields.
pub fn logged(stderr: &str, message: &str) -> Vec<Value> {
    let lines = stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let is_it = |line: &Value| line["message"] == message;
    lines.filter(is_it).collect()
}
