//! A run's records prove it and its steps can be computed again to the bit; what was changed afterwards is named.

mod forging;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use forging::{FORGERIES, Forged, prepare_fewer};
use fratmae_tests::{Call, Job, Signal, copy_folder, fratmae, phantoms, scratch, send, status};
use serde_json::Value;

/// A job of 60 steps that keeps all its checkpoints, one every four steps.
fn long(run: &Path) -> Job {
    let job = Job::long(run).set("train.steps=60");
    job.set("checkpoint.keep_last=99").told_as_json()
}

/// Trains it on three workers, of which two die and the coordinator once.
fn disturbed(run: &Path) {
    let job = long(run).workers(3);
    let mut running = job.start();
    running.runs_until_step(9);
    send(running.children()[1], Signal::SIGKILL);
    running.runs_until_step(25);
    running.kill_all();
    running.wait();
    let mut running = job.start();
    running.runs_until_step(43);
    send(running.children()[2], Signal::SIGKILL);
    running.wait().succeeded();
}

fn audit(run: &Path) -> Call {
    fratmae(["audit"]).and(run)
}

fn replay(run: &Path, steps: &str) -> Call {
    fratmae(["replay", "--steps", steps]).and(run)
}

fn texts(values: &Value) -> Vec<String> {
    let values = values.as_array().into_iter().flatten();
    values
        .map(|value| value.as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn steps_of_a_disturbed_run_come_to_the_same_bits_on_one_worker_and_on_three() {
    let folder = scratch();
    let run = folder.path().join("run");
    disturbed(&run);
    let call = audit(&run).and("--replay=20").and("--seed=5").and("--json");
    let proofs = ["1", "3"].map(|workers| {
        let audited = call
            .clone()
            .and("--workers")
            .and(workers)
            .run()
            .succeeded()
            .json();
        assert_eq!(audited["is_sound"], true, "{audited}");
        audited["provenance"].clone()
    });
    for (proof, workers) in proofs.iter().zip([1, 3]) {
        let replayed = &proof["replay"];
        assert_eq!(
            replayed["drawn"].as_array().map(Vec::len),
            Some(20),
            "{replayed}"
        );
        assert!(replayed["among"].as_u64() >= Some(20), "{replayed}");
        assert_eq!(replayed["ranks"], workers, "{replayed}");
        assert!(replayed["computed"].as_u64() >= Some(20), "{replayed}");
        assert!(
            replayed["weights_compared"].as_array().unwrap().len() >= 3,
            "{replayed}"
        );
        assert_eq!(
            (&proof["step"], &proof["samples"]),
            (&60.into(), &(60 * 16).into())
        );
        assert_eq!(proof["course"]["coordinators"], 2, "{proof}");
        assert!(
            proof["course"]["generations"].as_u64() >= Some(4),
            "{proof}"
        );
        assert_eq!(
            proof["workers"].as_array().map(Vec::len),
            Some(1),
            "{proof}"
        );
        assert_eq!(proof["proved"].as_array().map(Vec::len), Some(8), "{proof}");
    }
    assert_eq!(proofs[0]["replay"]["drawn"], proofs[1]["replay"]["drawn"]);
    let digest = status(&run.display().to_string())["summary"]["weights_digest"].clone();
    for workers in ["1", "3"] {
        let whole = replay(&run, "1..60")
            .and("--json")
            .and("--workers")
            .and(workers);
        let whole = whole.run().succeeded().json();
        assert_eq!(whole["is_from_first_weights"], true);
        assert_eq!(whole["weights_digest"], digest, "{workers} workers");
        assert_eq!(whole["steps"].as_array().map(Vec::len), Some(60));
    }
}

#[test]
fn each_sample_of_a_step_is_shown_by_itself_and_they_add_up() {
    let folder = scratch();
    let run = folder.path().join("run");
    Job::tiny(&run).finish();
    let out = folder.path().join("out");
    let call = replay(&run, "5..6").and("--samples").and("--out").and(&out);
    let shown = call.clone().and("--json").run().succeeded().json();
    let written = std::fs::read_to_string(out.join("replay.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), shown);
    assert_eq!(shown["began_after"], 3);
    let samples = shown["samples"].as_array().unwrap();
    for (step, recorded) in [(5, 1), (6, 2)] {
        let of_step: Vec<_> = samples.iter().filter(|it| it["step"] == step).collect();
        let positions: BTreeSet<_> = of_step
            .iter()
            .filter_map(|it| it["position"].as_u64())
            .collect();
        let first = (step - 1) * 16;
        assert_eq!(positions, (first..first + 16).collect());
        let error = |it: &&Value| it["metrics"]["reconstruction"].as_f64().unwrap();
        let mean = of_step.iter().map(error).sum::<f64>() / 16.0;
        let whole = shown["steps"][recorded]["reconstruction"].as_f64().unwrap();
        assert!((mean - whole).abs() < 1e-6 * whole, "{mean} {whole}");
        let norms: Vec<_> = of_step
            .iter()
            .map(|it| it["gradient_norm"].as_f64().unwrap())
            .collect();
        assert!(
            norms.is_sorted_by(|one, other| one >= other) && norms[15] > 0.0,
            "{norms:?}"
        );
        // Each hides one modality, and has an error of that one alone.
        let has = |it: &&Value, name: &str| it["metrics"][name].is_number();
        assert!(
            of_step
                .iter()
                .all(|it| has(it, "pet_reconstruction") != has(it, "ct_reconstruction"))
        );
        for position in positions {
            let picture = out.join(format!("step-{step:012}-position-{position:012}.png"));
            assert!(picture.is_file(), "{}", picture.display());
        }
    }
    let table = call.run().succeeded().stdout;
    for text in [
        "gradient norm",
        "same bits",
        "from the checkpoint of step 3",
        "as recorded",
    ] {
        assert!(table.contains(text), "{text} in {table}");
    }
}

#[test]
fn what_cannot_be_replayed_is_one_line() {
    let folder = scratch();
    let run = folder.path().join("run");
    Job::tiny(&run).set("checkpoint.every=1").finish();
    let origin = format!("{}@3", run.display());
    let fork = folder.path().join("fork");
    let job = Job::tiny(&fork).fork(&origin).set("train.steps=12");
    job.set("checkpoint.every=1")
        .set("checkpoint.keep_last=2")
        .finish();
    for (call, expected) in [
        (replay(&run, "5..9"), "has steps 1 to 6, not 9"),
        (
            replay(&run, "6").and("--workers=9"),
            "at most 8 workers can replay it",
        ),
        (replay(&fork, "3"), "has steps 4 to 12, not 3"),
        (replay(&fork, "5"), "step 5 of "),
        (
            replay(&run, "6").and("--data").and(folder.path()),
            "manifest.json is missing",
        ),
        (replay(folder.path(), "6"), "no run at"),
    ] {
        let line = call.run().only_line();
        assert!(line.contains(expected), "{expected} in {line}");
    }
    replay(&fork, "12").run().succeeded();
}

#[test]
fn forks_rollbacks_and_interrupted_runs_are_sound_up_to_where_they_are() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = || {
        Job::tiny(&run)
            .set("train.steps=8")
            .set("checkpoint.keep_last=99")
    };
    job().set("checkpoint.every=2").finish();
    let origin = format!("{}@4", run.display());
    let fork = folder.path().join("fork");
    Job::tiny(&fork).fork(&origin).set("train.batch=8").finish();
    let forked = audit(&fork)
        .and("--replay=9")
        .and("--json")
        .run()
        .succeeded()
        .json();
    let proof = &forked["provenance"];
    assert_eq!(proof["forked_from"]["step"], 4, "{proof}");
    assert_eq!(
        (&proof["samples"], &proof["replay"]["computed"]),
        (&80.into(), &2.into())
    );
    let back = fratmae(["checkpoint", "rollback", "--to=4"]).and(&run);
    back.run().succeeded();
    let stopped = audit(&run).and("--json").run().succeeded().json();
    let proof = &stopped["provenance"];
    assert_eq!(
        (&proof["step"], &proof["course"]["rollbacks"]),
        (&4.into(), &1.into())
    );
    let not_proved = texts(&proof["not_proved"]);
    assert!(
        not_proved
            .iter()
            .any(|line| line.contains("has not finished")),
        "{not_proved:?}"
    );
    job().set("checkpoint.every=3").workers(3).finish();
    let audited = audit(&run).and("--replay=8").run().succeeded().stdout;
    assert!(audited.contains("sound: 8 steps, 128 samples"), "{audited}");
}

#[test]
fn a_provenance_goes_with_the_weights_that_it_speaks_of_and_names_no_case_and_no_place() {
    let folder = scratch();
    let run = folder.path().join("run");
    Job::tiny(&run).set("train.steps=4").finish();
    let out = folder.path().join("weights");
    let export = |step: &str| {
        let call = fratmae(["export", "--json", "--step", step]).and(&run);
        call.and("--out").and(&out).run().succeeded().json()
    };
    assert_eq!(export("4")["has_provenance"], false);
    audit(&run).run().succeeded();
    let exported = export("4");
    assert_eq!(exported["has_provenance"], true);
    let text = std::fs::read_to_string(out.join("provenance.json")).unwrap();
    assert_eq!(
        text,
        std::fs::read_to_string(run.join("provenance.json")).unwrap()
    );
    let manifest = std::fs::read_to_string(phantoms().data.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let cases = manifest["cases"].as_array().unwrap().iter();
    let cases = cases.map(|case| case["case_id"].as_str().unwrap());
    let host = folder.path().display().to_string();
    for secret in cases.chain([host.as_str(), "127.0.0.1"]) {
        assert!(!text.contains(secret), "{secret}");
    }
    // The run is taken back and goes another way: what was proved is of other weights.
    fratmae(["checkpoint", "rollback", "--to=3"])
        .and(&run)
        .run()
        .succeeded();
    let record = run.join("provenance.json");
    let stale = text.replace(exported["weights_digest"].as_str().unwrap(), "0");
    std::fs::write(record, stale).unwrap();
    assert_eq!(export("3")["has_provenance"], true);
    Job::tiny(&run).set("train.steps=4").finish();
    assert_eq!(export("4")["has_provenance"], false);
    assert!(!out.join("provenance.json").exists());
}

#[test]
fn every_forgery_is_named() {
    let folder = scratch();
    let sound = folder.path().join("sound");
    Job::tiny(&sound).finish();
    let fewer = folder.path().join("fewer");
    prepare_fewer(folder.path(), &fewer);
    for (number, (expected, forge)) in FORGERIES.iter().enumerate() {
        let run = folder.path().join(format!("run-{number}"));
        let data = folder.path().join(format!("data-{number}"));
        copy_folder(&sound, &run);
        copy_folder(&phantoms().data, &data);
        forge(&Forged {
            run: run.clone(),
            data: data.clone(),
            fewer: fewer.clone(),
        });
        let call = audit(&run).and("--json").and("--data").and(&data);
        let audited = call.run();
        let line = audited.error_line();
        assert!(line.contains("is not sound: "), "{line}");
        let found = audited.json()["findings"].clone();
        let found = found.as_array().into_iter().flatten();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let found = found.map(|it| format!("{}: {}", text(it, "check"), text(it, "what")));
        let found: Vec<String> = found.collect();
        assert!(
            found.iter().any(|it| it.contains(expected)),
            "{expected} in {found:#?}"
        );
        assert!(!run.join("provenance.json").exists(), "{expected}");
    }
    let audited = audit(&sound).run().succeeded();
    assert!(!audited.stdout.contains("FAILS"), "{}", audited.stdout);
}

#[test]
fn a_forgery_that_all_records_agree_on_is_found_by_computing_again() {
    let folder = scratch();
    let run = folder.path().join("run");
    Job::tiny(&run).set("train.steps=9").finish();
    let forged = Forged {
        run: run.clone(),
        data: PathBuf::new(),
        fewer: PathBuf::new(),
    };
    forged.change_moment(true);
    let shown = audit(&run).run().succeeded().stdout;
    assert!(shown.contains("recorded, not proved"), "{shown}");
    let line = audit(&run).and("--replay=9").run().error_line();
    assert!(
        line.contains("is not sound: replay: step 5: loss was "),
        "{line}"
    );
    let line = replay(&run, "6").run().error_line();
    assert!(
        line.contains("2 of 3 steps are not as recorded, the first is step 5: "),
        "{line}"
    );
    replay(&run, "1..3").run().succeeded();
}
