//! What a test does otherwise than a reader: commands that it leaves to others, and words that are another thing here.

use crate::examples::Example;

/// Beginnings of commands that do not run here, and why.
const APART: &[(&str, &str)] = &[
    (
        "cargo xtask",
        "builds, tests or measures the project itself",
    ),
    ("cargo build", "builds the project itself"),
    ("cargo test", "tests the project itself"),
    ("cargo fuzz", "needs cargo-fuzz"),
    (
        "cargo run --release -p fratmae-fuzz",
        "makes the archive of fuzzed inputs anew",
    ),
    (
        "cargo install",
        "installs a tool of the project's developers",
    ),
    (
        "cargo build --release --workspace --bin fratmae-benches",
        "measures for minutes",
    ),
    ("docker ", "needs Docker"),
    (
        "fratmae launch --on",
        "starts processes that outlive it; tests/tests/launch.rs does",
    ),
    (
        "fratmae launch status",
        "needs a launched run, as tests/tests/launch.rs has",
    ),
    ("fratmae launch logs", "likewise"),
    ("fratmae launch resize", "likewise"),
    ("fratmae launch stop", "likewise"),
    ("fratmae launch reap", "likewise"),
    ("fratmae launch doctor --on kubernetes", "needs a cluster"),
    ("fratmae launch doctor --on slurm", "likewise"),
    (
        "fratmae serve",
        "serves until it is stopped; tests/tests/page.rs asks it",
    ),
    ("tar ", "unpacks what was built for a machine with a GPU"),
    ("python3 benches/gpu.py", "measures a GPU"),
    ("export AWS_", "holds the reader's credentials"),
    (
        "LIB=",
        "tests/tests/nccl.rs builds the library and runs with it",
    ),
    (
        "FRATMAE_STANDIN=",
        "tests/tests/nccl.rs runs with the library",
    ),
];

/// Words that stand for something else here.
const INSTEAD: &[(&str, &str)] = &[
    // Loopback has room for more machines than one.
    ("10.0.0.", "127.77.0."),
    // The quickstart's example has that run already.
    (
        "--run s3://bucket/run --workers 8",
        "--run s3://bucket/run-8 --workers 8",
    ),
    // Without S3 a folder; tests/tests/s3.rs has the rest.
    ("s3://bucket", "./bucket"),
    // Pods see no folder of this machine.
    (
        "plan --on kubernetes job.toml",
        "plan --on kubernetes job.toml --run s3://bucket/pods --data s3://bucket/data --set launch.image=fratmae",
    ),
    ("/archive/dicom", "archive/dicom"),
    // The folder of the table's cases is taken.
    (
        "--layout dicom --out data/mine",
        "--layout dicom --out data/dicom",
    ),
    (
        "model pictures runs/quickstart/run --data data/held-out",
        "model pictures runs/quickstart/run --data runs/quickstart/data",
    ),
    // Minutes are seconds, thousands are two.
    ("--for 30s", "--for 2s"),
    ("--for 10m", "--for 2s"),
    ("--for 5m", "--for 2s"),
    ("--every 3s", "--every 1s"),
    ("--cases 64", "--cases 2"),
    ("--step 4000", "--step 2"),
    ("--steps 4001..4020", "--steps 1..2"),
    // Runs here are shorter.
    ("rollback runs/mine --to 40", "rollback runs/mine --to 1"),
    ("--step 40", "--step 20"),
    ("--since STEP", "--since 1"),
    // The job's own run is another example's.
    (
        "--config job.toml --page",
        "--config job.toml --run runs/paged --page",
    ),
    (
        "job.toml --tensorboard",
        "job.toml --run runs/boards --tensorboard",
    ),
    (
        "coordinator --config job.toml --keys",
        "coordinator --config job.toml --run runs/keyed --keys",
    ),
    (
        "coordinator --config job.toml --listen",
        "coordinator --config job.toml --run runs/several --listen",
    ),
    (
        "coordinator job.toml --listen",
        "coordinator job.toml --run runs/advertised --listen",
    ),
    (
        "coordinator job.toml --workers 2:8",
        "coordinator job.toml --run runs/growing --workers 2:4",
    ),
    // Placeholders.
    (
        "SOURCE --layout auto",
        "cases.csv --out data/layout --layout auto",
    ),
    ("chaos RUN", "chaos runs/chaos --for 2s"),
    ("SERIES", "study/4.0-PET"),
    ("URL", "data/mine"),
    (" CASE ", " case_1 "),
    ("--case ID", "--case case_1"),
    ("--out FILE", "--out case.nii.gz"),
    ("--config FILE", "--config job.toml"),
    (" RUN", " runs/quickstart/run"),
    ("--out DIR", "--out weights"),
];

