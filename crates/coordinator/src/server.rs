//! The task that serves workers, from its start to the moment when the last of them has left.

use crate::fleet::Fleet;
use crate::service::Service;
use fratmae_protocol::{Bounds, serve};
use fratmae_trust::own;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long workers may take to read their last order and leave.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The serving task and the means to end it.
pub(crate) struct Server {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    pub(crate) fn start(listener: TcpListener, service: Service, bounds: Bounds) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let keys = own().cloned();
        let serve = serve(listener, service, (bounds, keys), async {
            // A dropped sender means the same as a sent one.
            let _ = stopped.await;
        });
        Self {
            stop,
            task: tokio::spawn(serve),
        }
    }

    /// Lets workers read their last orders and leave, but not for ever.
    pub(crate) async fn stop(self, fleet: &mut Fleet) {
        let _ = self.stop.send(());
        let shutdown = async {
            fleet.wait().await;
            let _ = self.task.await;
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, shutdown)
            .await
            .is_err()
        {
            tracing::warn!("workers did not leave in time");
        }
    }
}
