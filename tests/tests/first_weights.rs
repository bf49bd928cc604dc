//! A file of first weights is needed where first weights are made, and never again: the digest in the run stands for it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use fratmae_model::TensorFile;
use fratmae_tests::{Job, copy_folder, fratmae, scratch};

/// A file of weights, of a run of one step.
fn exported(folder: &Path) -> PathBuf {
    let run = folder.join("first");
    Job::tiny(&run).set("train.steps=1").finish();
    let out = folder.join("weights");
    fratmae(["export"])
        .and(&run)
        .and("--out")
        .and(&out)
        .run()
        .succeeded();
    out.join("model.safetensors")
}

/// The text encoder in an export, under CLIP's names.
fn clip_of(export: &Path, to: &Path) {
    let file = TensorFile::read("export", &std::fs::read(export).unwrap()).unwrap();
    let tensors = file.tensors.into_iter();
    let text =
        tensors.filter_map(|(name, tensor)| Some((name.strip_prefix("text.")?.to_owned(), tensor)));
    let clip = TensorFile {
        tensors: text.collect(),
        ..TensorFile::default()
    };
    std::fs::write(to, clip.to_bytes().unwrap()).unwrap();
}

/// Takes the last checkpoint of a finished run away, so that it has steps to make again.
fn go_back(run: &Path) {
    let folders = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let newest = folders.map(|folder| folder.unwrap().path()).max().unwrap();
    std::fs::remove_dir_all(newest).unwrap();
}

/// The digest of the first weights that a run keeps.
fn digest_of(run: &Path, pointer: &str) -> String {
    let text = std::fs::read_to_string(run.join("config.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file.pointer(pointer).unwrap().as_str().unwrap().to_owned()
}

/// A run with a checkpoint goes on without the file, however the job speaks of it; without a checkpoint it does not begin.
fn goes_on_without(key: &str, digest_key: &str, file: &Path, folder: &Path) {
    let run = folder.join("run");
    let from = format!("{key}={}", file.display());
    let whole = Job::tiny(&run).set(&from).finish();
    go_back(&run);
    let pointer = format!("/config/{}", digest_key.replace('.', "/"));
    let digest = digest_of(&run, &pointer);
    let moved = folder.join("moved");
    std::fs::rename(file, &moved).unwrap();
    let named = format!("{digest_key}={digest}");
    for (name, sets) in [
        ("named", &[from.as_str()][..]),
        ("silent", &[]),
        ("digest", &[named.as_str()]),
        ("both", &[from.as_str(), named.as_str()]),
    ] {
        let copy = folder.join(name);
        copy_folder(&run, &copy);
        let job = sets.iter().fold(Job::tiny(&copy), |job, set| job.set(set));
        let again = job.workers(3).finish();
        assert_eq!(again.digest(), whole.digest(), "{key} {name}");
        let said = &again.finished.stderr;
        assert!(said.contains("step 3"), "{said}");
    }
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let line = Job::tiny(&run).set(&from).call().run().error_line();
    assert!(line.contains(&format!("cannot read {key} = ")), "{line}");
    let line = Job::tiny(&run).call().run().error_line();
    assert!(
        line.contains("no checkpoint yet") && line.contains(key),
        "{line}"
    );
    std::fs::rename(&moved, file).unwrap();
    let anew = Job::tiny(&run).set(&from).finish();
    assert_eq!(anew.digest(), whole.digest(), "{key} from the beginning");
}

#[test]
fn a_checkpoint_is_enough_where_all_weights_came_from_a_file() {
    let folder = scratch();
    let file = exported(folder.path());
    goes_on_without("model.init_from", "model.init_digest", &file, folder.path());
}

#[test]
fn a_checkpoint_is_enough_where_the_text_encoder_came_from_a_file_and_is_frozen() {
    let folder = scratch();
    let file = folder.path().join("clip.safetensors");
    clip_of(&exported(folder.path()), &file);
    let (key, digest) = ("model.text.weights", "model.text.weights_digest");
    goes_on_without(key, digest, &file, folder.path());
}

#[test]
fn a_new_run_needs_the_file_and_leaves_nothing_behind_without_it() {
    let folder = scratch();
    let run = folder.path().join("run");
    for (sets, expected) in [
        (
            &["model.init_from=/no/such/file"][..],
            "cannot read model.init_from = /no/such/file: ",
        ),
        (
            &["model.text.weights=/", "model.init_digest=abc"],
            "cannot read model.text.weights = /: ",
        ),
        (
            &["model.init_digest=abc"],
            "a file with digest abc; name that file with model.init_from",
        ),
    ] {
        let job = sets.iter().fold(Job::tiny(&run), |job, set| job.set(set));
        let line = job.call().run().error_line();
        assert!(line.contains(expected), "{line}");
        assert!(!run.join("config.json").exists(), "{line}");
    }
}

#[test]
fn another_file_at_the_same_place_is_named() {
    let folder = scratch();
    let file = exported(folder.path());
    let run = folder.path().join("run");
    let from = format!("model.init_from={}", file.display());
    Job::tiny(&run).set(&from).finish();
    go_back(&run);
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let named = format!(
        "model.init_from = {} is not the file that the run started from",
        file.display()
    );
    let line = Job::tiny(&run).set(&from).call().run().error_line();
    assert!(line.contains(&named), "{line}");
    let digest = digest_of(&run, "/config/model/init_digest");
    let given = format!("model.init_digest={digest}");
    let line = Job::tiny(&run).set(&from).set(&given).call().run();
    let line = line.error_line();
    assert!(line.contains("is not the job's file"), "{line}");
    let other = Job::tiny(&run).set("model.init_digest=abc").call().run();
    let line = other.error_line();
    assert!(
        line.contains("model.init_digest: now \"abc\", was"),
        "{line}"
    );
}
