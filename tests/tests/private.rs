//! Secrets and what is known of patients are in nothing that a run shows: metrics, spans, logs, page, files for others.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::{Debug, Write as _};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fratmae_observe::{CapacityRow, LedgerRow, RankFile, RankRow, Row, TimeFile};
use fratmae_tests::{
    Call, RunEvent, Running, Signal, events, fratmae, http_get, metrics_of, phantoms, scratch,
    send, wait_for,
};
use serde_json::Value;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");
const PATIENCE: Duration = Duration::from_secs(60);

/// In environment and job file.
const SECRET: &str = "zzsecret";
/// In every field of a patient that takes words, and in the names of the folders that the images come from.
const PATIENT: &str = "zzpatient";
/// In every case id: whoever operates the run may see those, in log and journal, where a sample is damaged.
const CASE: &str = "zzcase";

fn assert_without(marks: &[&str], what: &str, text: impl AsRef<[u8]>) {
    let text = text.as_ref().to_ascii_lowercase();
    for mark in marks {
        let found = text
            .windows(mark.len())
            .position(|at| at == mark.as_bytes());
        if let Some(place) = found {
            let around = &text[place.saturating_sub(300)..text.len().min(place + 100)];
            panic!("{mark} in {what}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// The phantoms as a table of patients names them, in folders of those.
fn table(folder: &Path) -> PathBuf {
    let images = folder.join(format!("{PATIENT}-1947"));
    std::fs::create_dir(&images).unwrap();
    let inspected = fratmae(["dataset", "inspect", "--json"]);
    let inspected = inspected.and(&phantoms().data).run().json();
    let mut text = "case_id,pet,ct,tracer,age,sex,diagnosis\n".to_owned();
    for (number, case) in inspected["cases"].as_array().unwrap().iter().enumerate() {
        let case = case["case_id"].as_str().unwrap();
        let [ct, pet] = ["0000", "0001"].map(|channel| {
            let link = images.join(format!("{PATIENT}-{number}-{channel}.nii.gz"));
            let image = format!("imagesTr/{case}_{channel}.nii.gz");
            std::os::unix::fs::symlink(phantoms().source.join(image), &link).unwrap();
            link.display().to_string()
        });
        writeln!(
            text,
            "{CASE}-{number},{pet},{ct},{PATIENT} tracer,61,F,{PATIENT} carcinoma"
        )
        .unwrap();
    }
    let path = folder.join("cases.csv");
    std::fs::write(&path, text).unwrap();
    path
}

/// A data set of these cases with a byte that is not as it was.
fn damaged_data(folder: &Path) -> String {
    let data = folder.join("data");
    fratmae(["prepare", "--grid", "32x40x48"])
        .and(table(folder))
        .and("--out")
        .and(&data)
        .run()
        .succeeded();
    let shard = data.join("shards/shard-00000.parquet");
    let mut bytes = std::fs::read(&shard).unwrap();
    let place = bytes.len() / 7;
    bytes[place] ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    data.display().to_string()
}

/// A run of these cases with secrets around it.
fn job(folder: &Path, data: &str, otlp: &str) -> Call {
    let file = folder.join("job.toml");
    let shipped = std::fs::read_to_string(CONFIG).unwrap();
    std::fs::write(&file, format!("# {SECRET}\n{shipped}\n# {SECRET}\n")).unwrap();
    let call = fratmae([
        "pretrain",
        "--json",
        "--log=json",
        "--workers=2",
        "--page=0",
    ]);
    let call = call.and("--metrics=127.0.0.1:0").and("--config").and(file);
    let call = call.and("--data").and(data);
    let call = call.and("--run").and(folder.join("live"));
    let call = call.and("--tensorboard").and(folder.join("boards/live"));
    let settings = [
        "train.steps=400",
        "checkpoint.every=10",
        "workers.threads=1",
        "data.bad_sample=skip",
        "data.stride=1",
        "model.stack=[40, 32, 48]",
    ];
    let call = settings
        .iter()
        .fold(call, |call, setting| call.and("--set").and(*setting));
    let secrets = [
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_SESSION_TOKEN", SECRET.to_owned()),
        (
            "HTTPS_PROXY",
            format!("http://{SECRET}:{SECRET}@127.0.0.1:9"),
        ),
        ("ANY_API_KEY", SECRET.to_owned()),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            format!("authorization=Bearer%20{SECRET}"),
        ),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{otlp}")),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
        ("OTEL_BLRP_SCHEDULE_DELAY", "200".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "300".to_owned()),
    ];
    secrets
        .iter()
        .fold(call, |call, (name, value)| call.with(name, value))
        .within(Duration::from_secs(300))
}

/// Takes whatever it is sent, by HTTP.
fn receiver() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let received = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sink = Arc::clone(&sink);
            std::thread::spawn(move || receive(&stream, &sink));
        }
    });
    (address, received)
}

