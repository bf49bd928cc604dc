//! What can be wrong with a file of weights. It owns the messages, not the checks.

/// A refusal of a file of tensors; nothing of the file has been taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// The bytes are no safetensors file.
    #[error("{file} is not a safetensors file: {reason}")]
    Damaged {
        file: String,
        /// What the reader says.
        reason: String,
    },
    /// A tensor's numbers are of a type that is not read.
    #[error("tensor {tensor} of {file} is of type {found}; {expected} are read")]
    Type {
        file: String,
        tensor: String,
        found: String,
        /// The types that would do.
        expected: &'static str,
    },
    /// A tensor is not there.
    #[error("{file} has no tensor {tensor}")]
    NoTensor { file: String, tensor: String },
    /// A tensor has another shape than it must have.
    #[error("tensor {tensor} of {file} has shape {found:?}, not {expected}")]
    Shape {
        file: String,
        tensor: String,
        found: Vec<usize>,
        /// The shape in words.
        expected: String,
    },
    /// The names or shapes of a file are not those of the model.
    #[error("{file} does not fit the model: {faults}")]
    Mismatch {
        file: String,
        /// What is missing, unknown or of another shape, by name.
        faults: String,
    },
    /// A file to begin from has nothing that the model has.
    #[error("{file} has nothing for this model: {faults}")]
    NothingFits {
        file: String,
        /// Why each tensor was passed over.
        faults: String,
    },
    /// The tensors cannot be written as one file.
    #[error("the tensors cannot be written: {reason}")]
    Unwritable {
        /// What the writer says.
        reason: String,
    },
}

/// Names shown of each kind before the rest is counted.
const SHOWN: usize = 12;

/// What does not fit between a file and the model, collected until all of it is known.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) missing: Vec<String>,
    pub(super) unknown: Vec<String>,
    pub(super) misshapen: Vec<String>,
}

impl Faults {
    pub(super) fn misshapen(&mut self, name: &str, found: &[usize], expected: &[usize]) {
        self.misshapen
            .push(format!("{name} is {found:?} and not {expected:?}"));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unknown.is_empty() && self.misshapen.is_empty()
    }

    /// One line: each kind with its number and its names.
    pub(super) fn line(&self) -> String {
        let kinds = [
            ("missing", &self.missing),
            ("unknown", &self.unknown),
            ("of another shape", &self.misshapen),
        ];
        let lists = kinds.into_iter().filter(|(_, names)| !names.is_empty());
        lists
            .map(|(kind, names)| format!("{} {kind} ({})", names.len(), shown(names)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Refuses a file with any fault.
    pub(super) fn refuse(self, file: &str) -> Result<(), WeightsError> {
        if self.is_empty() {
            return Ok(());
        }
        Err(WeightsError::Mismatch {
            file: file.to_owned(),
            faults: self.line(),
        })
    }
}

pub(super) fn shown(names: &[String]) -> String {
    let first = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_in_one_line_by_kind() {
        let mut faults = Faults::default();
        assert!(faults.is_empty());
        faults.missing.push("a".to_owned());
        faults.misshapen("b", &[2, 3], &[3, 2]);
        assert_eq!(
            faults.refuse("f").unwrap_err().to_string(),
            "f does not fit the model: 1 missing (a), 1 of another shape (b is [2, 3] and not [3, 2])"
        );
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let names: Vec<String> = (0..15).map(|n| n.to_string()).collect();
        assert!(shown(&names).ends_with("10, 11 and 3 more"));
    }
}
