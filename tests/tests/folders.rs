//! A folder has one owner: nothing writes over another's files, and what does not belong to a run is named.

use std::path::Path;
use std::time::Duration;

use fratmae_tests::{
    Job, copy_folder, fratmae, journal, logged, phantoms, scratch, snapshot, status,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// The newest checkpoint's folder of a run.
fn newest_checkpoint(run: &Path) -> std::path::PathBuf {
    let folders = std::fs::read_dir(run.join("checkpoints")).expect("the run has checkpoints");
    let mut folders: Vec<_> = folders.flatten().map(|folder| folder.path()).collect();
    folders.sort();
    folders.pop().expect("there is one")
}

fn notes(stderr: &str) -> String {
    logged(stderr, "job note")
        .iter()
        .map(|note| note["note"].to_string())
        .collect()
}

#[test]
fn weights_are_not_written_into_a_run_or_a_data_set() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run);
    let digest = job.finish().digest().to_owned();
    let before = snapshot(&run);
    let data = &phantoms().data;
    for out in [&run, data] {
        for mut call in [
            fratmae(["export"]).and(&run),
            fratmae(["model", "init", "--set", "model.preset=tiny"]),
        ] {
            call = call.and("--out").and(out);
            let line = call.run().only_line();
            assert!(line.contains("name another folder with --out"), "{line}");
        }
    }
    assert_eq!(snapshot(&run), before);
    status(job.run_url());
    assert_eq!(job.finish().digest(), digest);
    let elsewhere = folder.path().join("weights");
    for _ in 0..2 {
        let call = fratmae(["export"]).and(&run).and("--out").and(&elsewhere);
        call.run().succeeded();
    }
}

#[test]
fn a_run_and_a_data_set_do_not_share_a_folder() {
    let folder = scratch();
    let run = folder.path().join("run");
    Job::tiny(&run).finish();
    let prepare = fratmae(["prepare", "--grid", "32x40x48"]).and(&phantoms().source);
    let line = prepare.and("--out").and(&run).run().only_line();
    assert!(line.contains("is a run (it has"), "{line}");
    let data = folder.path().join("data");
    copy_folder(&phantoms().data, &data);
    let data = data.display().to_string();
    let line = Job::on(&data, &data).call().run().only_line();
    assert!(line.contains("is a data set (it has shards/)"), "{line}");
}

#[test]
fn a_checkpoint_of_another_job_is_passed_over_and_alone_it_is_refused() {
    let folder = scratch();
    let [own, other] = ["own", "other"].map(|name| folder.path().join(name));
    let job = Job::tiny(&own).told_as_json();
    let expected = job.finish();
    let longer = Job::tiny(&other)
        .set("train.steps=20")
        .set("train.lr=0.005");
    longer.finish();
    let foreign = newest_checkpoint(&other);
    let name = foreign.file_name().expect("it has a name");
    let copied = own.join("checkpoints").join(name);
    copy_folder(&foreign, &copied);
    let again = job.finish();
    assert_eq!(again.digest(), expected.digest());
    let exported = fratmae(["export"])
        .and(&own)
        .and("--out")
        .and(folder.path().join("weights"));
    let exported = exported.and("--json").run().succeeded();
    assert_eq!(exported.json()["weights_digest"], expected.digest());
    // A run that has lost its first object, under another job.
    for name in ["config.json", "journal"] {
        let path = own.join(name);
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_dir_all(&path);
    }
    let before = snapshot(&own);
    let line = Job::tiny(&own).set("run.seed=99").call().run().only_line();
    assert!(
        line.contains("holds checkpoints of another job") && line.contains("digest"),
        "{line}"
    );
    assert_eq!(snapshot(&own), before, "nothing is written");
}

