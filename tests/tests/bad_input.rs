//! Whatever is wrong with the input is told in one line, and leaves no partial data set and no damaged run.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use fratmae_tests::{
    Call, Image, Job, Phantoms, SmallDisk, committed_steps, copy_folder, fratmae, lacks_right,
    phantoms, scratch,
};

/// Runs a call that must fail in one line, which must hold every one of `words`.
fn refused(call: &Call, words: &[&str]) {
    let line = call.clone().and("--quiet").run().only_line();
    for word in words {
        assert!(line.contains(word), "`{word}` is not in: {line}");
    }
}

#[test]
fn a_wrong_job_is_refused_with_its_key_and_what_would_be_right() {
    let folder = scratch();
    let run = folder.path().join("run");
    let refusals: [(&str, &[&str]); 9] = [
        ("train.stpes=3", &["train.stpes", "train.steps"]),
        ("train.seed=3", &["train.seed", "run.seed"]),
        ("modle.patch=[4, 8, 8]", &["modle.patch", "model.patch"]),
        (
            "model.mask_ratio=1.5",
            &["model.mask_ratio", "1.5", "below 1"],
        ),
        ("train.lr=-1", &["train.lr", "-1", "above 0"]),
        ("train.steps=many", &["train.steps", "many", "whole number"]),
        (
            "train.batch=12",
            &["train.batch = 12", "train.slots = 8", "8 or 16"],
        ),
        ("workers.count=9", &["workers.count = 9", "train.slots = 8"]),
        ("train.steps", &["train.steps", "section.key=value"]),
    ];
    for (set, words) in refusals {
        refused(&Job::tiny(&run).set(set).call(), words);
    }
    assert!(!run.exists(), "a refused job leaves no run");
}

#[test]
fn a_wrong_job_file_is_refused_with_its_name() {
    let folder = scratch();
    let file = folder.path().join("job.toml");
    let call = fratmae(["pretrain", "--config"]).and(&file);
    refused(&call, &["job.toml", "No such file"]);
    std::fs::write(&file, "[train]\nstpes = 3\n").unwrap();
    refused(
        &call,
        &["job.toml", "train.stpes", "did you mean train.steps?"],
    );
    std::fs::write(&file, "[train]\nsteps = \n").unwrap();
    refused(&call, &["job.toml", "line 2"]);
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    refused(&call, &["job.toml"]);
}

/// A table with one good case, and one whose images are as given.
fn cases(folder: &Path, pet: &[u8], ct: &[u8]) -> PathBuf {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("good_pet.nii", &Image::cube(1.0).bytes());
    write("good_ct.nii", &Image::cube(40.0).bytes());
    write("pet.nii", pet);
    write("ct.nii", ct);
    write(
        "cases.csv",
        b"case_id,pet,ct\ngood,good_pet.nii,good_ct.nii\nsuspect,pet.nii,ct.nii\n",
    );
    folder.join("cases.csv")
}

fn prepare(source: &Path, out: &Path) -> Call {
    fratmae(["prepare", "--grid=8x8x8"])
        .and(source)
        .and("--out")
        .and(out)
}

fn holds_no_data_set(out: &Path) {
    assert!(!out.join("manifest.json").exists());
    refused(
        &fratmae(["dataset", "inspect"]).and(out),
        &[&out.display().to_string()],
    );
}

/// Images that cannot be used, with the words that must stand in the refusal.
fn suspects() -> Vec<(Vec<u8>, Vec<u8>, &'static [&'static str])> {
    let (pet, ct) = (Image::cube(1.0).bytes(), Image::cube(40.0).bytes());
    let mut holed = Image::cube(1.0);
    holed.voxels[73] = f32::NAN;
    let mut endless = Image::cube(40.0);
    endless.voxels[5] = f32::INFINITY;
    let mut apart = Image::cube(40.0);
    apart.origin = [5000.0, 0.0, 0.0];
    vec![
        (
            pet[..pet.len() - 100].to_vec(),
            ct.clone(),
            &["suspect", "pet.nii"],
        ),
        (pet[..200].to_vec(), ct.clone(), &["suspect", "pet.nii"]),
        (pet.clone(), Vec::new(), &["suspect", "ct.nii"]),
        (
            pet.clone(),
            b"<html>not found</html>".to_vec(),
            &["suspect", "ct.nii"],
        ),
        (
            holed.bytes(),
            ct,
            &["suspect", "pet.nii", "1 NaN", "[1, 1, 1]"],
        ),
        (
            pet.clone(),
            endless.bytes(),
            &["suspect", "ct.nii", "infinite"],
        ),
        (pet, apart.bytes(), &["suspect", "do not overlap", "4995"]),
    ]
}

