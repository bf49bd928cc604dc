//! How far a run is, on its store between checkpoints: for who looks while no coordinator answers, and as the sign that
//! one lives where it cannot be asked.
//!
//! The object is written again and again, and nobody decides by what it says but by its changing.

use crate::clock::unix_us;
use bytes::Bytes;
use fratmae_control::Fence;
use fratmae_store::Location;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

const OBJECT: &str = "progress.json";

/// What a coordinator last wrote of its run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// The fence of the coordinator.
    pub(crate) fence: u64,
    /// Rises with every beat.
    pub(crate) number: u64,
    /// The newest step applied.
    pub(crate) step: u64,
    /// Its loss, if known.
    #[serde(default)]
    pub(crate) loss: Option<f64>,
    /// When it was written, in microseconds since 1970.
    pub(crate) unix_us: u64,
}

/// Reads the last beat of a run; none where there is none that can be read.
pub(crate) async fn last_beat(run: &Location) -> Option<Beat> {
    let bytes = run.get_if_present(OBJECT).await.ok()??;
    serde_json::from_slice(&bytes).ok()
}

/// Writes beats, one at a time and in the background: a store that is slow holds nothing up.
#[derive(Debug)]
pub(crate) struct Beats {
    run: Location,
    fence: Fence,
    number: u64,
    writing: Option<JoinHandle<()>>,
}

impl Beats {
    pub(crate) const fn new(run: Location, fence: Fence) -> Self {
        Self {
            run,
            fence,
            number: 0,
            writing: None,
        }
    }

    /// Writes how far the run is, unless the beat before is still being written.
    pub(crate) fn write(&mut self, step: u64, loss: Option<f64>) {
        if self
            .writing
            .as_ref()
            .is_some_and(|task| !task.is_finished())
        {
            return;
        }
        self.number += 1;
        let beat = Beat {
            fence: self.fence.get(),
            number: self.number,
            step,
            loss: loss.filter(|loss| loss.is_finite()),
            unix_us: unix_us(),
        };
        let run = self.run.clone();
        self.writing = Some(tokio::spawn(async move {
            let Ok(text) = serde_json::to_vec_pretty(&beat) else {
                return;
            };
            if let Err(error) = run.put(OBJECT, Bytes::from(text)).await {
                tracing::debug!(%error, "progress not written");
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_beat_is_read_back_and_rubbish_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let run = Location::open(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(last_beat(&run).await, None);
        let mut beats = Beats::new(run.clone(), Fence::new(3));
        for (step, loss) in [(7, Some(0.5)), (8, Some(f64::NAN))] {
            beats.write(step, loss);
            if let Some(task) = beats.writing.take() {
                task.await.unwrap();
            }
        }
        let beat = last_beat(&run).await.unwrap();
        assert_eq!(
            (beat.fence, beat.number, beat.step, beat.loss),
            (3, 2, 8, None)
        );
        run.put(OBJECT, "{").await.unwrap();
        assert_eq!(last_beat(&run).await, None);
    }
}