#[test]
fn a_run_that_lost_its_config_or_journal_resumes_with_its_own_job_and_says_so() {
    let folder = scratch();
    let job = Job::tiny(folder.path().join("whole")).finish();
    for lost in ["config.json", "journal"] {
        let run = folder.path().join(lost);
        copy_folder(&folder.path().join("whole"), &run);
        let path = run.join(lost);
        match path.is_dir() {
            true => std::fs::remove_dir_all(&path).expect("it is there"),
            false => std::fs::remove_file(&path).expect("it is there"),
        }
        fratmae(["status"]).and(&run).run().succeeded();
        let again = Job::tiny(&run).told_as_json().finish();
        assert_eq!(again.digest(), job.digest(), "{lost}");
        let said = notes(&again.finished.stderr);
        assert!(
            said.contains("missing"),
            "{lost}: {}",
            again.finished.stderr
        );
    }
}

#[test]
fn a_run_that_is_removed_while_it_trains_is_not_finished() {
    let folder = scratch();
    let run = folder.path().join("run");
    // Nothing is written meanwhile, so that the folder can be removed at once.
    let job = Job::tiny(&run)
        .set("train.steps=100000")
        .set("checkpoint.every=100000");
    let job = job.told_as_json();
    let mut running = job.start();
    running.runs_until_step(2);
    std::fs::remove_dir_all(&run).expect("it is there");
    let line = running.wait().error_line();
    assert!(
        line.contains("was removed while it was being trained"),
        "{line}"
    );
}

#[test]
fn a_torn_last_record_is_passed_over_with_a_line_by_training_and_by_looking() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run).told_as_json();
    let expected = job.finish();
    let last = journal(&run).len() - 1;
    let last = run.join(format!("journal/{last:020}.json"));
    std::fs::write(&last, "").expect("it is there");
    let shown = status(job.run_url());
    assert!(
        shown["notes"].to_string().contains("it is empty"),
        "{shown}"
    );
    let again = job.finish();
    assert_eq!(again.digest(), expected.digest());
    assert!(
        notes(&again.finished.stderr).contains("passed over the last record"),
        "{}",
        again.finished.stderr
    );
    assert_eq!(status(job.run_url())["state"], "finished");
}

#[test]
fn looking_passes_over_what_is_not_ours_and_names_what_is_damaged() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run);
    job.finish();
    for stray in [
        "history/.DS_Store",
        "history/.nfs0000000000000042",
        "history/._steps-000000000001-000000000003.parquet",
        "journal/.DS_Store",
        "checkpoints/.DS_Store",
    ] {
        std::fs::write(run.join(stray), "").expect("the folder is there");
    }
    assert_eq!(status(job.run_url())["notes"], serde_json::json!([]));
    let history = std::fs::read_dir(run.join("history"))
        .expect("it is there")
        .flatten();
    let file = history.map(|file| file.path()).find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("steps-"))
    });
    std::fs::write(file.expect("there is history"), "PAR1").expect("it can be written");
    let manifest = newest_checkpoint(&run).join("manifest.json");
    std::fs::write(&manifest, "").expect("it is there");
    let shown = status(job.run_url());
    assert_eq!(shown["state"], "finished");
    assert!(shown["notes"].to_string().contains("is damaged"), "{shown}");
    let list = fratmae(["checkpoint", "list", "--json"])
        .and(&run)
        .run()
        .succeeded()
        .json();
    let listed = list["checkpoints"].as_array().expect("a list");
    assert!(
        listed.last().is_some_and(|last| last["damage"].is_string()),
        "{list}"
    );
    fratmae(["checkpoint", "list"]).and(&run).run().succeeded();
}

#[test]
fn a_run_of_a_version_that_knows_more_is_named() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run);
    job.finish();
    let path = run.join("config.json");
    let text = std::fs::read_to_string(&path).expect("a run has it");
    let mut config: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    for (section, key, value) in [
        ("train", "new_thing", 3.into()),
        ("collective", "backend", "mpi".into()),
    ] {
        let mut newer = config.clone();
        newer["config"][section][key] = value;
        std::fs::write(&path, newer.to_string()).expect("it can be written");
        for call in [
            job.call(),
            fratmae(["export"])
                .and(&run)
                .and("--out")
                .and(folder.path().join("w")),
        ] {
            let line = call.run().only_line();
            let named = format!("{section}.{key}");
            assert!(
                line.contains("was begun by") && line.contains(&named),
                "{line}"
            );
            assert!(!line.contains("another run"), "{line}");
        }
    }
    config["config"]["train"]
        .as_object_mut()
        .expect("a section")
        .remove("warmup");
    std::fs::write(&path, config.to_string()).expect("it can be written");
    job.finish();
}

