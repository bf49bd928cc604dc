//! The JSON of runs, as `docs/api.md` describes it. The page uses nothing else.

use crate::figures::Curves;
use crate::query::{Query, Refusal};
use crate::ranks::{Map, Measure};
use crate::run::Run;
use crate::runs::{Listed, Runs};
use crate::spending::Spending;
use crate::stream::changes;
use crate::timeline::{Checkpoint, Item, checkpoints, placed};
use crate::{assets, pictures};
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{self, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fratmae_coordinator::CoordinatorError;
use fratmae_observe::{Finding, Ratios, Snapshot, Totals, findings};
use serde::Serialize;
use std::sync::Arc;

/// Points of a curve, and columns of a map, at most.
const POINTS: u64 = 2_000;
const COLUMNS: u64 = 512;
/// Figures in one answer.
const NAMES: usize = 64;

type Shared = State<Arc<Runs>>;
type Answer<T> = Result<Json<T>, Refusal>;

/// The page and its API.
pub(crate) fn router(runs: Arc<Runs>) -> Router {
    Router::new()
        .route("/", get(assets::index))
        .route("/page/{name}", get(assets::asset))
        .route("/api/v1/runs", get(list))
        .route("/api/v1/runs/{run}", get(summary))
        .route("/api/v1/runs/{run}/series", get(series))
        .route("/api/v1/runs/{run}/heat", get(heat))
        .route("/api/v1/runs/{run}/ledger", get(ledger))
        .route("/api/v1/runs/{run}/timeline", get(timeline))
        .route("/api/v1/runs/{run}/checkpoints", get(saved))
        .route("/api/v1/runs/{run}/pictures", get(pictures::list))
        .route("/api/v1/runs/{run}/pictures/{name}", get(pictures::one))
        .route("/api/v1/runs/{run}/events", get(events))
        .with_state(runs)
}

/// A value as JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
            Err(error) => Refusal::failed(&error).into_response(),
        }
    }
}

#[derive(Serialize)]
struct List {
    /// Whether one run was asked for and not a folder of them.
    is_single: bool,
    runs: Vec<Listed>,
}

async fn list(State(runs): Shared) -> Json<List> {
    Json(List {
        is_single: runs.is_single,
        runs: runs.list().await,
    })
}

#[derive(Serialize)]
struct Summary {
    id: String,
    name: String,
    snapshot: Snapshot,
    ratios: Ratios,
    findings: Vec<Finding>,
    /// The names of all figures, for `series`.
    names: Vec<String>,
    /// The first and the last step that has figures.
    steps: Option<(u64, u64)>,
    /// What cannot be read, a line each.
    notes: Vec<String>,
    /// Where `events` goes on from.
    cursor: String,
}

async fn summary(State(runs): Shared, Path(run): Path<String>) -> Answer<Summary> {
    let run = loaded(&runs, &run).await?;
    let view = run.view();
    Ok(Json(Summary {
        id: run.id.clone(),
        name: run.name.clone(),
        ratios: Totals::of(&view.snapshot).ratios(),
        findings: findings(&view.snapshot),
        names: view
            .figures
            .names()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        steps: view.figures.steps(),
        notes: view.notes.values().cloned().collect(),
        cursor: view.changes.cursor(),
        snapshot: view.snapshot.clone(),
    }))
}

#[derive(Serialize)]
struct Series {
    #[serde(flatten)]
    curves: Curves,
    cursor: String,
}

async fn series(
    State(runs): Shared,
    Path(run): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<Series> {
    let query = Query::of(query.as_deref(), &["name", "points", "from", "to"])?;
    let points = query.number("points", 1_000, 1..=POINTS)?;
    let steps = query.steps()?;
    let run = loaded(&runs, &run).await?;
    let view = run.view();
    let names: Vec<&str> = match query.text("name") {
        Some(names) => names
            .split(',')
            .filter(|name| !name.is_empty())
            .take(NAMES)
            .collect(),
        None => view.figures.names().into_iter().take(NAMES).collect(),
    };
    let points = usize::try_from(points).unwrap_or(1);
    Ok(Json(Series {
        curves: view.figures.curves(&names, steps, points),
        cursor: view.changes.cursor(),
    }))
}

async fn heat(
    State(runs): Shared,
    Path(run): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<Map> {
    let query = Query::of(
        query.as_deref(),
        &["metric", "relative", "columns", "from", "to"],
    )?;
    let name = query.text("metric").unwrap_or("step");
    let measure = Measure::of(name).ok_or_else(|| {
        Refusal::wrong(format!(
            "metric {name:?} is none of {}",
            Measure::all().join(", ")
        ))
    })?;
    let is_relative = query.is("relative")?;
    let columns = query.number("columns", COLUMNS, 1..=COLUMNS)?;
    let steps = query.steps()?;
    let run = whole(&runs, &run).await?;
    let map = run.view().ranks.map(measure, is_relative, steps, columns);
    Ok(Json(map))
}

async fn ledger(State(runs): Shared, Path(run): Path<String>) -> Answer<Spending> {
    let run = whole(&runs, &run).await?;
    let (ledger, capacity) = run.view().times();
    Ok(Json(Spending::of(&ledger, &capacity)))
}

#[derive(Serialize)]
struct Timeline {
    items: Vec<Item>,
}

async fn timeline(State(runs): Shared, Path(run): Path<String>) -> Answer<Timeline> {
    let run = loaded(&runs, &run).await?;
    let view = run.view();
    let items = placed(&view.items, &view.figures.first_steps());
    Ok(Json(Timeline { items }))
}

#[derive(Serialize)]
struct Saved {
    checkpoints: Vec<Checkpoint>,
}

async fn saved(State(runs): Shared, Path(run): Path<String>) -> Answer<Saved> {
    let run = loaded(&runs, &run).await?;
    let checkpoints = checkpoints(&run.view().items);
    Ok(Json(Saved { checkpoints }))
}

async fn events(
    State(runs): Shared,
    Path(run): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let query = Query::of(query.as_deref(), &["after"])?;
    let room = Arc::clone(&runs.listeners).try_acquire_owned();
    let room = room.map_err(|_| Refusal::full())?;
    let run = loaded(&runs, &run).await?;
    // A browser that connects again says so; then that counts.
    let heard = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let cursor = heard.or(query.text("after")).map(str::to_owned);
    let cursor = cursor.unwrap_or_else(|| run.view().changes.cursor());
    Ok(changes(run, cursor, room).into_response())
}

/// A run whose figures and journal have been read.
pub(crate) async fn loaded(runs: &Runs, id: &str) -> Result<Arc<Run>, Refusal> {
    let run = runs.get(id).ok_or_else(|| Refusal::unknown("run", id))?;
    let read = run.load().await;
    answerable(run, read)
}

/// A run of which all has been read.
async fn whole(runs: &Runs, id: &str) -> Result<Arc<Run>, Refusal> {
    let run = runs.get(id).ok_or_else(|| Refusal::unknown("run", id))?;
    let read = run.load_all().await;
    answerable(run, read)
}

fn answerable(run: Arc<Run>, read: Result<(), CoordinatorError>) -> Result<Arc<Run>, Refusal> {
    match read {
        Ok(()) => Ok(run),
        // What its coordinator tells is there all the same.
        Err(_) if run.is_led_here => Ok(run),
        Err(error) => Err(Refusal::away(&error)),
    }
}
