//! Threads that the program computes and waits on, had at its start: a limit on them is one line and no panic later.

use std::{panic, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::runtime::{Builder, Runtime};

/// How long the first thread for blocking work may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

const LIMIT: &str =
    "cannot start threads; raise the limit on processes: `ulimit -u`, or pids.max of the container";

/// Starts the threads that compute; 0 stands for as many as there are cores.
///
/// # Errors
/// When the system gives no threads.
pub(crate) fn start_pool(threads: usize) -> Result<()> {
    // Matrix products, optimizer and loader share this one pool.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("compute-{index}"));
    pool.build_global().context(LIMIT)
}

/// Starts the threads that wait on I/O.
///
/// # Errors
/// When the system gives no threads.
pub(crate) fn runtime() -> Result<Runtime> {
    // tokio panics where it gets no thread. Nobody else runs yet whose panic would be hidden.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let built = panic::catch_unwind(|| {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let first = runtime.spawn_blocking(|| ());
        Ok::<_, std::io::Error>((runtime, first))
    });
    panic::set_hook(hook);
    let (runtime, first) = match built {
        Ok(built) => built.context(LIMIT)?,
        Err(refused) => {
            let text = refused.downcast_ref::<String>();
            bail!(
                "{LIMIT}: {}",
                text.map_or("no more threads", String::as_str)
            );
        }
    };
    // Without a single thread for blocking work tokio would wait for ever.
    let is_there = runtime.block_on(async { tokio::time::timeout(PATIENCE, first).await });
    if is_there.is_err() {
        runtime.shutdown_background();
        bail!(LIMIT);
    }
    Ok(runtime)
}
