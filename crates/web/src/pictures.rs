//! Pictures of fixed cases as training goes, which lie beside the run: `RUN/pictures/STEP-NAME.png`, and how wrong they
//! are: `RUN/pictures/errors.json`.

use crate::api::{Json, loaded};
use crate::query::Refusal;
use crate::runs::Runs;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use fratmae_store::{Location, StoreError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const FOLDER: &str = "pictures";
/// Pictures that are listed, the newest.
const MOST: usize = 512;
/// Bytes of a picture.
const LARGEST: u64 = 4 << 20;
const ERRORS: &str = "pictures/errors.json";
/// Steps whose errors are kept, the newest.
const MOST_STEPS: usize = 10_000;

#[derive(Serialize)]
pub(crate) struct Pictures {
    pictures: Vec<Picture>,
    errors: Vec<PictureError>,
}

/// How wrong the reconstructions of a step's pictures are: means of squared errors on masked patches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureError {
    pub step: u64,
    /// How many cases this is of.
    pub cases: usize,
    /// Whether they are of another data set than the one that the run trains on.
    pub is_held_out: bool,
    pub pet: f32,
    pub ct: f32,
}

impl PictureError {
    /// Reads those of a run, in the order of their steps; none if they cannot be read.
    ///
    /// # Errors
    /// The store's.
    async fn read(run: &Location) -> Result<Vec<Self>, StoreError> {
        let bytes = run.find_at_most(ERRORS, LARGEST).await?;
        let known = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(known.unwrap_or_default())
    }

    /// Puts it beside a run's pictures, in the place of an earlier one of its step.
    ///
    /// # Errors
    /// The store's.
    pub async fn put(self, run: &Location) -> Result<(), StoreError> {
        let mut errors = Self::read(run).await?;
        errors.retain(|known| known.step != self.step);
        errors.push(self);
        errors.sort_by_key(|known| known.step);
        errors.drain(..errors.len().saturating_sub(MOST_STEPS));
        let text = serde_json::json!(errors).to_string();
        run.put(ERRORS, text).await
    }
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
    let errors = PictureError::read(run.location()).await;
    let errors = errors.map_err(|error| Refusal::away(&error))?;
    Ok(Json(Pictures { pictures, errors }))
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

    #[tokio::test]
    async fn a_step_has_one_error_and_the_newest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let run = Location::open(folder.path().to_str().unwrap()).unwrap();
        let error = |step, pet| PictureError {
            step,
            cases: 3,
            is_held_out: true,
            pet,
            ct: 0.5,
        };
        assert_eq!(PictureError::read(&run).await.unwrap(), []);
        for (step, pet) in [(20, 0.25), (10, 0.5), (20, 0.125)] {
            error(step, pet).put(&run).await.unwrap();
        }
        let expected = [error(10, 0.5), error(20, 0.125)];
        assert_eq!(PictureError::read(&run).await.unwrap(), expected);
        run.put(ERRORS, "[{").await.unwrap();
        assert_eq!(PictureError::read(&run).await.unwrap(), []);
    }

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
