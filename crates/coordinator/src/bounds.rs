//! How much a coordinator takes from the network: as much as its job can honestly need.

use fratmae_config::Train;
use fratmae_protocol::Bounds;
use nix::sys::resource::{Resource, getrlimit};

/// Connections beside those of workers: standbys, and people who ask for the status.
const OTHERS: usize = 256;
/// Descriptors for everything else: the store, the journal, the pipes of local workers.
const KEPT_BACK: usize = 128;
/// Bytes of the largest message of a job with a small batch: four thousand parts of a checkpoint, or a step's figures.
const MESSAGE: usize = 448 << 10;
/// Bytes of a step's figures beside its samples, and for each of them: its position and its case.
const FIGURES: (usize, usize) = (64 << 10, 16);

/// The bounds of a job in this process.
pub(crate) fn bounds(train: &Train) -> Bounds {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let (figures, sample) = FIGURES;
    Bounds {
        connections: connections(train.slots, files),
        message: MESSAGE.max(figures + sample * train.batch),
    }
}

/// Twice as many as there can be workers, since one that comes back may be there before its old connection is gone.
fn connections(slots: usize, files: usize) -> usize {
    let kept_back = KEPT_BACK.min(files / 2);
    (2 * slots + OTHERS).min(files - kept_back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_kept_back_however_few_there_are() {
        for (slots, files, expected) in [
            (8, usize::MAX, 272),
            (8, 1024, 272),
            (1000, 1024, 896),
            (8, 64, 32),
            (65_536, 1 << 20, 131_328),
        ] {
            assert_eq!(connections(slots, files), expected);
        }
    }

    #[test]
    fn a_large_batch_has_room_for_its_figures() {
        let train = |batch| Train {
            batch,
            ..Train::default()
        };
        assert_eq!(bounds(&train(32)).message, MESSAGE);
        assert!(bounds(&train(1_000_000)).message > 16_000_000);
    }
}