fn receive(mut stream: &TcpStream, sink: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        sink.lock().unwrap().extend(body);
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n\
                      Content-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes())?;
    }
}

fn page_of(running: &Running) -> String {
    wait_for("the address of the page", PATIENCE, || {
        let page = |event: RunEvent| match event {
            RunEvent::Noted { note } => Some(note.strip_prefix("page: http://")?.to_owned()),
            _ => None,
        };
        events(&running.said()).into_iter().find_map(page)
    })
}

/// Looks at everything that the page of a run says, and at what it tells as it comes.
fn look_at_page(address: &str) {
    let get = |path: &str| {
        let (head, body) = http_get(address, path, "*/*").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        assert_without(&[SECRET, PATIENT, CASE], path, &body);
        serde_json::from_str::<Value>(&body).unwrap()
    };
    get("/api/v1/runs");
    let of_run = |part: &str| get(&format!("/api/v1/runs/live{part}"));
    for part in ["", "/ledger", "/checkpoints", "/pictures"] {
        of_run(part);
    }
    let records = of_run("/timeline")["items"].to_string();
    assert!(records.contains("skipped") && records.contains("verdict"));
    let metrics = of_run("/heat")["metrics"].clone();
    for metric in metrics.as_array().unwrap() {
        of_run(&format!("/heat?metric={}", metric.as_str().unwrap()));
    }
    let cursor = of_run("/series")["cursor"].as_str().unwrap().to_owned();
    let request =
        format!("GET /api/v1/runs/live/events?after={cursor} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    for line in lines.filter(|line| line.starts_with("data:")).take(4) {
        assert_without(&[SECRET, PATIENT, CASE], "events", line);
    }
}

/// The rows of a file of time, as this version reads them.
fn rows(name: &str, bytes: Vec<u8>) -> String {
    fn shown<R: Row + Debug>(bytes: Vec<u8>) -> String {
        format!("{:?}", R::decode(bytes.into()).unwrap())
    }
    if TimeFile::of::<LedgerRow>(name).is_some() {
        shown::<LedgerRow>(bytes)
    } else if TimeFile::of::<CapacityRow>(name).is_some() {
        shown::<CapacityRow>(bytes)
    } else if RankFile::of(name).is_some() {
        shown::<RankRow>(bytes)
    } else {
        String::new()
    }
}

/// Looks at every file below a folder; records name cases, so that whoever operates the run can find them.
fn look_at_files(root: &Path, folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files += look_at_files(root, &path);
            continue;
        }
        files += 1;
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let bytes = std::fs::read(&path).unwrap();
        let marks: &[&str] = match name.starts_with("journal/") {
            true => &[SECRET, PATIENT],
            false => &[SECRET, PATIENT, CASE],
        };
        assert_without(marks, &name, &bytes);
        assert_without(marks, &name, rows(&name, bytes));
    }
    files
}