#[test]
fn two_first_starts_in_one_folder_make_its_phantoms_once() {
    let folder = scratch();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let call = |run: &str| {
        Job::on(&at("data"), &at(run))
            .set(&format!("data.source={}", at("phantoms")))
            .set("data.phantoms=6")
            .call()
            .within(PATIENCE)
    };
    let both = ["one", "two"]
        .map(|run| call(run).start())
        .map(|running| running.wait().succeeded());
    assert_eq!(both[0].digest(), both[1].digest());
    assert!(!folder.path().join("phantoms.unfinished").exists());
    assert!(!folder.path().join("phantoms.lock").exists());
}

/// The job of a run with checkpoints of steps 3 and 6.
fn finished(run: &Path) -> Job {
    let job = Job::tiny(run);
    job.finish();
    job
}

#[test]
fn what_is_no_file_or_too_large_is_named_at_once_and_holds_nobody_up() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = finished(&run);
    let soon = Duration::from_secs(20);
    let url = run.display().to_string();
    let part = newest_checkpoint(&run).join("part-00000.safetensors");
    let whole = std::fs::read(&part).expect("it has parts");
    let verify = || fratmae(["checkpoint", "verify", "--quiet", &url]).within(soon);
    std::fs::remove_file(&part).expect("it is there");
    nix::unistd::mkfifo(&part, nix::sys::stat::Mode::S_IRWXU).expect("the disk has pipes");
    let line = verify().run().only_line();
    assert!(
        line.contains("part-00000") && line.contains("a named pipe"),
        "{line}"
    );
    std::fs::remove_file(&part).expect("it is there");
    let sparse = std::fs::File::create(&part).expect("there is room");
    sparse.set_len(4 << 30).expect("the disk has sparse files");
    let line = verify().run().only_line();
    assert!(line.contains("4294967296 bytes instead of"), "{line}");
    // A run goes on from the checkpoint before.
    let outcome = job.finish();
    assert!(
        outcome.finished.stderr.contains("4294967296 bytes"),
        "{}",
        outcome.finished.stderr
    );
    std::fs::write(&part, whole).expect("there is room");
    let config = run.join("config.json");
    std::fs::remove_file(&config).expect("it is there");
    nix::unistd::mkfifo(&config, nix::sys::stat::Mode::S_IRWXU).expect("the disk has pipes");
    let line = job.call().within(soon).run().error_line();
    assert!(
        line.contains("config.json") && line.contains("a named pipe"),
        "{line}"
    );
}

#[test]
fn nothing_beyond_a_link_in_a_runs_folder_is_deleted() {
    let folder = scratch();
    let (run, theirs) = (folder.path().join("run"), folder.path().join("theirs"));
    std::fs::create_dir_all(run.join("checkpoints")).expect("there is room");
    std::fs::create_dir(&theirs).expect("there is room");
    for name in ["thesis.txt", "manifest.json", "part-00000.safetensors#1"] {
        std::fs::write(theirs.join(name), "theirs").expect("there is room");
    }
    let before = snapshot(&theirs);
    for step in [1, 3, 6] {
        let link = format!("checkpoints/step-{step:012}.generation-000000");
        std::os::unix::fs::symlink(&theirs, run.join(link)).expect("the disk has links");
    }
    let job = Job::tiny(&run)
        .set("checkpoint.every=1")
        .set("checkpoint.delete_after_s=0");
    job.set("checkpoint.keep_last=1").finish();
    assert_eq!(snapshot(&theirs), before);
}
