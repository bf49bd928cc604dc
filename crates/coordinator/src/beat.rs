//! Writes how far a run is, again and again: see [`Progress`].

use crate::clock::unix_us;
use fratmae_checkpoint::Progress;
use fratmae_control::Fence;
use fratmae_store::Location;
use tokio::task::JoinHandle;

/// Writes one at a time and in the background: a store that is slow holds nothing up.
#[derive(Debug)]
pub(crate) struct Beats {
    run: Location,
    /// What was written last.
    newest: Progress,
    writing: Option<JoinHandle<()>>,
}

impl Beats {
    /// For the coordinator that holds `fence` and is reached at `address`.
    pub(crate) fn new(run: Location, fence: Fence, address: String) -> Self {
        let newest = Progress {
            fence: fence.get(),
            address,
            ..Progress::default()
        };
        Self {
            run,
            newest,
            writing: None,
        }
    }

    /// Writes how far the run is, unless what was before is still being written.
    pub(crate) fn write(&mut self, step: u64, loss: Option<f64>) {
        if self
            .writing
            .as_ref()
            .is_some_and(|task| !task.is_finished())
        {
            return;
        }
        self.newest.number += 1;
        self.newest.step = step;
        self.newest.loss = loss.filter(|loss| loss.is_finite());
        self.newest.unix_us = unix_us();
        let (run, progress) = (self.run.clone(), self.newest.clone());
        self.writing = Some(tokio::spawn(async move {
            if let Err(error) = progress.write(&run).await {
                tracing::debug!(%error, "progress not written");
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_beat_has_its_number_and_a_loss_that_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let run = Location::open(folder.path().to_str().unwrap()).unwrap();
        let mut beats = Beats::new(run.clone(), Fence::new(3), "http://host:1".to_owned());
        for (step, loss) in [(7, Some(0.5)), (8, Some(f64::NAN))] {
            beats.write(step, loss);
            if let Some(task) = beats.writing.take() {
                task.await.unwrap();
            }
        }
        let beat = Progress::read(&run).await.unwrap();
        assert_eq!(
            (beat.fence, beat.number, beat.step, beat.loss),
            (3, 2, 8, None)
        );
        assert_eq!(beat.address, "http://host:1");
    }
}
