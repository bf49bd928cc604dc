//! How a worker is told to go, and how long it stays after that. What the others do without it is the coordinator's.

use crate::outbox::Outbox;
use fratmae_config::Workers;
use fratmae_store::local_path;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often the file that tells of preemption is looked for.
const EVERY: Duration = Duration::from_secs(1);

/// A worker's way out.
pub(crate) struct Leaving {
    /// Preemption is near once it is there; none is looked for without a path.
    file: Option<PathBuf>,
    grace: Duration,
    outbox: Outbox,
}

impl Leaving {
    pub(crate) fn new(workers: &Workers, outbox: Outbox) -> Self {
        let file = &workers.preemption_file;
        Self {
            // The command that leads the run has refused what is no path.
            file: (!file.is_empty()).then(|| local_path(file).unwrap_or_else(|_| file.into())),
            grace: Duration::from_secs(workers.grace_s),
            outbox,
        }
    }

    /// Waits until this worker is `asked` to go, says so, and returns when the grace is over, or when the training thread
    /// is `gone`: nobody needs this worker then. A worker that the coordinator lets go before does not see this end.
    pub(crate) async fn leave(
        self,
        asked: impl Future<Output = ()>,
        gone: impl Future<Output = ()>,
    ) {
        tokio::select! {
            () = asked => tracing::info!("asked to leave"),
            () = appears(self.file) => tracing::info!("preemption file found"),
        }
        self.outbox.leave();
        match tokio::time::timeout(self.grace, gone).await {
            Ok(()) => tracing::info!("the training thread has ended; leaving at once"),
            Err(_) => {
                tracing::warn!("not released within workers.grace_s; exiting");
            }
        }
    }
}

/// Waits until there is a file at this path.
async fn appears(file: Option<PathBuf>) {
    let Some(file) = file else {
        return std::future::pending().await;
    };
    let mut looks = tokio::time::interval(EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let file = file.clone();
        // A file system that hangs must hold nobody up.
        let look = tokio::task::spawn_blocking(move || file.exists());
        if look.await.unwrap_or(false) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fratmae_protocol::pb;
    use fratmae_protocol::pb::from_worker::Message as From;
    use tokio::sync::mpsc;

    async fn left(workers: Workers, asked: impl Future<Output = ()>) -> Option<pb::FromWorker> {
        let outbox = Outbox::default();
        let (sender, mut said) = mpsc::channel(4);
        outbox.connect(sender);
        let gone = std::future::pending();
        Leaving::new(&workers, outbox).leave(asked, gone).await;
        said.recv().await
    }

    fn workers(file: &std::path::Path) -> Workers {
        Workers {
            grace_s: 0,
            preemption_file: file.display().to_string(),
            ..Workers::default()
        }
    }

    fn said() -> Option<pb::FromWorker> {
        Some(pb::FromWorker {
            message: Some(From::Leaving(pb::Leaving {})),
        })
    }

    #[tokio::test]
    async fn a_worker_that_is_asked_says_so_and_goes_when_the_grace_is_over() {
        let workers = workers(std::path::Path::new(""));
        assert_eq!(left(workers, async {}).await, said());
    }

    #[tokio::test]
    async fn a_worker_without_its_training_thread_does_not_wait_for_the_grace() {
        let workers = Workers {
            grace_s: u64::MAX,
            ..Workers::default()
        };
        let leaving = Leaving::new(&workers, Outbox::default());
        leaving.leave(async {}, async {}).await;
    }

    #[tokio::test]
    async fn a_file_asks_as_well() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let never = std::future::pending();
        assert_eq!(left(workers(file.path()), never).await, said());
    }
}
