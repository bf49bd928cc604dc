//! What viewers of others show of a run: TensorBoard's own reader and Perfetto's own messages read what it wrote.
//! `top` where there is no terminal, and on one.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fratmae_observe::{CapacityRow, Counts, Row, TimeFile};
use fratmae_tests::{Job, call_python, fratmae, http_get, python, scratch, skip, status};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// The readers, at the versions that were tried, and what they need; all else of TensorBoard is its page.
const PACKAGES: [&str; 6] = [
    "--no-deps",
    "tensorboard==2.21.0",
    "perfetto==0.59.1",
    "protobuf==7.36.2",
    "numpy==2.4.6",
    "absl-py==2.5.1",
];
const PROBE: &str =
    "import tensorboard.backend.event_processing.event_accumulator, perfetto.protos.perfetto.trace";

/// What a reader in Python finds in a file; none where there is no such Python.
fn read(what: &str, path: &Path) -> Option<Value> {
    let python = match python("viewers-venv", &PACKAGES, PROBE) {
        Ok(python) => python,
        Err(reason) => {
            skip(what, &reason);
            return None;
        }
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/viewers.py");
    let path = path.display().to_string();
    let found = call_python(&python, &[script, what, &path]).expect("it reads what was written");
    Some(serde_json::from_str(&found).expect("JSON"))
}

/// The losses that TensorBoard shows, and those of the history, by step.
fn losses(board: &Value, run: &str) -> [BTreeMap<u64, f32>; 2] {
    let shown = board["loss/total"].as_array().expect("a list");
    let point = |point: &Value| {
        let step = point[0].as_u64().expect("a step");
        (step, point[1].as_f64().expect("a loss") as f32)
    };
    let points: BTreeMap<u64, f32> = shown.iter().map(point).collect();
    assert_eq!(points.len(), shown.len(), "a step has two values");
    let status = status(run);
    let rows = status["history"].as_array().expect("a list").iter();
    let rows = rows.map(|row| {
        let loss = row["loss"].as_f64().expect("a loss") as f32;
        (row["step"].as_u64().expect("a step"), loss)
    });
    [points, rows.collect()]
}

/// How many steps the records of a run's time count, as they lie in its folder.
fn recorded(run: &Path) -> Counts {
    let files = std::fs::read_dir(run.join("history")).into_iter().flatten();
    let mut counts = Counts::default();
    for file in files.flatten() {
        let name = format!("history/{}", file.file_name().to_string_lossy());
        if TimeFile::of::<CapacityRow>(&name).is_some() {
            let bytes = std::fs::read(file.path()).expect("a file is written at once");
            let rows = CapacityRow::decode(bytes.into()).expect("rows");
            rows.iter().for_each(|row| counts += row.counts);
        }
    }
    counts
}

/// The losses that the page's JSON has, by step.
fn losses_of_page(run: &str) -> BTreeMap<u64, f32> {
    let mut server = fratmae(["serve", "--listen", "0", run]).start();
    server.runs_until("its address", PATIENCE, |server| {
        server.printed().contains('\n')
    });
    let address = server.printed().trim().replace("http://", "");
    let get = |path: &str| {
        let (head, body) = http_get(&address, path, "*/*").expect("it answers");
        assert!(head.contains(" 200 "), "{path}: {head}");
        serde_json::from_str::<Value>(&body).expect("JSON")
    };
    let runs = get("/api/v1/runs");
    let id = runs["runs"][0]["id"].as_str().expect("a run");
    let series = get(&format!("/api/v1/runs/{id}/series?name=loss&points=2000"));
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let (steps, values) = (
        list(&series["step"]),
        list(&series["series"]["loss"]["mean"]),
    );
    assert_eq!(steps.len(), values.len());
    let points = steps.iter().zip(&values).map(|(step, value)| {
        let loss = value.as_f64().expect("a loss") as f32;
        (step.as_u64().expect("a step"), loss)
    });
    let by_step: BTreeMap<u64, f32> = points.collect();
    assert_eq!(by_step.len(), steps.len(), "a step has two values");
    by_step
}

#[test]
fn a_step_has_one_value_everywhere_although_a_kill_made_steps_repeat() {
    const STEPS: usize = 400;
    let folder = scratch();
    let board = folder.path().join("boards/live");
    let run = folder.path().join("run");
    let job = Job::tiny(&run)
        .workers(2)
        .set(&format!("train.steps={STEPS}"))
        .set(&format!("checkpoint.every={STEPS}"));
    let call = || {
        let call = job.call().and("--tensorboard").and(&board);
        call.within(Duration::from_secs(300))
    };
    let mut first = call().and("--log").and("json").start();
    // Without a checkpoint all steps are lost with all memory.
    first.runs_until("records of steps", PATIENCE, |_| {
        recorded(&run).steps_applied >= 3
    });
    first.kill_all();
    first.wait();
    call().run().succeeded();
    let counts = recorded(&run);
    assert!(counts.steps_repeated >= 3, "{counts:?}");
    let unlike = counts.steps_applied - counts.steps_repeated;
    assert_eq!(unlike, STEPS as u64, "{counts:?}");
    let shown = &status(job.run_url())["counts"];
    assert_eq!(shown["steps_repeated"], counts.steps_repeated);
    let Some(live) = read("tensorboard", &board) else {
        return;
    };
    let [shown, history] = losses(&live, job.run_url());
    assert_eq!(history.len(), STEPS);
    assert_eq!(shown, history);
    assert_eq!(losses_of_page(job.run_url()), history);
    for tag in ["loss/pet", "learning_rate", "throughput/samples_per_second"] {
        assert_eq!(live[tag].as_array().map(Vec::len), Some(STEPS), "{tag}");
    }
    let whole = folder.path().join("boards/whole");
    let export = fratmae(["tensorboard", job.run_url(), "--json", "--out"]).and(&whole);
    let written = export.run().succeeded().json();
    assert_eq!(written["steps"], STEPS);
    // A second time it replaces the first.
    export.run().succeeded();
    assert_eq!(std::fs::read_dir(&whole).unwrap().count(), 1);
    let whole = read("tensorboard", &whole).unwrap();
    let [shown, history] = losses(&whole, job.run_url());
    assert_eq!(shown, history);
    for tag in ["time/forward", "time/transfer", "goodput"] {
        for board in [&live, &whole] {
            let points = board[tag].as_array().map_or(0, Vec::len);
            assert!(points > 0, "{tag}: {points}");
        }
    }
}

#[test]
fn a_trace_is_what_perfetto_reads() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run).workers(3).set("train.steps=6");
    job.finish();
    let file = folder.path().join("steps.pftrace");
    let call = fratmae(["trace", job.run_url(), "--steps", "2..5", "--json", "--out"]).and(&file);
    let written = call.run().succeeded().json();
    assert_eq!(
        (&written["first_step"], &written["last_step"]),
        (&2.into(), &5.into())
    );
    let Some(found) = read("trace", &file) else {
        return;
    };
    assert_eq!(found["faults"], serde_json::json!([]), "{found}");
    assert_eq!(found["unknown_fields"], 0, "{found}");
    assert_eq!(found["calls"], 4 * 3, "{found}");
    for call in ["agree", "gather", "reduce"] {
        assert_eq!(found["names"][call], 4 * 3, "{call}: {found}");
    }
    let workers = found["processes"].as_array().unwrap().len() as u64 - 1;
    assert_eq!((workers, &written["workers"]), (3, &3.into()));
    assert!(found["clock_error_us"].is_f64(), "{found}");
    assert_eq!(found["ranks_of_calls"], serde_json::json!([workers]));
    let beyond = fratmae(["trace", job.run_url(), "--steps", "7..9", "--out"]).and(&file);
    let line = beyond.run().error_line();
    assert!(line.contains("there are steps 1 to 6"), "{line}");
}