/// Parts of commands that end with failure on a machine such as this, and the code.
const FAILS: &[(&str, i32)] = &[
    // There is no GPU.
    ("workers.device=cuda", 1),
    // No coordinator leads the run; tests/tests/saving.rs saves.
    ("checkpoint save", 1),
    // No coordinator leads the run.
    ("trace ./bucket/run-1 --live", 1),
    ("trace RUN --live", 1),
    ("trace runs/quickstart/run --live", 1),
];

/// Commands that make what others look at, in their order.
const FIRST: [&str; 4] = [
    "fratmae phantom",
    "fratmae prepare",
    "cargo run",
    "fratmae pretrain",
];

/// Why a command does not run here, if it does not.
pub(crate) fn apart(line: &str) -> Option<&'static str> {
    let rule = APART
        .iter()
        .find(|(beginning, _)| line.starts_with(beginning));
    rule.map(|(_, reason)| *reason)
}

/// Rules that none of the commands that do not run here falls under.
pub(crate) fn unused(apart: &[Example]) -> impl Iterator<Item = &'static str> + '_ {
    let is_used = |beginning: &str| {
        apart
            .iter()
            .any(|example| example.line.starts_with(beginning))
    };
    let rules = APART.iter().map(|(beginning, _)| *beginning);
    rules.filter(move |beginning| !is_used(beginning))
}

/// Those that make things first, else as they were.
pub(crate) fn ordered(mut examples: Vec<Example>) -> Vec<Example> {
    let place = |line: &str| FIRST.iter().position(|first| line.starts_with(first));
    // What begins from weights comes after their export.
    let place = |line: &str| place(line).filter(|_| !line.contains("init_from"));
    examples.sort_by_key(|example| place(&example.line).unwrap_or(FIRST.len()));
    examples
}

/// A command as it is typed here.
pub(crate) fn here(line: &str) -> String {
    let line = synopsis(line);
    INSTEAD
        .iter()
        .fold(line, |line, (from, to)| line.replace(from, to))
}

/// A synopsis without what is optional, and with the first of alternatives.
fn synopsis(line: &str) -> String {
    if line.contains("| ") || line.contains('\n') {
        return line.to_owned();
    }
    let words = line.split(' ').scan(false, |is_optional, word| {
        *is_optional |= word.starts_with('[');
        let is_kept = !*is_optional;
        *is_optional &= !word.ends_with(']');
        Some(is_kept.then(|| word.split('|').next().unwrap_or(word)))
    });
    words.flatten().collect::<Vec<_>>().join(" ")
}

/// How a command should end.
pub(crate) fn code(line: &str) -> i32 {
    FAILS
        .iter()
        .find(|(part, _)| line.contains(part))
        .map_or(0, |(_, code)| *code)
}

#[test]
fn a_synopsis_becomes_a_command() {
    assert_eq!(
        here("fratmae export RUN --out DIR [--step N]"),
        "fratmae export runs/quickstart/run --out weights"
    );
    assert_eq!(
        here("fratmae x --layout auto|table"),
        "fratmae x --layout auto"
    );
    assert_eq!(here("fratmae x | sha256sum"), "fratmae x | sha256sum");
}
