//! The page of runs: what it says is what their stores have, and whoever asks for something else is refused.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use fratmae_tests::{
    Call, Job, RunEvent, Running, Signal, events, fratmae, journal, losses, scratch, wait_for,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn serve(place: &str) -> Call {
    let call = fratmae(["serve", "--listen", "0"]).and(place);
    call.within(Duration::from_secs(240))
}

/// Starts a server and gives the address that it prints.
fn served(place: &str) -> (Running, String) {
    let mut server = serve(place).start();
    server.runs_until("its address", PATIENCE, |server| {
        server.printed().contains('\n')
    });
    let address = server.printed().trim().replace("http://", "");
    (server, address)
}

/// Sends a request whose answer ends with the connection.
fn asked(address: &str, request: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).expect("it serves");
    stream.set_read_timeout(Some(PATIENCE)).expect("a patience");
    stream.write_all(request.as_bytes()).expect("it reads");
    BufReader::new(stream)
}

/// The status and the body of an answer.
fn get(address: &str, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let mut answer = String::new();
    asked(address, &request)
        .read_to_string(&mut answer)
        .expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

fn json(address: &str, path: &str) -> Value {
    let (status, body) = get(address, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("as docs/api.md says")
}

/// The steps of a curve with their values as they are written.
fn curve(address: &str, run: &str, name: &str) -> Vec<(u64, String)> {
    let series = json(
        address,
        &format!("/api/v1/runs/{run}/series?name={name}&points=2000"),
    );
    let steps = series["step"]
        .as_array()
        .expect("as docs/api.md says")
        .iter();
    let values = series["series"][name]["mean"]
        .as_array()
        .expect("as docs/api.md says")
        .iter();
    steps
        .zip(values)
        .map(|(step, value)| {
            (
                step.as_u64().expect("as docs/api.md says"),
                value.to_string(),
            )
        })
        .collect()
}

#[test]
fn what_the_page_says_of_a_finished_run_is_what_its_store_has() {
    let folder = scratch();
    let run = folder.path().join("runs").join("one");
    Job::long(&run).finish();
    let place = folder.path().join("runs").display().to_string();
    let (server, address) = served(&place);
    let list = json(&address, "/api/v1/runs");
    let listed = &list["runs"][0];
    assert_eq!(
        (&listed["id"], &listed["state"]),
        (&"one".into(), &"finished".into()),
        "{list}"
    );
    let shown = losses(&run.display().to_string());
    assert_eq!(curve(&address, "one", "loss"), shown);
    let summary = json(&address, "/api/v1/runs/one");
    assert_eq!(summary["snapshot"]["step"], 24);
    assert_eq!(summary["steps"], serde_json::json!([1, 24]));
    let items = json(&address, "/api/v1/runs/one/timeline");
    let kinds = |items: &Value| -> Vec<String> {
        let kinds = items["items"].as_array().unwrap().iter();
        kinds
            .map(|item| item["kind"].as_str().unwrap().to_owned())
            .collect()
    };
    let records = journal(&run);
    let written: Vec<_> = records
        .iter()
        .map(|it| it["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds(&items), written);
    for part in ["ledger", "heat", "checkpoints", "pictures"] {
        json(&address, &format!("/api/v1/runs/one/{part}"));
    }
    for path in [
        "/",
        "/page/main.js",
        "/page/page.css",
        "/page/uPlot.iife.min.js",
    ] {
        assert_eq!(get(&address, path).0, 200, "{path}");
    }
    server.signal(Signal::SIGTERM);
    server.wait().succeeded();
}

#[test]
fn pictures_of_the_same_cases_are_drawn_as_training_goes_and_change_no_bit() {
    let folder = scratch();
    let run = folder.path().join("runs").join("drawn");
    let plain = Job::long(folder.path().join("plain")).finish();
    let drawn = Job::long(&run).call().and("--pictures").and("2").run();
    let drawn = drawn.succeeded();
    assert_eq!(drawn.digest(), plain.digest());
    assert!(!drawn.stderr.contains("no pictures"), "{}", drawn.stderr);
    // Of the last step, and of those before it for which there was time.
    let again = fratmae([
        "model", "pictures", "--json", "--step", "12", "--cases", "2",
    ]);
    let again = again.and(&run).run().succeeded().json();
    assert_eq!(again["pictures"].as_array().map(Vec::len), Some(2));
    let (_server, address) = served(&folder.path().join("runs").display().to_string());
    let pictures = json(&address, "/api/v1/runs/drawn/pictures");
    let errors = pictures["errors"].as_array().unwrap();
    let steps: Vec<_> = errors.iter().map(|it| it["step"].as_u64()).collect();
    assert!(
        steps.contains(&Some(12)) && steps.contains(&Some(24)),
        "{steps:?}"
    );
    for error in errors {
        assert_eq!(error["is_held_out"], false, "{error}");
        assert!(error["pet"].is_f64() && error["ct"].is_f64(), "{error}");
    }
    let pictures = pictures["pictures"].as_array().unwrap();
    let names: Vec<_> = pictures
        .iter()
        .map(|picture| picture["name"].as_str().unwrap())
        .collect();
    for name in [
        "000000000012-case-0.png",
        "000000000012-case-6.png",
        "000000000024-case-0.png",
        "000000000024-case-6.png",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
        let path = format!("/api/v1/runs/drawn/pictures/{name}");
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        let mut answer = Vec::new();
        asked(&address, &request).read_to_end(&mut answer).unwrap();
        assert!(answer.windows(8).any(|at| at == b"\x89PNG\r\n\x1a\n"));
    }
}

#[test]
fn whoever_asks_wrongly_gets_one_line() {
    let folder = scratch();
    let run = folder.path().join("run");
    Job::tiny(&run).finish();
    let (_server, address) = served(&run.display().to_string());
    let id = json(&address, "/api/v1/runs")["runs"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let of_run = |part: &str| format!("/api/v1/runs/{id}/{part}");
    for (path, status) in [
        ("/api/v1/runs/other".to_owned(), 404),
        ("/api/v1/runs/..%2F..%2Fetc".to_owned(), 404),
        ("/page/..%2Fsrc%2Flib.rs".to_owned(), 404),
        (of_run("series?points=0"), 400),
        (of_run("series?point=9"), 400),
        (of_run("series?from=x"), 400),
        (of_run("heat?metric=nothing"), 400),
        (of_run("heat?columns=100000"), 400),
        (of_run("pictures/..%2Fconfig.json"), 404),
    ] {
        let (got, body) = get(&address, &path);
        assert_eq!(
            (got, body.lines().count() <= 1),
            (status, true),
            "{path}: {body}"
        );
    }
    let foreign = "GET /api/v1/runs HTTP/1.0\r\nHost: example.org\r\n\r\n";
    let mut answer = String::new();
    asked(&address, foreign)
        .read_to_string(&mut answer)
        .unwrap();
    assert!(answer.starts_with("HTTP/1.0 421"), "{answer}");
}

#[test]
fn a_folder_without_a_run_and_an_address_that_is_taken_are_errors() {
    let folder = scratch();
    let place = folder.path().display().to_string();
    let line = serve(&place).run().error_line();
    assert!(line.contains(&place), "{line}");
    let run = folder.path().join("run");
    Job::tiny(&run).finish();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let call = fratmae(["serve", "--listen", &port]).and(&place);
    let line = call.run().error_line();
    assert!(line.contains("--listen") && line.contains(&port), "{line}");
}

/// The steps that a stream of changes tells from a cursor on, until `enough` of them, and the cursor after them.
fn followed(address: &str, cursor: &str, enough: usize) -> (Vec<u64>, String) {
    let request = format!(
        "GET /api/v1/runs/live/events HTTP/1.0\r\nHost: localhost\r\nLast-Event-ID: {cursor}\r\n\r\n"
    );
    let (mut steps, mut cursor) = (Vec::new(), cursor.to_owned());
    for line in asked(address, &request).lines() {
        let line = line.expect("as docs/api.md says");
        if let Some(id) = line.strip_prefix("id: ") {
            id.clone_into(&mut cursor);
        }
        if let Some(data) = line.strip_prefix("data: ") {
            let change: Value = serde_json::from_str(data).expect("as docs/api.md says");
            let new = change["steps"]["step"].as_array().into_iter().flatten();
            steps.extend(new.filter_map(Value::as_u64));
        }
        // An event ends with an empty line.
        if line.is_empty() && steps.len() >= enough {
            break;
        }
    }
    (steps, cursor)
}

#[test]
fn a_run_that_trains_is_followed_without_a_gap_although_the_stream_is_cut() {
    let folder = scratch();
    let job = Job::long(folder.path().join("live")).set("train.steps=400");
    let job = job.told_as_json().call().and("--page=0");
    let running = job.start();
    let address = wait_for("the address of the page", PATIENCE, || {
        let page = |event: RunEvent| match event {
            RunEvent::Noted { note } => Some(note.strip_prefix("page: http://")?.to_owned()),
            _ => None,
        };
        events(&running.said()).into_iter().find_map(page)
    });
    // The page is there before the run's first record is.
    let series: Value = wait_for("the run's curve", PATIENCE, || {
        let (status, body) = get(&address, "/api/v1/runs/live/series?name=loss");
        (status == 200).then(|| serde_json::from_str(&body).unwrap())
    });
    let known = series["step"].as_array().unwrap().iter();
    let mut steps: Vec<u64> = known.filter_map(Value::as_u64).collect();
    let mut cursor = series["cursor"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let (more, after) = followed(&address, &cursor, 3);
        steps.extend(more);
        cursor = after;
    }
    let all: Vec<u64> = (1..=steps.len() as u64).collect();
    assert_eq!(steps, all);
    let summary = json(&address, "/api/v1/runs/live");
    assert_eq!(summary["snapshot"]["state"], "training", "{summary}");
    running.signal(Signal::SIGTERM);
    let finished = running.wait();
    assert_eq!(finished.code, Some(75), "{}", finished.stderr);
    finished.no_panic();
}
