//! A checkpoint is there when its manifest is, every part of it is checked, and a damaged one costs only its steps.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use fratmae_tests::{Job, committed_steps, fratmae, scratch};
use serde_json::Value;

fn checkpoint(words: &[&str], run: &Path) -> fratmae_tests::Finished {
    let call = fratmae(["checkpoint"]);
    words
        .iter()
        .fold(call, |call, word| call.and(word))
        .and(run)
        .run()
}

fn folder_of_step(run: &Path, step: u64) -> PathBuf {
    let prefix = format!("step-{step:012}.");
    let folders = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let mut named = folders
        .map(|folder| folder.unwrap().path())
        .filter(|folder| {
            folder
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(&prefix)
        });
    named.next().unwrap()
}

fn newest_part(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|end| end == "safetensors"))
        .max()
        .unwrap()
}

fn flip_a_byte(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_finished_run_has_sound_checkpoints_in_several_parts() {
    let folder = scratch();
    let run = folder.path().join("run");
    let outcome = Job::tiny(&run).finish();
    assert_eq!(committed_steps(&run), [3, 6]);
    checkpoint(&["verify", "--all"], &run).succeeded();
    let listed = checkpoint(&["list", "--json"], &run).succeeded().json();
    let lines = listed["checkpoints"].as_array().unwrap();
    let steps: Vec<_> = lines
        .iter()
        .map(|line| line["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [3, 6]);
    assert!(lines[1]["parts"].as_u64() > Some(1), "{listed}");
    assert_eq!(
        lines[1]["weights_digest"],
        outcome.figures["weights_digest"]
    );
    assert_eq!(lines[1]["loss"], outcome.figures["loss"]);
    let shown = checkpoint(&["show", "--json"], &run).succeeded().json();
    assert_eq!(shown["weights_digest"], outcome.figures["weights_digest"]);
}

#[test]
fn a_flipped_byte_is_named_and_the_next_run_walks_back_to_the_checkpoint_before() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run);
    let digest = job.finish().digest().to_owned();
    let part = newest_part(&folder_of_step(&run, 6));
    flip_a_byte(&part, std::fs::metadata(&part).unwrap().len() as usize - 1);

    let name = part.file_name().unwrap().to_str().unwrap();
    let line = checkpoint(&["verify", "--quiet"], &run).only_line();
    assert!(line.contains(name), "{line}");
    checkpoint(&["verify", "--step=3"], &run).succeeded();

    let again = job.finish();
    assert_eq!(again.digest(), digest);
    let said = &again.finished.stderr;
    let passed_over = said.lines().find(|line| line.contains("passed over"));
    assert!(
        passed_over.is_some_and(|line| line.contains(name)),
        "{said}"
    );
    let resumed = said.lines().find(|line| line.contains("step 3"));
    assert!(resumed.is_some(), "it says where it goes on from:\n{said}");
    checkpoint(&["verify"], &run).succeeded();
}

#[test]
fn damage_in_the_header_or_the_length_of_a_part_is_seen_as_well() {
    let folder = scratch();
    let run = folder.path().join("run");
    Job::tiny(&run).finish();
    let part = newest_part(&folder_of_step(&run, 6));
    let whole = std::fs::read(&part).unwrap();
    let damages: [&dyn Fn(); 4] = [
        &|| flip_a_byte(&part, 0),
        &|| flip_a_byte(&part, 20),
        &|| std::fs::write(&part, &whole[..whole.len() - 1]).unwrap(),
        &|| std::fs::remove_file(&part).unwrap(),
    ];
    for damage in damages {
        damage();
        let line = checkpoint(&["verify", "--quiet"], &run).only_line();
        assert!(
            line.contains(part.file_name().unwrap().to_str().unwrap()),
            "{line}"
        );
        std::fs::write(&part, &whole).unwrap();
    }
    checkpoint(&["verify"], &run).succeeded();
}

#[test]
fn of_many_checkpoints_the_newest_are_kept_and_the_multiples_and_the_rest_is_gone() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run)
        .set("checkpoint.every=1")
        .set("checkpoint.keep_last=2")
        .set("checkpoint.keep_every=3")
        .set("checkpoint.delete_after_s=0");
    let digest = job.finish().digest().to_owned();
    assert_eq!(committed_steps(&run), [3, 5, 6]);
    let folders = std::fs::read_dir(run.join("checkpoints")).unwrap();
    assert_eq!(folders.count(), 3);
    checkpoint(&["verify", "--all"], &run).succeeded();
    std::fs::remove_file(folder_of_step(&run, 6).join("manifest.json")).unwrap();
    assert_eq!(job.finish().digest(), digest);
    checkpoint(&["verify", "--all"], &run).succeeded();
}

#[test]
fn parts_without_a_manifest_are_no_checkpoint() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run);
    let digest = job.finish().digest().to_owned();
    std::fs::remove_file(folder_of_step(&run, 6).join("manifest.json")).unwrap();
    let listed = checkpoint(&["list", "--json"], &run).succeeded().json();
    let steps: Vec<&Value> = listed["checkpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["step"])
        .collect();
    assert_eq!(steps, [3]);
    checkpoint(&["verify", "--all"], &run).succeeded();
    assert_eq!(job.finish().digest(), digest);
}