/// Looks at what commands say of a run, and at the files that they write for other programs.
fn look_at_commands(folder: &Path, run: &str) {
    let out = folder.join("out");
    std::fs::create_dir(&out).unwrap();
    let to = |name: &str| out.join(name).display().to_string();
    let (trace, board) = (to("steps.pftrace"), to("board"));
    for words in [
        vec!["status", run],
        vec!["status", run, "--json", "--history"],
        vec!["top", run],
        vec!["goodput", run],
        vec!["goodput", run, "--json"],
        vec!["checkpoint", "list", run, "--json"],
        vec!["trace", run, "--steps", "1..20", "--out", &trace],
        vec!["tensorboard", run, "--out", &board],
    ] {
        let said = fratmae(words.iter().copied()).run().succeeded();
        let what = words.join(" ");
        assert_without(&[SECRET, PATIENT, CASE], &what, said.stdout);
        assert_without(&[SECRET, PATIENT, CASE], &what, said.stderr);
    }
    assert!(look_at_files(&out, &out) >= 2);
    assert!(look_at_files(folder, &folder.join("boards")) >= 1);
}

#[test]
fn secrets_patients_and_cases_are_in_nothing_that_a_run_shows() {
    let folder = scratch();
    let data = damaged_data(folder.path());
    let (otlp, received) = receiver();
    let mut running = job(folder.path(), &data, &otlp).start();
    let (page, metrics) = (page_of(&running), metrics_of(&mut running));
    running.runs_until_step(4);
    send(running.children()[0], Signal::SIGKILL);
    running.runs_until_step(20);
    running.runs_until("a damaged sample", PATIENCE, |running| {
        running.said().contains("damaged sample skipped")
    });
    look_at_page(&page);
    for accept in ["*/*", "application/openmetrics-text;version=1.0.0"] {
        let (_, text) = http_get(&metrics, "/metrics", accept).unwrap();
        assert!(text.contains("fratmae_run_step"), "{text}");
        assert_without(&[SECRET, PATIENT, CASE], "metrics", text);
    }
    running.signal(Signal::SIGTERM);
    let finished = running.wait();
    assert_eq!(finished.code, Some(75), "{}", finished.stderr);
    for line in finished.stderr.lines().chain(finished.stdout.lines()) {
        let marks: &[&str] = match line.contains("damaged sample skipped") {
            true => &[SECRET, PATIENT],
            false => &[SECRET, PATIENT, CASE],
        };
        assert_without(marks, "a line", line);
    }
    let sent = received.lock().unwrap();
    for text in ["fratmae.run.step", "damaged sample skipped", "forward"] {
        let is_there = sent.windows(text.len()).any(|at| at == text.as_bytes());
        assert!(is_there, "{text} was not sent");
    }
    assert_without(&[SECRET, PATIENT, CASE], "OTLP", &*sent);
    let run = folder.path().join("live");
    assert!(look_at_files(&run, &run) > 10);
    look_at_commands(folder.path(), &run.display().to_string());
}

#[test]
fn a_secret_in_an_address_is_shown_by_nobody() {
    let folder = scratch();
    let out = folder.path().join("out").display().to_string();
    for address in [
        format!("s3://key:{SECRET}@bucket/run"),
        format!("s3://bucket/run?X-Amz-Signature={SECRET}"),
        format!("https://me:{SECRET}@host/run?sig={SECRET}"),
    ] {
        let address = address.as_str();
        let setting = format!("run.url={address}");
        for words in [
            vec!["status", address],
            vec!["top", address],
            vec!["goodput", address],
            vec!["serve", address],
            vec!["trace", address, "--steps", "1..2", "--out", &out],
            vec!["tensorboard", address, "--out", &out],
            vec!["replay", address, "--steps", "1..2"],
            vec!["audit", address],
            vec![
                "pretrain", "--config", CONFIG, "--run", &out, "--data", address,
            ],
            vec!["pretrain", "--config", CONFIG, "--set", &setting],
        ] {
            let said = fratmae(words).run();
            said.error_line();
            assert_without(&[SECRET], &said.call, said.stdout);
            assert_without(&[SECRET], "an error", said.stderr);
        }
    }
}
