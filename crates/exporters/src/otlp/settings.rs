//! Which signals are sent, where to, and how: the standard's variables, as far as the SDK does not read them by itself.

use std::time::Duration;

/// How long a request may take, in milliseconds, where no variable says so.
const TIMEOUT: u64 = 10_000;

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// Its name in lines and labels.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    Http,
}

/// One signal's receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receiver {
    pub(crate) signal: Signal,
    /// Where it is, for people: without what may be secret.
    pub(crate) address: String,
    pub(crate) transport: Transport,
    pub(crate) timeout: Duration,
    /// The file of certificates to trust.
    pub(crate) certificate: Option<String>,
}

impl Receiver {
    /// Whether it is reached by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.address.starts_with("https://")
    }
}

/// The receivers of all signals that are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings(Vec<Receiver>);

/// Reads a variable of this process; an empty one counts as missing.
#[expect(
    clippy::disallowed_methods,
    reason = "the standard's own variables, which the SDK reads from the environment too"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Settings {
    /// Reads the variables; none if nothing is to be sent.
    pub(crate) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let is_disabled = variable("OTEL_SDK_DISABLED");
        if is_disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        let signals = [Signal::Traces, Signal::Metrics, Signal::Logs];
        let receivers: Vec<_> = signals
            .into_iter()
            .filter_map(|signal| receiver(signal, variable))
            .collect();
        (!receivers.is_empty()).then_some(Self(receivers))
    }

    pub(crate) fn sends(&self, signal: Signal) -> bool {
        self.receiver(signal).is_some()
    }

    pub(crate) fn receiver(&self, signal: Signal) -> Option<&Receiver> {
        self.0.iter().find(|receiver| receiver.signal == signal)
    }
}

fn receiver(signal: Signal, variable: &dyn Fn(&str) -> Option<String>) -> Option<Receiver> {
    let upper = signal.name().to_uppercase();
    let exporter = variable(&format!("OTEL_{upper}_EXPORTER"));
    if exporter.is_some_and(|exporter| exporter == "none") {
        return None;
    }
    let of = |what: &str| {
        variable(&format!("OTEL_EXPORTER_OTLP_{upper}_{what}"))
            .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{what}")))
    };
    let transport = match of("PROTOCOL").as_deref() {
        Some("grpc") => Transport::Grpc,
        // The standard's default.
        _ => Transport::Http,
    };
    let timeout = of("TIMEOUT").and_then(|value| value.parse().ok());
    Some(Receiver {
        signal,
        address: shown(&of("ENDPOINT")?),
        transport,
        timeout: Duration::from_millis(timeout.unwrap_or(TIMEOUT)),
        certificate: of("CERTIFICATE"),
    })
}

/// An address without the name and password that it may have, and without its path and query.
fn shown(endpoint: &str) -> String {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("http", endpoint));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Option<Settings> {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&find)
    }

    #[test]
    fn nothing_is_sent_unless_a_receiver_is_named_and_the_sdk_is_not_disabled() {
        assert_eq!(read(&[]), None);
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318");
        assert_eq!(read(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        let all = read(&[endpoint]).unwrap();
        for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
            assert!(all.sends(signal));
        }
        let some = read(&[endpoint, ("OTEL_LOGS_EXPORTER", "none")]).unwrap();
        assert!(some.sends(Signal::Traces) && !some.sends(Signal::Logs));
    }

    #[test]
    fn a_signals_own_variables_come_first() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "https://u:secret@t:1/v1/traces?key=secret",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
        ])
        .unwrap();
        let traces = settings.receiver(Signal::Traces).unwrap();
        assert_eq!(traces.address, "https://t:1");
        assert_eq!(traces.transport, Transport::Http);
        assert_eq!(traces.timeout, Duration::from_millis(250));
        let metrics = settings.receiver(Signal::Metrics).unwrap();
        assert_eq!(metrics.transport, Transport::Grpc);
        assert_eq!(metrics.timeout, Duration::from_secs(10));
    }
}