#[test]
fn images_that_cannot_be_used_are_refused_and_leave_no_data_set() {
    for (pet, ct, words) in suspects() {
        let folder = scratch();
        let (source, out) = (cases(folder.path(), &pet, &ct), folder.path().join("data"));
        refused(&prepare(&source, &out).and("--strict"), words);
        holds_no_data_set(&out);
        let skipped = prepare(&source, &out)
            .and("--json")
            .run()
            .succeeded()
            .json();
        assert_eq!(
            (&skipped["prepared"], &skipped["skipped"][0]["case_id"]),
            (&1.into(), &"suspect".into())
        );
    }
}

#[test]
fn sources_without_usable_cases_are_refused_and_leave_no_data_set() {
    let folder = scratch();
    let [out, empty, headers, gone, letter] =
        ["data", "empty", "headers.csv", "gone.csv", "letter.csv"]
            .map(|name| folder.path().join(name));
    std::fs::create_dir_all(empty.join("imagesTr")).unwrap();
    std::fs::write(&headers, "case_id,pet,ct\n").unwrap();
    std::fs::write(&gone, "case_id,pet,ct\na,nowhere.nii,ct.nii\n").unwrap();
    std::fs::write(&letter, "Dear colleague,\nplease find enclosed\n").unwrap();
    let refusals: [(&Path, &[&str]); 5] = [
        (&headers, &["headers.csv", "no cases"]),
        (&empty, &["empty", "no cases"]),
        (&gone, &["gone.csv", "line 2", "nowhere.nii"]),
        (&letter, &["letter.csv", "line 1", "case_id"]),
        (&folder.path().join("absent"), &["absent"]),
    ];
    for (source, words) in refusals {
        refused(&prepare(source, &out), words);
        holds_no_data_set(&out);
    }
}

#[test]
fn a_data_set_that_is_not_there_or_of_another_layout_is_refused_by_whoever_reads_it() {
    let folder = scratch();
    let (data, run) = (folder.path().join("data"), folder.path().join("run"));
    let job = |data: &Path| {
        Job::on(&data.display().to_string(), &run.display().to_string()).set("data.source=")
    };
    refused(&job(&data).call(), &["data", "fratmae prepare"]);
    copy_folder(&phantoms().data, &data);
    let manifest = data.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let mut parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    parsed["layout_version"] = 99.into();
    parsed.as_object_mut().unwrap().remove("seal");
    std::fs::write(&manifest, parsed.to_string()).unwrap();
    let reader = |words: &[&str]| fratmae(words.iter().copied()).and(&data);
    let readers = [
        job(&data).call(),
        reader(&["dataset", "inspect"]),
        reader(&["dataset", "verify"]),
        reader(&["dataset", "order", "--seed=1", "--epoch=0", "--data"]),
    ];
    for call in readers {
        refused(&call, &["layout version 99", "fratmae prepare"]);
    }
    std::fs::write(&manifest, &text[..text.len() / 2]).unwrap();
    refused(&job(&data).call(), &["manifest"]);
    assert!(
        !run.join("config.json").exists(),
        "a job without data leaves no run"
    );
}

