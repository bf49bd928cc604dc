//! What can be wrong with a message.

/// A message that its sender should not have sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Nobody takes the connection.
    #[error("{cause}")]
    Unreachable { cause: String },
    /// A field or variant that must be there is not.
    #[error("message lacks {field}; is the other side of another version?")]
    Missing { field: &'static str },
    /// A seat's slots do not follow the seat before it.
    #[error("seat {rank} has slots {first}..{end}, which do not follow the seat before it")]
    Seats {
        rank: usize,
        first: u32,
        /// One past its last slot.
        end: u32,
    },
    /// Bytes that are no message.
    #[error("a peer's message cannot be read ({reason}); do all workers run the same version?")]
    Bytes {
        /// What is wrong with them.
        reason: String,
    },
    /// The receiver's rank is not among the seats.
    #[error("rank {rank} has no seat among {seats}")]
    Rank {
        rank: u32,
        /// How many seats came with it.
        seats: usize,
    },
    /// More in a message than any worker has to say.
    #[error("the message has more of {what} than the {most} that a worker has to say")]
    TooMuch { what: &'static str, most: usize },
}
