//! `--page`: a page of the run that this process leads, on a thread of its own, so that whoever looks costs the run
//! nothing but that thread.

use std::sync::{Arc, mpsc};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use fratmae_web::{Bound, Live, Runs};
use tokio::{runtime::Builder, sync::oneshot};

/// Where the page of a run is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Paging {
    /// Serve a page of the run: at a port of this host alone, or at HOST:PORT for others too
    #[arg(
        long,
        value_name = "[HOST:]PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "8420"
    )]
    page: Option<String>,
}

/// A page that is served until the value is dropped.
pub(crate) struct Page {
    /// Where a browser on this host finds it.
    pub(crate) url: String,
    thread: Option<std::thread::JoinHandle<()>>,
    stop: Option<oneshot::Sender<()>>,
}

impl Paging {
    /// Serves the page of the run at `run`, if one is wanted.
    ///
    /// # Errors
    /// The address cannot be had, or the system gives no thread.
    pub(crate) fn start(&self, run: &str, live: Live) -> Result<Option<Page>> {
        let Some(address) = self.page.clone() else {
            return Ok(None);
        };
        let runs = Runs::led(run, live)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, begun) = mpsc::sync_channel(1);
        let what = format!("cannot serve at --page {address}");
        let thread = std::thread::Builder::new().name("page".to_owned());
        let thread = thread.spawn(move || {
            let served = serve(&address, runs, stopped, |url| drop(sender.send(Ok(url))));
            if let Err(error) = served {
                // Nobody hears it any more once the address is known.
                drop(sender.send(Err(error)));
            }
        });
        let thread = thread.context("cannot start a thread")?;
        let url = begun.recv().map_err(|_| anyhow!("its thread has ended"));
        let url = url.and_then(|served| served).context(what)?;
        Ok(Some(Page {
            url,
            thread: Some(thread),
            stop: Some(stop),
        }))
    }
}

/// Serves until it is told to stop; `begun` is given the address.
fn serve(
    address: &str,
    runs: Arc<Runs>,
    stopped: oneshot::Receiver<()>,
    begun: impl FnOnce(String),
) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let bound = Bound::to(address).await?;
        begun(bound.url()?);
        let stop = async {
            let _ = stopped.await;
        };
        fratmae_web::show(bound, runs, fratmae_web::Router::new(), stop).await;
        Ok(())
    })
}

impl Drop for Page {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends within a moment, whoever still looks.
            drop(thread.join());
        }
    }
}
