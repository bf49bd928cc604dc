//! `cargo xtask fuzz`: runs libFuzzer over every target in turn, from the seeds and the kept corpus; it judges no input.

mod log;
mod plan;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::program;
pub(crate) use plan::Plan;

/// The package with libFuzzer's programs.
const PACKAGE: &str = "tests/fuzz/libfuzzer";
/// Longest input that is tried, in bytes: longer ones find nothing that these do not, only slower.
const LONGEST: u32 = 65_536;
/// Seconds after which an input counts as one that never ends.
const NEVER_ENDS: u32 = 20;
/// MiB of memory of the whole process; each target keeps a tighter bound of its own.
const MEMORY: u32 = 4096;

/// Runs the plan: a fair share of its time for each of its targets.
///
/// New inputs gather in `target/fuzz/inputs`; one that breaks a promise goes to `target/fuzz/found` and ends its target.
///
/// # Errors
/// cargo-fuzz is not installed, a target does not build, or there is no target of the name.
pub(crate) fn run(plan: &Plan) -> Result<ExitCode> {
    let targets = chosen(plan)?;
    let folder = program::root().join("target/fuzz");
    prepare(&folder)?;
    let seconds = plan.seconds_each(targets.len());
    let mut broken = Vec::new();
    for target in &targets {
        let started = Instant::now();
        let log = folder.join("logs").join(format!("{target}.log"));
        let is_sound = fuzz(target, seconds, &folder, &log)?;
        let figures = log::figures(&fs::read_to_string(&log).unwrap_or_default());
        println!(
            "fuzz: {target}: {figures}, {} s{}",
            started.elapsed().as_secs(),
            if is_sound { "" } else { ": BROKEN" }
        );
        if !is_sound {
            broken.push(target.as_str());
        }
    }
    if broken.is_empty() {
        println!("fuzz: no promise was broken");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "fuzz: broken: {}; the inputs are in target/fuzz/found, what happened in target/fuzz/logs. \
         Mend it, and keep the input in tests/fuzz/corpus/TARGET",
        broken.join(", ")
    );
    Ok(ExitCode::FAILURE)
}

/// Names the targets of the plan: those of its name, or all.
fn chosen(plan: &Plan) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(program::root().join(PACKAGE).join("targets"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".rs").map(str::to_owned));
    }
    names.sort();
    match &plan.target {
        None => Ok(names),
        Some(target) if names.contains(target) => Ok(vec![target.clone()]),
        Some(target) => bail!("there is no target `{target}`, only: {}", names.join(", ")),
    }
}

/// Builds the programs and writes the inputs to begin with.
fn prepare(folder: &std::path::Path) -> Result<()> {
    fs::create_dir_all(folder.join("logs"))?;
    let mut build = cargo_fuzz("build");
    let built = program::watch(&mut build).context("cargo itself must be there")?;
    if !built.success() {
        bail!("the targets do not build; cargo-fuzz is needed: `cargo install cargo-fuzz`");
    }
    let inputs = folder.join("inputs");
    let mut unpack = program::cargo(&[
        "run",
        "--release",
        "--locked",
        "--quiet",
        "-p",
        "fratmae-fuzz",
        "--",
    ]);
    unpack.arg("unpack").arg(&inputs);
    if !program::watch(&mut unpack)?.success() {
        bail!("the inputs cannot be written to {}", inputs.display());
    }
    Ok(())
}

/// Fuzzes one target for so long; says whether it kept its promises.
fn fuzz(target: &str, seconds: u64, folder: &std::path::Path, log: &PathBuf) -> Result<bool> {
    let root = program::root();
    let (inputs, found) = (
        folder.join("inputs").join(target),
        folder.join("found").join(target),
    );
    fs::create_dir_all(&found)?;
    let mut run = cargo_fuzz("run");
    run.arg(target).arg(&inputs).arg("--").args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST}"),
        format!("-timeout={NEVER_ENDS}"),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-artifact_prefix={}/", found.display()),
        "-print_final_stats=1".to_owned(),
    ]);
    let words = root
        .join(PACKAGE)
        .join("words")
        .join(format!("{target}.dict"));
    if words.is_file() {
        run.arg(format!("-dict={}", words.display()));
    }
    run.stderr(fs::File::create(log)?);
    Ok(program::watch(&mut run)?.success())
}

/// Prepares a call of cargo-fuzz. No sanitizer: all our code is safe Rust, and so it runs on the stable compiler.
fn cargo_fuzz(verb: &str) -> Command {
    let mut command = program::cargo(&["fuzz", verb, "--fuzz-dir", PACKAGE, "--sanitizer", "none"]);
    command.args(["--target-dir", "target/fuzz/build"]);
    command
}
