//! Reading that outlasts a sick store: a body that breaks off, ends early or stalls is asked for again from where it
//! stopped.
//!
//! The client beneath retries what fails before a body begins, and some of what fails in it: not a stall, not a body
//! that fails after its own few seconds of retries, and never one range of several alone. Those are here.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore, coalesce_ranges};

use crate::address::Kind;
use crate::classify::one_line;
use crate::retry::Tries;
use crate::{Location, StoreError};

/// Ranges with at most so many bytes between them are one request: at 100 MB/s the gap costs less than a round trip.
const GAP: u64 = 1 << 20;

/// Largest buffer made on the word of a store that an answer will be so long.
const TRUSTED: u64 = 1 << 26;

impl Location {
    /// Reads ranges of an object, each as it was asked for; a range beyond the object's end comes back short.
    ///
    /// Ranges that lie close together are fetched as one and share its memory.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if nothing is there; [`StoreError::Unreachable`] once the time is over, with the
    /// number of tries and the last cause; any other failure of the store as it is.
    pub async fn get_ranges(
        &self,
        relative: &str,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, StoreError> {
        if self.kind == Kind::Local {
            let found = self.store.get_ranges(&self.path(relative), ranges).await;
            return found.map_err(|error| self.explain(relative, &error));
        }
        coalesce_ranges(ranges, |range| self.read(relative, Some(range)), GAP).await
    }

    /// Asks how many bytes an object has.
    ///
    /// # Errors
    /// As [`Self::get_ranges`].
    pub async fn size(&self, relative: &str) -> Result<u64, StoreError> {
        let path = self.path(relative);
        let options = || GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let head = || self.store.get_opts(&path, options());
        Ok(self.patiently(0, relative, head).await?.meta.size)
    }

    /// Reads a whole object or one range of it.
    pub(crate) async fn read(
        &self,
        relative: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, StoreError> {
        let mut tries = Tries::new(self);
        let mut body = Body::of(range);
        loop {
            match self.read_on(relative, &mut body).await {
                Ok(()) => {
                    self.health.answered();
                    return Ok(body.received.freeze());
                }
                Err(error) => tries.again(error, body.length.unwrap_or(0)).await?,
            }
        }
    }

    /// Asks once for what is missing of a body and takes in what comes.
    async fn read_on(&self, relative: &str, body: &mut Body) -> Result<(), StoreError> {
        let stall = self.retry.stall;
        let path = self.path(relative);
        self.credentialed(relative).await?;
        let answer = self.store.get_opts(&path, body.rest());
        let answer = self
            .with_stall_timeout(stall, answer)
            .await
            .ok_or_else(|| self.silent(relative))?
            .map_err(|error| self.explain(relative, &error))?;
        self.health.answered();
        if !body.goes_on_with(&answer) {
            let reason = "it was replaced while it was read".to_owned();
            return Err(self.unreachable(self.url_of(relative), reason));
        }
        let mut pieces = answer.into_stream();
        while let Some(piece) = self
            .with_stall_timeout(stall, pieces.next())
            .await
            .ok_or_else(|| self.stalled(relative))?
        {
            let broken = |error| self.unreachable(self.url_of(relative), one_line(&error));
            body.received.extend_from_slice(&piece.map_err(broken)?);
        }
        if body.is_whole() {
            return Ok(());
        }
        let reason = "an answer ended early".to_owned();
        Err(self.unreachable(self.url_of(relative), reason))
    }
}

/// What is asked for, and what has come of it.
struct Body {
    range: Option<Range<u64>>,
    received: BytesMut,
    /// How much there is in all; known from the first answer.
    length: Option<u64>,
    tag: Option<String>,
}

impl Body {
    fn of(range: Option<Range<u64>>) -> Self {
        Self {
            range,
            received: BytesMut::new(),
            length: None,
            tag: None,
        }
    }

    /// The request for what is missing.
    fn rest(&self) -> GetOptions {
        let received = self.received.len() as u64;
        let range = match &self.range {
            Some(range) => Some(GetRange::Bounded(range.start + received..range.end)),
            None if received > 0 => Some(GetRange::Offset(received)),
            None => None,
        };
        GetOptions {
            range,
            ..GetOptions::default()
        }
    }

    /// Whether an answer is of the object that the first one was of; if not, all is to be read anew.
    fn goes_on_with(&mut self, answer: &GetResult) -> bool {
        if self.length.is_some() && self.tag != answer.meta.e_tag {
            *self = Self::of(self.range.clone());
            return false;
        }
        self.tag.clone_from(&answer.meta.e_tag);
        if self.length.is_none() {
            let length = answer.range.end.saturating_sub(answer.range.start);
            self.length = Some(length);
            self.received = BytesMut::with_capacity(length.min(TRUSTED) as usize);
        }
        true
    }

    fn is_whole(&self) -> bool {
        self.length
            .is_none_or(|length| self.received.len() as u64 >= length)
    }
}

#[cfg(test)]
mod tests;
