//! A worker of the second task: `dice-worker COORDINATOR NAME [KEY=VALUE]...`, where the keys are `listen` and `advertise`,
//! as the program's worker has them, and `forward_ms` and `sample_ms`, which make it slow (see [`Pace`]).

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fratmae_config::Host;
use fratmae_network::Endpoint;
use fratmae_tests::{Dice, Pace};
use fratmae_worker::{Options, Whereabouts, run};

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let [_, coordinator, name, settings @ ..] = &words[..] else {
        return ExitCode::FAILURE;
    };
    let setting = |key: &str| {
        let pairs = settings
            .iter()
            .filter_map(|setting| setting.split_once('='));
        let mut values = pairs
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value);
        values.next().unwrap_or_default().to_owned()
    };
    let time = |key: &str| Duration::from_millis(setting(key).parse().unwrap_or(0));
    Pace {
        forward: time("forward_ms"),
        sample: time("sample_ms"),
    }
    .set();
    let Ok(coordinator) = Endpoint::parse_or(coordinator, 0) else {
        return ExitCode::FAILURE;
    };
    let options = Options {
        coordinator: Whereabouts::Address(coordinator),
        wait: Duration::from_secs(10),
        listen: setting("listen"),
        advertise: setting("advertise"),
        host: Host::default(),
        is_verbose: false,
        name: name.clone(),
        label: name.clone(),
        place: 0,
        token: None,
        // Of the program: a coordinator takes no other in.
        version: env!("CARGO_PKG_VERSION").to_owned(),
        activity: Arc::default(),
    };
    match run::<Dice>(options, std::future::pending()).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
