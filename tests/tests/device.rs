//! Where workers compute: the CPU where there is no GPU to be had, with the reason, and no run where one is demanded.

use std::time::Duration;

use fratmae_protocol::connect;
use fratmae_protocol::pb;
use fratmae_protocol::pb::from_worker::Message;
use fratmae_tests::{Job, fratmae, logged, phantoms, scratch};
use tokio_stream::StreamExt;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn auto_trains_on_the_cpu_and_every_worker_says_why() {
    let folder = scratch();
    let job = Job::tiny(folder.path().join("run")).workers(2);
    let finished = job
        .set("train.steps=1")
        .told_as_json()
        .start()
        .wait()
        .succeeded();
    let said = &finished.stderr;
    let reasons = logged(said, "training on the CPU: this build has no CUDA");
    assert_eq!(reasons.len(), 2, "{said}");
}

#[test]
fn a_demanded_gpu_ends_the_run_with_one_line_that_says_what_to_do() {
    let folder = scratch();
    // A second one could come when the run has ended already, and say so.
    let job = Job::tiny(folder.path().join("run")).workers(1);
    let job = job.set("workers.device=cuda");
    let line = job.call().run().error_line();
    assert!(line.contains("workers.device = \"cuda\""), "{line}");
    assert!(line.contains("cargo xtask gpu build"), "{line}");
}

/// A stream on which nothing but a registration is said, as a worker on a GPU of a machine like this one says it.
async fn join_from_a_gpu(address: &str) -> impl StreamExt<Item = pb::ToWorker> {
    let register = pb::Register {
        name: "on a GPU".to_owned(),
        kernels: fratmae_model::kernel_set(),
        device: Some("cuda".to_owned()),
        group_address: "127.0.0.1:2".to_owned(),
        ..Default::default()
    };
    let first = pb::FromWorker {
        message: Some(Message::Register(register)),
    };
    let said = tokio_stream::once(first).chain(tokio_stream::pending());
    let mut client = connect(address).await.expect("it serves");
    let orders = client.attend(said).await;
    orders
        .expect("it answers")
        .into_inner()
        .filter_map(Result::ok)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_on_the_cpu_may_not_join_one_on_a_gpu() {
    let folder = scratch();
    let coordinator = fratmae(["coordinator", "--json", "--config", CONFIG])
        .and("--data")
        .and(phantoms().data.display().to_string())
        .and("--run")
        .and(folder.path().join("run").display().to_string())
        .and("--workers=2")
        // The one on a GPU below is of no version.
        .and("--allow=version");
    let mut coordinator = coordinator.start();
    let mut address = String::new();
    coordinator.runs_until("its address", PATIENCE, |it| {
        let said = it.said();
        let url = said
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        address = url.unwrap_or_default().to_owned();
        !address.is_empty()
    });
    let mut orders = join_from_a_gpu(&address).await;
    let welcome = orders.next().await.and_then(|order| order.message);
    assert!(
        matches!(welcome, Some(pb::to_worker::Message::Welcome(_))),
        "{welcome:?}"
    );
    let refused = fratmae(["worker", "--coordinator", &address]).run();
    let line = refused.error_line();
    let expected = "this worker trains on \"cpu\" and the first one on \"cuda\"";
    assert!(
        line.contains(expected) && line.contains("workers.device"),
        "{line}"
    );
    coordinator.runs_until("the refusal", PATIENCE, |it| it.said().contains(expected));
}
