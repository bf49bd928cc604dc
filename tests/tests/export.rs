//! Weights out of a run and back, pictures of it, what a network costs, and the options of the network, from the outside.

use std::fs::File;
use std::path::Path;

use fratmae_tests::{Job, fratmae, scratch};
use serde_json::Value;

fn trained(run: &Path) -> Job {
    let job = Job::tiny(run)
        .set("train.steps=4")
        .set("checkpoint.every=2");
    job.finish();
    job
}

#[test]
fn an_export_holds_three_files_and_is_the_checkpoint_asked_for() {
    let work = scratch();
    let run = work.path().join("run");
    let job = trained(&run);
    let out = work.path().join("weights");
    let export = || fratmae(["export", job.run_url(), "--json", "--out"]).and(&out);
    let output = export().run().succeeded().json();
    assert_eq!(output["step"], 4);
    let bytes = std::fs::read(out.join("model.safetensors")).unwrap();
    let output = export().and("--step").and("2").run().succeeded().json();
    assert_eq!(output["step"], 2);
    assert_ne!(std::fs::read(out.join("model.safetensors")).unwrap(), bytes);
    let config = std::fs::read(out.join("config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["stack"], serde_json::json!([8, 32, 48]));
    for key in ["width", "depth", "heads"] {
        assert!(config["encoder"][key].is_u64() && config["decoder"][key].is_u64());
    }
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.contains("| step | 2 of 4 |"), "{card}");
    let line = export().and("--step").and("3").run().only_line();
    assert!(line.contains("has no checkpoint at step 3"), "{line}");
}

#[test]
fn a_run_can_begin_from_an_export_and_its_digest_tells_it_apart() {
    let work = scratch();
    let job = trained(&work.path().join("run"));
    let out = work.path().join("weights");
    fratmae(["export", job.run_url(), "--out"])
        .and(&out)
        .run()
        .succeeded();
    let file = out.join("model.safetensors");
    let from = format!("model.init_from={}", file.display());
    let second = work.path().join("second");
    let again = || Job::tiny(&second).set("train.steps=1").set(&from);
    let begun = again().finish();
    let plain = Job::tiny(work.path().join("plain"))
        .set("train.steps=1")
        .finish();
    assert_ne!(begun.digest(), plain.digest());
    let said = &begun.finished.stderr;
    assert!(said.contains("parameters loaded: "), "{said}");
    // The same run with another file under the same path is another job.
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let line = again().call().run().error_line();
    let named = format!(
        "{from} is not the file that the run started from",
        from = from.replace('=', " = ")
    );
    assert!(line.contains(&named), "{line}");
}

#[test]
fn a_picture_shows_three_images_of_both_modalities() {
    let work = scratch();
    let job = trained(&work.path().join("run"));
    let file = work.path().join("case.png");
    let call = fratmae(["model", "picture", job.run_url(), "--out"]).and(&file);
    let output = call.run().succeeded().last_line();
    assert!(
        output.contains(", step 4, slice ") && output.contains(" of 0 to 7, reconstruction PET 0."),
        "{output}"
    );
    let reader = png::Decoder::new(std::io::BufReader::new(File::open(&file).unwrap()));
    let reader = reader.read_info().unwrap();
    let info = reader.info();
    // Four images of 32 rows by 48 columns beside each other for each of two modalities, at least six times as large.
    assert!(info.width >= 4 * 192, "{}", info.width);
    assert!(info.height >= 2 * 288, "{}", info.height);
    let line = call.and("--case").and("nobody").run().only_line();
    assert!(line.contains("has no case nobody"), "{line}");
}

#[test]
fn a_network_is_shown_part_by_part() {
    let call = || fratmae(["model", "--set", "model.preset=small"]);
    let output = call().and("--json").run().succeeded().json();
    let parts = output["parts"].as_array().unwrap();
    let learning = parts.iter().map(|part| part["learning"].as_u64().unwrap());
    assert_eq!(output["total"]["learning"], learning.sum::<u64>());
    assert!(
        output["flops_per_second"].as_f64().unwrap() > 1e8,
        "{output}"
    );
    let table = call().run().succeeded().stdout;
    for part in [
        "pet encoder",
        "ct decoder",
        "text encoder",
        "total",
        "GFLOP/s",
    ] {
        assert!(table.contains(part), "{part} in {table}");
    }
}

#[test]
fn every_option_of_the_network_trains() {
    let work = scratch();
    let mut digests = vec![];
    for (name, sets) in [
        ("plain", &[][..]),
        ("symmetric", &["model.masking=symmetric"]),
        ("shared", &["model.shared_encoders=true"]),
        ("three quarters", &["model.mask_ratio=0.75"]),
        ("no contrast", &["model.contrastive=false"]),
        ("frozen", &["model.text.trainable=false"]),
        ("axial", &["data.axis=axial", "model.stack=[8,32,40]"]),
    ] {
        let mut job = Job::tiny(work.path().join(name)).set("train.steps=2");
        for set in sets {
            job = job.set(set);
        }
        let one = job.clone().workers(1).finish();
        assert!(!digests.contains(&one.digest().to_owned()), "{name}");
        digests.push(one.digest().to_owned());
        let other = work.path().join(format!("{name} by two"));
        let call = Job::tiny(other).set("train.steps=2");
        let two = sets
            .iter()
            .fold(call, |job, set| job.set(set))
            .workers(2)
            .finish();
        assert_eq!(
            one.digest(),
            two.digest(),
            "{name} by one worker and by two"
        );
    }
}

#[test]
fn half_precision_is_refused_on_cpus() {
    let work = scratch();
    for (device, expected) in [
        (
            "cpu",
            "train.precision = \"bf16\" needs a GPU and workers.device = \"cpu\"",
        ),
        (
            "auto",
            "train.precision = \"bf16\" needs a GPU, and this worker trains on the CPU",
        ),
    ] {
        let job = Job::tiny(work.path().join(device))
            .workers(1)
            .set("train.precision=bf16")
            .set(&format!("workers.device={device}"));
        let line = job.call().run().error_line();
        assert!(line.contains(expected), "{line}");
    }
}