#[test]
fn top_prints_the_status_once_where_there_is_no_terminal() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run).set("train.steps=2");
    job.finish();
    let call = |command: &str| fratmae([command, job.run_url()]).run().succeeded().stdout;
    assert_eq!(call("top"), call("status"));
}

#[test]
fn top_draws_on_a_terminal_and_leaves_it_as_it_was() {
    let folder = scratch();
    let run = folder.path().join("run");
    let job = Job::tiny(&run).set("train.steps=2");
    job.finish();
    // The keys: those that there are, back, and the end. `script` has the program on a terminal of its own.
    let script = "(sleep 2; printf '?'; sleep 1; printf 'xq') | script -qec \"stty cols 80 rows 24; \
                  before=\\$(stty -g); $*; [ \\$before = \\$(stty -g) ] && echo same settings\" /dev/null";
    let call = fratmae(["top", job.run_url()]).through(&["sh", "-c", script, "sh"]);
    let text = call.with("TERM", "xterm").run().succeeded().stdout;
    let place = |sought: &str| {
        let place = text.find(sought);
        place.unwrap_or_else(|| panic!("no {sought:?} in {text:?}"))
    };
    assert!(place("\u{1b}[?1049h") < place("finished"), "{text:?}");
    assert!(place("finished") < place("PgDn"), "{text:?}");
    assert!(place("PgDn") < place("\u{1b}[?1049l"), "{text:?}");
    assert!(place("\u{1b}[?1049l") < place("same settings"), "{text:?}");
}
