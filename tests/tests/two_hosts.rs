//! One run over two hosts, each with an address of its own, gives the weights of the run on one.

use std::time::Duration;

use fratmae_tests::{Host, Job, TwoHosts, fratmae, losses, phantoms, scratch, skip};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/invariance.toml");

#[test]
fn a_coordinator_and_workers_on_two_hosts_give_the_weights_of_one() {
    let hosts = match TwoHosts::start() {
        Ok(hosts) => hosts,
        Err(reason) => {
            return skip(
                "two hosts",
                &format!("network namespaces cannot be made ({reason})"),
            );
        }
    };
    let folder = scratch();
    let local = Job::tiny(folder.path().join("local"));
    let expected = local.finish();
    let run = folder.path().join("run").display().to_string();
    let data = phantoms().data.display().to_string();
    let listen = format!("{}:5600", Host::First.address());
    let address = format!("http://{listen}");
    let coordinator = fratmae([
        "coordinator",
        "--json",
        "--config",
        CONFIG,
        "--data",
        &data,
        "--run",
        &run,
    ])
    .and("--workers=3")
    .and("--listen")
    .and(&listen);
    let mut coordinator = coordinator.through(&hosts.on(Host::First)).start();
    coordinator.runs_until("the coordinator's address", Duration::from_secs(30), |it| {
        it.said().contains(&listen)
    });
    let workers = [Host::First, Host::Second, Host::Second].map(|host| {
        let worker = fratmae(["worker", "--coordinator", &address]);
        worker.through(&hosts.on(host)).start()
    });
    let finished = coordinator.wait().succeeded();
    for worker in workers {
        worker.wait().succeeded();
    }
    assert_eq!(
        finished.json()["weights_digest"],
        expected.digest(),
        "{}",
        finished.stderr
    );
    assert_eq!(losses(&run), losses(local.run_url()));
}
