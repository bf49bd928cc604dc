//! A coordinator of another version of the program: the real one in this process, which says so.

use std::path::Path;
use std::sync::{Arc, mpsc};

use fratmae_config::Config;
use fratmae_coordinator::{Allowed, Job, RunEvent, StopRequests};
use fratmae_dataset::DataSet;
use fratmae_store::Location;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, oneshot, watch};

use crate::scratch::phantoms;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");

/// A coordinator of the tiny job, which waits for workers; it ends with the value.
#[derive(Debug)]
pub struct OtherVersion {
    address: String,
    _stop: oneshot::Sender<()>,
}

impl OtherVersion {
    /// What it says of itself.
    pub const VERSION: &str = "0.0.1-other";

    /// Starts one for a run.
    ///
    /// # Panics
    /// When it does not come to serve.
    pub fn lead(run: &Path) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, addresses) = mpsc::sync_channel(1);
        let run = run.display().to_string();
        // Its future is large where nothing is optimized.
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        let started = thread.spawn(move || {
            let runtime = Runtime::new().expect("the system gives threads");
            runtime.block_on(lead(&run, stopped, &tell));
        });
        drop(started.expect("the system gives a thread"));
        let address = addresses.recv().expect("it serves before it ends");
        Self {
            address,
            _stop: stop,
        }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Leads until it is stopped, and tells where it serves.
async fn lead(run: &str, stopped: oneshot::Receiver<()>, tell: &mpsc::SyncSender<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("the system gives a port");
    let stop = StopRequests {
        after_the_step: Box::pin(std::future::pending()),
        // Also where whoever holds the other end is gone.
        at_once: Box::pin(async move { drop(stopped.await) }),
    };
    let (events, mut happened) = broadcast::channel(1_024);
    let (snapshots, _) = watch::channel(Arc::default());
    let leading =
        fratmae_coordinator::run(job(run).await, listener, None, (events, snapshots), stop);
    let telling = async {
        while let Ok(event) = happened.recv().await {
            if let RunEvent::Serving { address } = event {
                // Nobody listens where the test is over.
                let _ = tell.send(address);
            }
        }
    };
    let (outcome, ()) = tokio::join!(leading, telling);
    outcome.expect("it is stopped, and does not fail");
}

async fn job(run: &str) -> Job {
    let set = format!("run.url={run}");
    let config = Config::load(Some(Path::new(CONFIG)), &[set]).expect("a sound job file");
    let data = Location::open(&phantoms().data.display().to_string()).expect("a folder");
    Job {
        run: Location::open(run).expect("a folder"),
        data: DataSet::open(&data).await.expect("a data set"),
        nonce: "another version".to_owned(),
        warnings: Vec::new(),
        notes: Vec::new(),
        unread: Vec::new(),
        fork: None,
        allowed: Allowed::default(),
        take_over: false,
        version: OtherVersion::VERSION.to_owned(),
        config,
    }
}
