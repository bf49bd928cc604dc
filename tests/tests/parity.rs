//! The model beside PyTorch: every stage, every gradient, ten optimizer steps; CLIP's text encoder; weights there and back.
//!
//! What is computed there is in `tests/parity/*.py`; without a Python that has PyTorch nothing is tried.

use std::path::Path;
use std::process::Command;

use fratmae_tests::{Job, fratmae, program, scratch, skip, variable};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/parity");
/// Runs the model on what Python gives it; `tests/src/bin/parity` describes its inputs and outputs.
const PARITY: &str = env!("CARGO_BIN_EXE_parity");
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

/// The Python that `cargo xtask parity` installs, or another one that has PyTorch.
fn python(test: &str) -> Option<String> {
    let Some(python) = variable("FRATMAE_TEST_PYTHON") else {
        skip(
            test,
            "FRATMAE_TEST_PYTHON names no Python; `cargo xtask parity` installs one with PyTorch",
        );
        return None;
    };
    let probe = ["-c", "import torch, safetensors"];
    let found = Command::new(&python).args(probe).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skip(test, &format!("{python} has no torch and safetensors"));
    None
}

/// Runs a script, which shows what it finds; it must succeed.
fn run(python: &str, script: &str, arguments: &[&Path]) {
    let mut command = Command::new(python);
    command.arg(script).args(arguments);
    // The scripts lie in the source tree, which stays as it is.
    let status = command.env("PYTHONDONTWRITEBYTECODE", "1").status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{script} failed"
    );
}

#[test]
fn every_stage_gradient_and_step_is_pytorchs() {
    let Some(python) = python("parity with PyTorch") else {
        return;
    };
    let work = scratch();
    let script = format!("{SCRIPTS}/parity.py");
    let (program, parity) = (program(), Path::new(PARITY));
    run(&python, &script, &[&program, parity, work.path()]);
}

#[test]
fn clips_text_encoder_is_transformers() {
    let Some(python) = python("CLIP beside transformers") else {
        return;
    };
    let work = scratch();
    let script = format!("{SCRIPTS}/clip.py");
    let (program, parity) = (program(), Path::new(PARITY));
    run(&python, &script, &[&program, parity, work.path()]);
}

#[test]
fn exported_encoders_load_into_pytorch_and_come_back() {
    let Some(python) = python("encoders in PyTorch") else {
        return;
    };
    let work = scratch();
    let run_folder = work.path().join("run");
    let outcome = Job::tiny(&run_folder).set("train.steps=2").finish();
    let out = work.path().join("weights");
    let call = fratmae(["export"]).and(&run_folder).and("--out").and(&out);
    let output = call.and("--json").run().succeeded().json();
    assert_eq!(output["weights_digest"], outcome.digest());
    let script = format!("{SCRIPTS}/round_trip.py");
    let (program, parity, docs) = (program(), Path::new(PARITY), Path::new(DOCS));
    run(
        &python,
        &script,
        &[&program, parity, &out, docs, work.path()],
    );
}
