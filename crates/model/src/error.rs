//! What can be wrong with a slot, a flat vector or a device. It owns the messages, not the checks.

/// A refusal of the model; none of them leaves anything half done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The slot has no samples.
    #[error("the slot has no samples; give it at least one stack")]
    EmptySlot,
    /// A part of the slot has another length than the rest asks for.
    #[error("the slot's {part} has length {found}, not {expected}")]
    Length {
        part: &'static str,
        found: usize,
        /// The length that the samples and the model's stack ask for.
        expected: usize,
    },
    /// A sample keeps another number of tokens than the first one.
    #[error(
        "sample {sample} keeps {found} tokens and sample 0 keeps {expected}; a slot needs one number"
    )]
    UnevenMasks {
        /// Place in the slot.
        sample: usize,
        found: usize,
        /// Tokens the first sample keeps.
        expected: usize,
    },
    /// A mask keeps nothing or hides nothing.
    #[error(
        "each mask keeps {kept} of {tokens} tokens; it must keep one at least and hide one at least"
    )]
    NothingToLearn {
        kept: usize,
        /// Tokens of a stack.
        tokens: usize,
    },
    /// A mask names a token that a stack does not have, or names one twice.
    #[error(
        "the mask of sample {sample} names token {token}, which is repeated or not below {tokens}"
    )]
    BadToken {
        /// Place in the slot.
        sample: usize,
        token: u32,
        /// Tokens of a stack.
        tokens: usize,
    },
    /// A sentence is empty or holds an id outside the vocabulary.
    #[error(
        "sentence {sample} is empty or has an id not below {vocabulary}; encode it with the tokenizer"
    )]
    BadSentence {
        /// Place in the slot.
        sample: usize,
        /// Size of the vocabulary.
        vocabulary: usize,
    },
    /// A flat vector is not as long as the parameters together.
    #[error(
        "the flat vector has {found} numbers and the model {expected}; it belongs to another model config"
    )]
    FlatLength {
        found: usize,
        /// Numbers in the model.
        expected: usize,
    },
    /// The model was asked for parameters that it was never given, or gave away.
    #[error("the model holds no parameters; load some first")]
    NothingLoaded,
    /// The device's name is not known.
    #[error("unknown device {found:?}; use \"cpu\", \"cuda\" or \"cuda:N\"")]
    UnknownDevice {
        /// What was asked for.
        found: String,
    },
    /// CUDA was asked of a build without it.
    #[error("this build has no CUDA support; build with --features cuda or use device \"cpu\"")]
    CudaNotBuilt,
    /// The driver is there and the device does not answer.
    #[error("cuda device {index} does not answer; check it with nvidia-smi or use another index")]
    CudaSilent { index: usize },
    /// The device failed while numbers were read from it.
    #[error("the device failed: {reason}")]
    DeviceFailed { reason: String },
}

impl ModelError {
    /// A failure of burn while it reads a tensor back.
    pub(crate) fn device(error: impl std::fmt::Display) -> Self {
        let reason = error.to_string().replace('\n', "; ");
        Self::DeviceFailed { reason }
    }
}
