//! Pictures of fixed cases as training goes, if somebody has put them beside the run: `RUN/pictures/STEP-NAME.png`.

use crate::api::{Json, loaded};
use crate::query::Refusal;
use crate::runs::Runs;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::sync::Arc;

const FOLDER: &str = "pictures";
/// Pictures that are listed, the newest.
const MOST: usize = 512;
/// Bytes of a picture.
const LARGEST: u64 = 4 << 20;

#[derive(Serialize)]
pub(crate) struct Pictures {
    pictures: Vec<Picture>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Picture {
    name: String,
    step: u64,
}

impl Picture {
    /// One that is called so; other files are none.
    fn of(name: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let (step, _) = name.strip_suffix(".png")?.split_once('-')?;
        let is_plain = name.chars().all(is_plain);
        is_plain.then_some(Self {
            step: step.parse().ok()?,
            name: name.to_owned(),
        })
    }
}

pub(crate) async fn list(
    State(runs): State<Arc<Runs>>,
    Path(run): Path<String>,
) -> Result<Json<Pictures>, Refusal> {
    let run = loaded(&runs, &run).await?;
    let files = run.location().list_files(FOLDER).await;
    let files = files.map_err(|error| Refusal::away(&error))?;
    let mut pictures: Vec<Picture> = files.iter().filter_map(|file| Picture::of(file)).collect();
    pictures.sort_by(|a, b| (a.step, &a.name).cmp(&(b.step, &b.name)));
    pictures.drain(..pictures.len().saturating_sub(MOST));
    Ok(Json(Pictures { pictures }))
}

pub(crate) async fn one(
    State(runs): State<Arc<Runs>>,
    Path((run, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let picture = Picture::of(&name).ok_or_else(|| Refusal::unknown("picture", &name))?;
    let run = loaded(&runs, &run).await?;
    let object = format!("{FOLDER}/{}", picture.name);
    let bytes = run.location().find_at_most(&object, LARGEST).await;
    let bytes = bytes.map_err(|error| Refusal::away(&error))?;
    let bytes = bytes.ok_or_else(|| Refusal::unknown("picture", &name))?;
    Ok(([(header::CONTENT_TYPE, "image/png")], bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_picture_of_a_step_is_one() {
        let picture = Picture::of("000000000400-phantom_3.png").unwrap();
        assert_eq!(picture.step, 400);
        for name in [
            "400.png",
            "a-b.png",
            "400-a.jpg",
            "400-../x.png",
            "400-a/b.png",
            "",
        ] {
            assert_eq!(Picture::of(name), None, "{name}");
        }
    }
}
