//! The manifest of a data set is what it was when the run began, on every host, or training does not begin.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use fratmae_tests::{
    Job, Undisturbed, address_of, coordinator_on, copy_folder, phantoms, scratch, worker,
};

/// A data set of the test's own, to be changed.
fn own_data(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    copy_folder(&phantoms().data, &data);
    data
}

fn manifest(data: &Path) -> PathBuf {
    data.join("manifest.json")
}

/// Changes the first patient's age by one byte: no digest of a case or of the data set notices.
fn change_age(data: &Path) {
    let mut bytes = std::fs::read(manifest(data)).unwrap();
    let key = b"\"age\": ";
    let at = bytes.windows(key.len()).position(|it| it == key);
    let digit = &mut bytes[at.unwrap() + key.len()];
    *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    std::fs::write(manifest(data), bytes).unwrap();
}

/// Takes the seal off, as data sets of earlier versions have none.
fn take_seal_off(data: &Path) {
    let text = std::fs::read_to_string(manifest(data)).unwrap();
    let (body, _) = text.rsplit_once(",\n  \"seal\"").unwrap();
    std::fs::write(manifest(data), format!("{body}\n}}\n")).unwrap();
}

fn job(data: &Path, run: &Path) -> Job {
    Job::on(&data.display().to_string(), &run.display().to_string())
}

#[test]
fn a_changed_byte_is_named_when_training_starts() {
    let folder = scratch();
    let data = own_data(folder.path());
    change_age(&data);
    let run = folder.path().join("run");
    let line = job(&data, &run).call().and("--quiet").run().only_line();
    assert!(
        line.contains("manifest.json was changed by hand or is damaged"),
        "{line}"
    );
    assert!(!run.join("config.json").exists(), "no run was begun");
}

#[test]
fn a_worker_whose_copy_was_changed_is_named_and_does_not_train() {
    for is_sealed in [true, false] {
        let folder = scratch();
        let data = own_data(folder.path());
        if !is_sealed {
            take_seal_off(&data);
        }
        let run = folder.path().join("run");
        let call = coordinator_on(&data, &run).and("--workers=1");
        let mut led = call.and("--set=coordinator.join_timeout_s=10").start();
        let address = address_of(&mut led);
        change_age(&data);
        let worker = worker(&address).start();
        let (ended, left) = (led.wait(), worker.wait());
        assert_ne!((ended.code, left.code), (Some(0), Some(0)));
        let said = &ended.stderr;
        assert!(said.contains("manifest.json"), "{said}");
        let expected = match is_sealed {
            true => "its seal is not that of its bytes",
            false => "at the coordinator: one of the copies is damaged or was changed",
        };
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_data_set_without_a_seal_is_read_with_a_note_and_a_later_change_is_named() {
    let folder = scratch();
    let data = own_data(folder.path());
    take_seal_off(&data);
    let run = folder.path().join("run");
    let job = job(&data, &run);
    let undisturbed = Undisturbed::of(Job::tiny);
    let outcome = job.finish();
    assert_eq!(outcome.digest(), undisturbed.digest);
    let said = &outcome.finished.stderr;
    assert!(said.contains("has no seal"), "{said}");
    change_age(&data);
    let line = job.call().and("--quiet").run().only_line();
    assert!(
        line.contains("manifest.json") && line.contains("when run"),
        "{line}"
    );
}
