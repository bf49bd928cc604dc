//! A worker of the second task: `dice-worker COORDINATOR NAME`.

use std::process::ExitCode;
use std::time::Duration;

use fratmae_config::Host;
use fratmae_network::Endpoint;
use fratmae_telemetry::PhaseLedger;
use fratmae_tests::Dice;
use fratmae_worker::{Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let [_, coordinator, name] = &words[..] else {
        return ExitCode::FAILURE;
    };
    let Ok(coordinator) = Endpoint::parse_or(coordinator, 0) else {
        return ExitCode::FAILURE;
    };
    let options = Options {
        coordinator,
        wait: Duration::from_secs(10),
        listen: String::new(),
        advertise: String::new(),
        host: Host::default(),
        is_verbose: false,
        name: name.clone(),
        label: name.clone(),
        place: 0,
        token: None,
        // Of the program: a coordinator takes no other in.
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ledger: PhaseLedger::default(),
    };
    match run::<Dice>(options, std::future::pending()).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
