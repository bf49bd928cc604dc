//! Who leaves when fewer workers are wanted.

use super::queue::Task;
use crate::MemberState;

/// Those of the tasks that are to leave so that `workers` stay: the last of the array, which joined last.
pub(super) fn leavers(tasks: &[Task], workers: usize) -> Vec<&Task> {
    let mut running: Vec<&Task> = tasks
        .iter()
        .filter(|task| task.state == MemberState::Running)
        .collect();
    running.sort_by_key(|task| task.index());
    running.split_off(workers.min(running.len()))
}

#[cfg(test)]
mod tests {
    use super::super::queue::tasks;
    use super::*;

    const QUEUE: &str = "\
7_0|RUNNING|None|n1|fratmae-pilot.work
7_10|RUNNING|None|n1|fratmae-pilot.work
7_2|RUNNING|None|n2|fratmae-pilot.work
7_3|PENDING|JobArrayTaskLimit||fratmae-pilot.work
7_4|COMPLETING|None|n2|fratmae-pilot.work
";

    #[test]
    fn the_last_of_those_that_run_leave() {
        let tasks = tasks(QUEUE);
        let leave = |workers| -> Vec<&str> {
            let leavers = leavers(&tasks, workers);
            leavers.iter().map(|task| task.id.as_str()).collect()
        };
        assert_eq!(leave(1), ["7_2", "7_10"]);
        assert_eq!(leave(2), ["7_10"]);
        assert_eq!(leave(3), [""; 0]);
        assert_eq!(leave(9), [""; 0]);
    }
}
