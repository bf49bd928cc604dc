//! The parser on what Slurm wrote, in each version, and on what it never would.

use super::*;
use MemberState::{Ended, Ending, Failed, Running, Unknown, Waiting};

fn states(tasks: &[Task]) -> Vec<(&str, MemberState, &str, &str)> {
    tasks
        .iter()
        .map(|task| {
            (
                task.id.as_str(),
                task.state,
                task.reason.as_str(),
                task.host.as_str(),
            )
        })
        .collect()
}

/// An array of which task 0 finished, 1 failed, 2 was requeued, 3 was cancelled, 4 does not end at once, and the others run;
/// task 7 was held once it ran. Written by each version itself.
const RECORDED: [(&str, &str); 5] = [
    ("20.11.4", include_str!("recorded/squeue-20.11.4.txt")),
    ("22.05.8", include_str!("recorded/squeue-22.05.8.txt")),
    ("24.11.5", include_str!("recorded/squeue-24.11.5.txt")),
    ("25.11.2", include_str!("recorded/squeue-25.11.2.txt")),
    ("26.05.5", include_str!("recorded/squeue-26.05.5.txt")),
];

/// What `sacct` said of the same a moment later.
const RECORDS: &str = include_str!("recorded/sacct-24.11.5.txt");

#[test]
fn the_queue_of_each_version_says_the_same() {
    for (version, text) in RECORDED {
        let tasks = merged(Vec::new(), tasks(text));
        let found: Vec<_> = tasks
            .iter()
            .map(|task| {
                (
                    task.name.as_str(),
                    task.index(),
                    task.state,
                    task.reason.as_str(),
                )
            })
            .collect();
        let work = "fratmae-pilot.work";
        let expected = [
            ("fratmae-pilot.lead", 0, Running, ""),
            (work, 0, Ended, ""),
            (work, 1, Failed, "NonZeroExitCode"),
            (work, 2, Waiting, "BeginTime"),
            (work, 3, Failed, "CANCELLED"),
            (work, 4, Ending, ""),
            (work, 5, Running, ""),
            (work, 6, Running, ""),
            (work, 7, Running, "JobHeldAdmin"),
        ];
        assert_eq!(found, expected, "{version}");
    }
}

#[test]
fn of_a_requeued_task_the_last_record_counts() {
    let found = records(RECORDS);
    let found: Vec<_> = found
        .iter()
        .map(|task| (task.id.as_str(), task.state, task.reason.as_str()))
        .collect();
    let expected = [
        ("1", Running, ""),
        ("2_0", Ended, ""),
        ("2_1", Failed, "FAILED, exit code 75"),
        ("2_2", Running, ""),
        ("2_3", Failed, "CANCELLED"),
        ("2_4", Failed, "CANCELLED"),
    ];
    assert_eq!(found[..6], expected);
}

#[test]
fn nothing_and_noise_say_nothing() {
    for text in [
        "",
        "\n\n",
        "CLUSTER: one\n",
        "JOBID|STATE|REASON|NODELIST|NAME\n",
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
        "7_1 RUNNING None n1 fratmae-pilot.work\n",
        "7_[4-7%2]|PENDING|JobArrayTaskLimit||fratmae-pilot.work\n",
        "7.batch|RUNNING|0:0|n1|batch\n",
        "7|running|None|n1|x\n",
        "|||||||\n",
        "\u{0}\u{ff}|\n",
    ] {
        assert_eq!(tasks(text), [], "{text:?}");
        assert_eq!(records(text), [], "{text:?}");
    }
}

#[test]
fn a_state_that_is_new_is_unknown_and_not_an_end() {
    let tasks = tasks("7|BRAND_NEW|None|n1|fratmae-pilot.lead\n");
    assert_eq!(states(&tasks), [("7", Unknown, "BRAND_NEW", "n1")]);
}

#[test]
fn the_last_attempt_counts_and_the_queue_counts_for_more_than_the_past() {
    let past = "\
7_0|PREEMPTED|0:0|n1|fratmae-pilot.work
7_0|NODE_FAIL|0:0|n2|fratmae-pilot.work
7_1|CANCELLED by 1000|0:0|None assigned|fratmae-pilot.work
7_2|FAILED|75:0|n3|fratmae-pilot.work
";
    let past = records(past);
    assert_eq!(
        states(&past),
        [
            ("7_0", Failed, "NODE_FAIL", "n2"),
            ("7_1", Failed, "CANCELLED", ""),
            ("7_2", Failed, "FAILED, exit code 75", "n3"),
        ]
    );
    let now = tasks(
        "7_2|PENDING|BeginTime||fratmae-pilot.work\n7_10|RUNNING|None|n4|fratmae-pilot.work\n",
    );
    let merged = merged(past, now);
    assert_eq!(states(&merged)[2], ("7_2", Waiting, "BeginTime", ""));
    assert_eq!(states(&merged)[3], ("7_10", Running, "", "n4"));
}

#[test]
fn tasks_that_never_began_are_not_the_first_task() {
    let tasks = tasks("8|CANCELLED|None||x\n8_1|RUNNING|None|n1|x\n8_0|RUNNING|None|n1|x\n");
    let merged = merged(Vec::new(), tasks);
    let found = states(&merged);
    assert_eq!(found[0], ("8", Failed, "CANCELLED", ""));
    assert_eq!(found[1], ("8_0", Running, "", "n1"));
}

#[test]
fn a_name_may_hold_what_separates_fields() {
    let tasks = tasks("9|RUNNING|None|n1|a|b\n");
    assert_eq!(tasks[0].name, "a|b");
}

#[test]
fn what_is_about_to_end_has_not_ended() {
    let tasks = tasks("9|COMPLETING|None|n1|x\n10|COMPLETED|None|n1|x\n");
    assert_eq!(
        states(&tasks),
        [("9", Ending, "", "n1"), ("10", Ended, "", "n1")]
    );
}