#[test]
fn a_damaged_shard_ends_the_run_with_its_name() {
    let folder = scratch();
    let (data, run) = (folder.path().join("data"), folder.path().join("run"));
    copy_folder(&phantoms().data, &data);
    let shard = data.join("shards/shard-00000.parquet");
    let mut bytes = std::fs::read(&shard).unwrap();
    let (third, two_thirds) = (bytes.len() / 3, bytes.len() * 2 / 3);
    bytes[third..two_thirds]
        .iter_mut()
        .for_each(|byte| *byte ^= 0x55);
    std::fs::write(&shard, bytes).unwrap();
    refused(
        &fratmae(["dataset", "verify"]).and(&data),
        &["shard-00000.parquet"],
    );
    let job = Job::on(&data.display().to_string(), &run.display().to_string());
    refused(&job.call(), &["shard-00000"]);
    // The run itself is sound: it goes on when its data is whole again.
    let whole = Job::on(
        &phantoms().data.display().to_string(),
        &run.display().to_string(),
    );
    let undisturbed = Job::tiny(folder.path().join("undisturbed")).finish();
    assert_eq!(whole.finish().digest(), undisturbed.digest());
}

#[test]
fn a_run_is_not_resumed_with_another_job_or_other_data() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run);
    let line = job.finish().line;
    let changed = job
        .clone()
        .set("train.lr=2e-3")
        .set("model.mask_ratio=0.75")
        .set("checkpoint.every=2");
    refused(
        &changed.call(),
        &["train.lr", "0.002", "0.001", "model.mask_ratio", "0.75"],
    );
    let quiet = changed.call().and("--quiet").run().only_line();
    assert!(
        !quiet.contains("checkpoint.every"),
        "it decides no bits: {quiet}"
    );
    refused(
        &job.clone().set("run.seed=8").call(),
        &["run.seed", "8", "7"],
    );

    let other = folder.path().join("other");
    let few = folder.path().join("few");
    fratmae([
        "phantom",
        "--cases=2",
        "--shape=32x40x48",
        "--spacing=20x16x20",
        "--out",
    ])
    .and(&few)
    .run()
    .succeeded();
    fratmae(["prepare", "--grid=32x40x48"])
        .and(&few)
        .and("--out")
        .and(&other)
        .run()
        .succeeded();
    let data = format!("data.url={}", other.display());
    refused(
        &Job::on(&other.display().to_string(), job.run_url())
            .call()
            .and("--set")
            .and(data),
        &["digest"],
    );
    assert_eq!(job.finish().line, line, "the run itself is as it was");
}

#[test]
fn a_full_disk_leaves_no_partial_data_set() {
    let folder = scratch();
    let out = folder.path().join("small");
    std::fs::create_dir(&out).unwrap();
    let disk = match SmallDisk::mount(&out, 512) {
        Ok(disk) => disk,
        Err(reason) => {
            return lacks_right(
                "prepare on a full disk",
                &format!("no file system can be mounted ({reason})"),
            );
        }
    };
    let prepare = fratmae(["prepare", "--grid=32x40x48"])
        .and(&phantoms().source)
        .and("--out")
        .and(&out);
    refused(&prepare, &["no space", "small"]);
    holds_no_data_set(&out);
    disk.resize(64 * 1024);
    let report = prepare.and("--json").run().succeeded().json();
    assert_eq!(
        report["prepared"].as_u64().unwrap() + report["kept"].as_u64().unwrap(),
        Phantoms::CASES as u64
    );
    fratmae(["dataset", "verify"]).and(&out).run().succeeded();
}

#[test]
fn a_full_disk_ends_the_run_and_does_not_damage_it() {
    let folder = scratch();
    let run = folder.path().join("small");
    std::fs::create_dir(&run).unwrap();
    // Room for one checkpoint and a half: parameters and two moments, about 1.8 million numbers each.
    let disk = match SmallDisk::mount(&run, 32 * 1024) {
        Ok(disk) => disk,
        Err(reason) => {
            return lacks_right(
                "training on a full disk",
                &format!("no file system can be mounted ({reason})"),
            );
        }
    };
    // The first checkpoint is committed long before the second one takes up room.
    let job = |run: &Path| {
        Job::tiny(run)
            .set("train.steps=120")
            .set("checkpoint.every=60")
    };
    refused(&job(&run).call(), &["no space", "small"]);
    assert_eq!(committed_steps(&run), [60], "the first checkpoint fits");
    fratmae(["checkpoint", "verify", "--all"])
        .and(&run)
        .run()
        .succeeded();
    disk.resize(256 * 1024);
    let undisturbed = job(&folder.path().join("undisturbed")).finish();
    assert_eq!(job(&run).finish().digest(), undisturbed.digest());
}
