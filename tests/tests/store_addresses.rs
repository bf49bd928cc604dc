//! What an address says is what is used, with the credentials and on the way that the environment names; and what
//! cannot be used is told in one line.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use fratmae_tests::{Call, Job, fratmae, phantoms, scratch, skip, variable};

const URL: &str = "FRATMAE_TEST_S3_URL";
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");

/// A place in the bucket that no other test uses, when there is a store.
fn place(test: &str, folder: &tempfile::TempDir) -> Option<String> {
    let Some(bucket) = variable(URL) else {
        skip(
            test,
            &format!("{URL} is not set; `cargo xtask test` starts a store and sets it"),
        );
        return None;
    };
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    Some(format!("{bucket}/{name}"))
}

fn refused(call: Call) -> String {
    let line = call.run().error_line();
    assert!(!line.contains("HIDDEN"), "{line}");
    line
}

#[test]
fn letters_of_a_key_name_places_of_their_own() {
    let folder = scratch();
    let Some(place) = place("letters of a key", &folder) else {
        return;
    };
    let source = format!("data.source={}", phantoms().source.display());
    let data = format!("{place}/data#1?x=1%20y");
    let job = |run: &str| Job::on(&data, run).set(&source).set("train.steps=2");
    let (first, second) = (format!("{place}/exp#1"), format!("{place}/exp#2"));
    let digest = job(&first).finish();
    assert_eq!(job(&second).finish().digest(), digest.digest());
    for run in [&first, &second] {
        let status = fratmae(["status", "--json", run]).run().succeeded().json();
        assert_eq!(status["run"], run.as_str());
    }
    fratmae(["dataset", "inspect", &data]).run().succeeded();
    // Cut at the hash they would be these.
    for (command, cut) in [("status", "exp"), ("status", "exp#3")] {
        let line = refused(fratmae([command, &format!("{place}/{cut}")]));
        assert!(line.contains(cut), "{line}");
    }
    let line = refused(fratmae(["dataset", "inspect", &format!("{place}/data")]));
    assert!(line.contains("/data"), "{line}");
}

#[test]
fn tilde_is_the_home_folder_wherever_it_is_given() {
    let folder = scratch();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let data = phantoms().data.display().to_string();
    let at_home = |call: Call| call.with("HOME", home.to_str().unwrap());
    let job = Job::on(&data, "~/typed").set("train.steps=1");
    at_home(job.call()).run().succeeded();
    let shipped = std::fs::read_to_string(CONFIG).unwrap();
    let in_file = shipped.replace("runs/invariance/run", "~/in-file");
    let file = folder.path().join("job.toml");
    std::fs::write(&file, in_file).unwrap();
    let pretrain = |config: &str| {
        let call = fratmae(["pretrain", "--json", "--config", config, "--data", &data]);
        at_home(call).and("--set").and("train.steps=1")
    };
    pretrain(file.to_str().unwrap()).run().succeeded();
    let set = pretrain(CONFIG).and("--set").and("run.url=~/set");
    set.run().succeeded();
    for run in ["typed", "in-file", "set"] {
        assert!(home.join(run).join("config.json").exists(), "{run}");
    }
    at_home(fratmae(["status", "~/typed"])).run().succeeded();
    assert!(!Path::new("~").exists());
    let line = refused(fratmae(["status", "~no-such-user/x"]));
    assert!(line.contains("no user `no-such-user`"), "{line}");
}

#[test]
fn addresses_that_would_be_other_places_are_refused() {
    for (address, part) in [
        ("s3:/bucket/run", "two slashes"),
        ("s3://bucket/a/../b", "`..`"),
        ("s3://KEY:HIDDEN@bucket/run", "no credentials"),
        ("s3://bucket/k?X-Amz-Signature=HIDDEN", "signed link"),
        ("C:\\runs\\first", "Windows"),
        ("runs/x ", "blank"),
        ("https://u:HIDDEN@h/x?sig=HIDDEN", "is none of"),
    ] {
        let line = refused(fratmae(["status", address]));
        assert!(line.contains(part), "{line}");
    }
    let line = refused(fratmae(["prepare", "s3://bucket/cases", "--out", "x"]).and("--json"));
    assert!(line.contains("on this machine"), "{line}");
}

