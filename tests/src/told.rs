//! What a run told about itself on standard error with `--log json`.

use serde_json::Value;

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Workers can join at this address.
    Serving {
        /// The coordinator's.
        address: String,
    },
    /// A group began to train.
    Began {
        /// The step it went on from.
        step: u64,
        /// Names in rank order.
        members: Vec<String>,
    },
    /// A step was applied.
    Applied {
        /// Which.
        step: u64,
    },
}

/// Reads the events among the lines of standard error, in their order.
pub fn told(stderr: &str) -> Vec<Told> {
    stderr.lines().filter_map(event).collect()
}

/// The steps that were applied, in the order in which that was told.
pub fn applied(told: &[Told]) -> Vec<u64> {
    let step = |told: &Told| match told {
        Told::Applied { step } => Some(*step),
        _ => None,
    };
    told.iter().filter_map(step).collect()
}

/// The lines of standard error that say this, with their fields.
pub fn logged(stderr: &str, message: &str) -> Vec<Value> {
    let lines = stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let is_it = |line: &Value| line["message"] == message;
    lines.filter(is_it).collect()
}

fn event(line: &str) -> Option<Told> {
    let line: Value = serde_json::from_str(line).ok()?;
    let step = line["step"].as_u64();
    match line["message"].as_str()? {
        "serving workers" => Some(Told::Serving {
            address: line["address"].as_str()?.to_owned(),
        }),
        "generation began" => Some(Told::Began {
            step: step?,
            members: serde_json::from_value(line["members"].clone()).ok()?,
        }),
        "step applied" => Some(Told::Applied { step: step? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_among_other_lines() {
        let stderr = "a line for people\n\
            {\"message\":\"generation began\",\"step\":3,\"members\":[\"a\",\"b\"]}\n\
            {\"message\":\"step applied\",\"step\":4}\n";
        let began = Told::Began {
            step: 3,
            members: vec!["a".to_owned(), "b".to_owned()],
        };
        assert_eq!(told(stderr), [began, Told::Applied { step: 4 }]);
    }
}
