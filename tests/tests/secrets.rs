//! What a run's surroundings and keys hold in secret is nowhere to be seen: not in its store, what it says, its processes'
//! words, its page or its metrics.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use fratmae_tests::{
    Finished, Job, RunEvent, children_of, events, fratmae, http_get, metrics_of, scratch, wait_for,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// Variables that hold secrets, as a run has them, with what is planted in each.
const PLANTED: [(&str, &str); 4] = [
    ("AWS_SECRET_ACCESS_KEY", "planted-store-secret"),
    ("AWS_SESSION_TOKEN", "planted-session-token"),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=planted-otlp-header",
    ),
    (
        "HTTPS_PROXY",
        "http://me:planted-proxy-password@127.0.0.1:9",
    ),
];
/// Of all that is planted, and of what keys hold.
const MARKS: [&str; 2] = ["planted-", "PRIVATE KEY"];

fn assert_silent(what: &str, text: &[u8], marks: &[&str]) {
    for mark in marks {
        let is_there = text.windows(mark.len()).any(|part| part == mark.as_bytes());
        assert!(!is_there, "{mark} is in {what}");
    }
}

/// Reads all files below a folder.
fn assert_silent_below(folder: &Path, marks: &[&str]) {
    for entry in fs::read_dir(folder).expect("a folder of the run") {
        let entry = entry.expect("an entry");
        let path = entry.path();
        match entry.file_type().expect("its kind").is_dir() {
            true => assert_silent_below(&path, marks),
            false => assert_silent(
                &path.display().to_string(),
                &fs::read(&path).expect("a file"),
                marks,
            ),
        }
    }
}

fn assert_silent_end(finished: &Finished, marks: &[&str]) {
    assert_silent("standard output", finished.stdout.as_bytes(), marks);
    assert_silent("standard error", finished.stderr.as_bytes(), marks);
}

#[test]
fn secrets_of_a_run_are_in_none_of_what_it_writes_says_or_shows() {
    let folder = scratch();
    let run = folder.path().join("run");
    let keys = folder.path().join("keys").display().to_string();
    fratmae(["keys", "make", &keys]).run().succeeded();
    let token = fratmae(["keys", "token", &keys]).run().succeeded();
    let token = token.last_line();
    let marks = [MARKS[0], MARKS[1], token.as_str()];
    let mut job = Job::long(&run).told_as_json().metrics("127.0.0.1:0");
    for (name, value) in PLANTED {
        job = job.with(name, value);
    }
    let call = job.call().and("--page=0").and("--keys").and(&keys);
    let mut running = call.with("RUST_LOG", "debug").start();
    let metrics = metrics_of(&mut running);
    let page = wait_for("the address of the page", PATIENCE, || {
        let page = |event: RunEvent| match event {
            RunEvent::Noted { note } => Some(note.strip_prefix("page: http://")?.to_owned()),
            _ => None,
        };
        events(&running.said()).into_iter().find_map(page)
    });
    running.runs_until_step(3);
    for process in [vec![running.id()], children_of(running.id())].concat() {
        let place = Path::new("/proc").join(process.to_string());
        let words = fs::read(place.join("cmdline")).expect("its words");
        assert_silent("a command line", &words, &marks);
        // Its surroundings are its user's alone.
        let surroundings = fs::metadata(place.join("environ")).expect("its surroundings");
        assert_eq!(surroundings.mode() & 0o077, 0);
    }
    for (address, path) in [
        (page.as_str(), "/"),
        (&page, "/api/v1/runs"),
        (&page, "/api/v1/runs/run"),
        (&page, "/api/v1/runs/run/snapshot"),
        (&metrics, "/metrics"),
    ] {
        let (head, body) = http_get(address, path, "*/*").expect("an answer");
        assert_silent(path, (head + &body).as_bytes(), &marks);
    }
    assert_silent_end(&running.wait().succeeded(), &marks);
    assert_silent_below(&run, &marks);
    let status = fratmae(["status", "--json", &run.display().to_string()]);
    assert_silent_end(&status.run().succeeded(), &marks);
}
