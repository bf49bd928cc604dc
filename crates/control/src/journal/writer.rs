//! Writing a journal whose records are numbered, created once, and written by one coordinator at a time.

use crate::ids::Fence;

/// The right to write a run's journal, held until another coordinator takes over: the fence, and the number of the next
/// record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalWriter {
    fence: Fence,
    next: u64,
}

/// What a coordinator does with the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalTask {
    /// Take the run over by creating the next record.
    TakeFence,
    /// Write a record.
    Append,
    /// Make sure that no other coordinator has taken over and that the journal is still there.
    EnsureHeld,
}

/// One request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalRequest {
    /// Create the record of this number if there is none.
    Create(u64),
    /// Read whose the record of this number is.
    Read(u64),
    /// Look whether there is a record of this number, whosever it is.
    Find(u64),
}

impl JournalRequest {
    /// The number of the record that it is about.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Create(number) | Self::Read(number) | Self::Find(number) => number,
        }
    }
}

/// The store's answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalAnswer {
    /// The record is there, now or by an earlier request whose answer was lost.
    Created,
    /// Another record has this number.
    Taken,
    /// No record has this number.
    Missing,
    /// The record that was read is this coordinator's, or there is the one that was looked for.
    Own,
    /// The record that was read is another coordinator's.
    Others,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalProgress {
    /// The task goes on with this request.
    Next(JournalRequest),
    /// The task is done.
    Done,
    /// Another coordinator has written: it leads now, or was faster in taking over.
    Lost,
    /// The journal is gone.
    Removed,
}

impl JournalWriter {
    pub(crate) const fn new(fence: Fence, next: u64) -> Self {
        Self { fence, next }
    }

    /// The fence that is held, or to be taken.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// The first request of a task.
    #[must_use]
    pub const fn first(&self, task: JournalTask) -> JournalRequest {
        match task {
            JournalTask::TakeFence | JournalTask::Append => JournalRequest::Create(self.next),
            JournalTask::EnsureHeld => JournalRequest::Read(self.next),
        }
    }

    /// Takes in the answer to a request of a task.
    ///
    /// A task may be repeated after a failure: a record of our own whose answer was lost is passed over.
    pub const fn answered(
        &mut self,
        task: JournalTask,
        request: JournalRequest,
        answer: JournalAnswer,
    ) -> JournalProgress {
        match (request, answer) {
            (_, JournalAnswer::Created) => {
                self.next += 1;
                JournalProgress::Done
            }
            _ if matches!(task, JournalTask::TakeFence) => JournalProgress::Lost,
            (_, JournalAnswer::Taken) => JournalProgress::Next(JournalRequest::Read(self.next)),
            (JournalRequest::Read(_), JournalAnswer::Missing)
                if matches!(task, JournalTask::EnsureHeld) =>
            {
                let newest = self.next.saturating_sub(1);
                JournalProgress::Next(JournalRequest::Find(newest))
            }
            (_, JournalAnswer::Missing) => JournalProgress::Removed,
            (JournalRequest::Find(_), _) => JournalProgress::Done,
            (_, JournalAnswer::Others) => JournalProgress::Lost,
            (_, JournalAnswer::Own) => {
                self.next += 1;
                match task {
                    JournalTask::Append => JournalProgress::Next(JournalRequest::Create(self.next)),
                    JournalTask::TakeFence | JournalTask::EnsureHeld => JournalProgress::Done,
                }
            }
        }
    }
}
