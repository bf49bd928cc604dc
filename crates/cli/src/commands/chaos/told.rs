//! What a coordinator tells on standard error with `--log json`, as far as chaos judges by it.

use serde_json::Value;

use crate::terminal::LAST_WORD;

/// One thing that happened in the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Workers can join at this address.
    Serving(String),
    /// A group goes on from this step.
    Began {
        /// The step that its members hold.
        step: u64,
        /// How many they are.
        members: usize,
    },
    /// A step was applied.
    Applied(u64),
    /// Something is wrong with a worker.
    Verdict(String),
    /// A process's last word.
    Error(String),
    /// A process panicked.
    Panic(String),
}

/// Reads a line; most lines are none of these.
pub(crate) fn told(line: &str) -> Option<Told> {
    if line.contains(" panicked") {
        return Some(Told::Panic(line.to_owned()));
    }
    let line: Value = serde_json::from_str(line).ok()?;
    if (line["level"].as_str(), line["target"].as_str()) == (Some("ERROR"), Some(LAST_WORD)) {
        return Some(Told::Error(line["message"].as_str()?.to_owned()));
    }
    match line["message"].as_str()? {
        "serving workers" => Some(Told::Serving(line["address"].as_str()?.to_owned())),
        "generation began" => Some(Told::Began {
            step: line["step"].as_u64()?,
            members: line["members"].as_array()?.len(),
        }),
        "step applied" => Some(Told::Applied(line["step"].as_u64()?)),
        "worker in trouble" => Some(Told::Verdict(line["verdict"].as_str()?.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_other_lines_are_not() {
        let began = r#"{"message":"generation began","step":3,"members":["a","b"]}"#;
        assert_eq!(
            told(began),
            Some(Told::Began {
                step: 3,
                members: 2
            })
        );
        let applied = r#"{"message":"step applied","step":4,"loss":0.5}"#;
        assert_eq!(told(applied), Some(Told::Applied(4)));
        let error = r#"{"level":"ERROR","target":"fratmae","message":"no"}"#;
        assert_eq!(told(error), Some(Told::Error("no".to_owned())));
        let listed = r#"{"message":"generation began","step":3,"members":["a","b"]}"#;
        assert_eq!(told(listed), told(began));
        let panic = "thread 'main' panicked: no text (a.rs:1)";
        assert_eq!(told(panic), Some(Told::Panic(panic.to_owned())));
        for other in [
            "",
            "a line for people",
            "{}",
            r#"{"message":"step applied"}"#,
        ] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
