//! InfiniBand ports, as the kernel lists them.

use std::fs;
use std::path::Path;

use super::finding::{Finding, State};

/// One port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    /// Device and number, such as `mlx5_0/1`.
    pub(crate) name: String,
    /// Such as `ACTIVE` or `DOWN`.
    pub(crate) state: String,
    /// Such as `400 Gb/sec (4X NDR)`.
    pub(crate) rate: String,
}

/// Reads all ports below the root of the kernel's device tree, in the order of their names.
pub(crate) fn read_ports(sys: &Path) -> Vec<Port> {
    let mut ports = Vec::new();
    for device in folders(&sys.join("class/infiniband")) {
        for port in folders(&sys.join("class/infiniband").join(&device).join("ports")) {
            let folder = sys
                .join("class/infiniband")
                .join(&device)
                .join("ports")
                .join(&port);
            let read = |file| fs::read_to_string(folder.join(file)).unwrap_or_default();
            let state = read("state");
            // The kernel writes `4: ACTIVE`.
            let state = state
                .split_once(": ")
                .map_or(state.as_str(), |(_, name)| name);
            ports.push(Port {
                name: format!("{device}/{port}"),
                state: state.trim().to_owned(),
                rate: read("rate").trim().to_owned(),
            });
        }
    }
    ports
}

fn folders(parent: &Path) -> Vec<String> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A line for each port; one that is down matters only where none is up.
pub(crate) fn judge(ports: &[Port]) -> Vec<Finding> {
    if ports.is_empty() {
        let found = "none: workers of several hosts talk over TCP";
        return vec![Finding::new("InfiniBand", State::Note, found, "")];
    }
    let is_up = |port: &Port| port.state == "ACTIVE";
    let idle = match ports.iter().any(is_up) {
        true => State::Note,
        false => State::Warning,
    };
    let line = |port: &Port| {
        let (check, found) = (
            format!("InfiniBand {}", port.name),
            format!("{}, {}", port.state, port.rate),
        );
        match is_up(port) {
            true => Finding::ok(check, found),
            false => Finding::new(
                check,
                idle,
                found,
                "look at the cable, the switch and ibstat",
            ),
        }
    };
    ports.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(folder: &Path, name: &str, state: &str) {
        let folder = folder.join("class/infiniband").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("state"), format!("{state}\n")).unwrap();
        fs::write(folder.join("rate"), "400 Gb/sec (4X NDR)\n").unwrap();
    }

    #[test]
    fn ports_are_read_in_order_with_state_and_rate() {
        let sys = tempfile::tempdir().unwrap();
        port(sys.path(), "mlx5_1/ports/1", "1: DOWN");
        port(sys.path(), "mlx5_0/ports/1", "4: ACTIVE");
        let findings = judge(&read_ports(sys.path()));
        let states: Vec<(&str, State, &str)> = findings
            .iter()
            .map(|one| (one.check.as_str(), one.state, one.found.as_str()))
            .collect();
        assert_eq!(
            states,
            [
                (
                    "InfiniBand mlx5_0/1",
                    State::Ok,
                    "ACTIVE, 400 Gb/sec (4X NDR)"
                ),
                (
                    "InfiniBand mlx5_1/1",
                    State::Note,
                    "DOWN, 400 Gb/sec (4X NDR)"
                ),
            ]
        );
    }

    #[test]
    fn ports_that_are_all_down_are_a_warning_and_none_is_a_note() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(judge(&read_ports(sys.path()))[0].state, State::Note);
        port(sys.path(), "mlx5_0/ports/1", "2: INIT");
        assert_eq!(judge(&read_ports(sys.path()))[0].state, State::Warning);
    }
}