#[test]
fn empty_variables_are_not_set_and_this_machine_is_no_matter_of_proxies() {
    let folder = scratch();
    let Some(place) = place("empty variables", &folder) else {
        return;
    };
    let call = fratmae(["doctor", "--store", &place])
        .with("AWS_ENDPOINT_URL_S3", "")
        .with("AWS_ENDPOINT", "")
        .with("AWS_SESSION_TOKEN", "")
        .with("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "")
        .with("http_proxy", "http://127.0.0.1:9")
        .with("ALL_PROXY", "http://127.0.0.1:9");
    call.run().succeeded();
    let endpoint = variable("AWS_ENDPOINT_URL").unwrap();
    let call = fratmae(["doctor", "--store", &place]).with("AWS_ENDPOINT_URL", "");
    call.with("AWS_ENDPOINT", &endpoint).run().succeeded();
}

#[test]
fn every_empty_endpoint_is_a_line_and_no_panic() {
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"] {
        let call = fratmae(["status", "s3://bucket/run"])
            .with("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .with("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
            .with("AWS_ENDPOINT", "http://127.0.0.1:9")
            .with("AWS_ACCESS_KEY_ID", "k")
            .with("AWS_SECRET_ACCESS_KEY", "s");
        let line = refused(call.with(name, ""));
        assert!(line.contains("endpoint http://127.0.0.1:9"), "{line}");
    }
}

#[test]
fn proxy_on_the_way_is_named() {
    let call = fratmae(["status", "s3://bucket/run"])
        .with("AWS_ENDPOINT_URL", "http://store.example.com")
        .with("AWS_ACCESS_KEY_ID", "k")
        .with("AWS_SECRET_ACCESS_KEY", "s")
        .with("http_proxy", "http://me:HIDDEN@127.0.0.1:9");
    let line = refused(call);
    assert!(
        line.contains("through the proxy http://***@127.0.0.1:9 of http_proxy"),
        "{line}"
    );
    assert!(line.contains("NO_PROXY"), "{line}");
}

#[test]
fn weights_and_images_go_to_a_store_and_come_from_it() {
    let folder = scratch();
    let Some(place) = place("weights on a store", &folder) else {
        return;
    };
    let run = folder.path().join("run");
    let first = Job::tiny(&run).set("train.steps=1");
    first.finish();
    let run = run.to_str().unwrap();
    let (here, there) = (folder.path().join("weights"), format!("{place}/weights"));
    for out in [here.to_str().unwrap(), &there] {
        fratmae(["export", run, "--out", out]).run().succeeded();
    }
    let began = |weights: &str, name: &str| {
        let run = folder.path().join(name);
        let init = format!("model.init_from={weights}/model.safetensors");
        Job::tiny(run).set("train.steps=1").set(&init).finish()
    };
    let (of_file, of_store) = (
        began(here.to_str().unwrap(), "from-file"),
        began(&there, "from-store"),
    );
    assert_eq!(of_file.digest(), of_store.digest());
    let data = phantoms().data.display().to_string();
    let cases = fratmae(["dataset", "inspect", "--json", &data])
        .run()
        .json();
    let case = cases["cases"][0]["case_id"].as_str().unwrap().to_owned();
    let image = format!("{place}/pet.nii.gz");
    fratmae(["dataset", "extract", &data, &case, "--out", &image])
        .run()
        .succeeded();
    let picture = format!("{place}/case.png");
    fratmae(["dataset", "inspect", &data, "--preview", &picture])
        .run()
        .succeeded();
    let line = refused(fratmae(["convert", &there]).and("--out").and("x.nii"));
    assert!(line.contains("on this machine"), "{line}");
}
