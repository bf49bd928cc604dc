//! What can be wrong with a job file. Each message is one line: what, where, and what would be right.

use std::{fmt, path::PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A job file.
    File(PathBuf),
    /// An override on the command line.
    Set,
    /// A stored or received config.
    Json,
    /// A config built in memory.
    Memory,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Set => f.write_str("in --set"),
            Self::Json => f.write_str("in the stored config"),
            Self::Memory => f.write_str("in the config"),
        }
    }
}

/// A config that cannot be used, and what to change.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The job file cannot be read.
    #[error("cannot read the job file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The job file is not TOML.
    #[error("{} line {line} is not valid TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// An override is not `section.key=value`.
    #[error("--set {text:?} is not of the form section.key=value")]
    Assignment {
        /// What was typed.
        text: String,
    },
    /// A key that no section has.
    #[error("unknown config key {key} {origin}{}", suggestion(nearest.as_deref()))]
    UnknownKey {
        /// The key with its section.
        key: String,
        /// The known key most like it, when one is.
        nearest: Option<String>,
        /// Where it stands.
        origin: Origin,
    },
    /// A value of the wrong type or outside its range.
    #[error("{key} = {value} {origin}: must be {allowed}")]
    Value {
        /// The key with its section.
        key: String,
        /// The value as it was written.
        value: String,
        /// What it may be.
        allowed: String,
        /// Where it stands.
        origin: Origin,
    },
    /// Values that are right alone and wrong together.
    #[error("{conflict}; {remedy}")]
    Relation {
        /// The keys, their values and what clashes.
        conflict: String,
        /// What to change.
        remedy: String,
    },
    /// A stored config is not JSON or not one of ours.
    #[error("the stored config is not a config of this version")]
    Json {
        /// What the parser said.
        source: serde_json::Error,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean {key}?"))
}
