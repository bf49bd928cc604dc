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
use crate::objects::DIGEST;
use crate::retry::Tries;
use crate::watched::watched;
use crate::{About, Location, StoreError};

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
            let path = self.path(relative);
            let bytes = ranges
                .iter()
                .map(|range| range.end.saturating_sub(range.start));
            let read = || self.store.get_ranges(&path, ranges);
            return self.patiently(("get", bytes.sum()), relative, read).await;
        }
        let read = |range: Range<u64>| {
            let limit = range.end.saturating_sub(range.start);
            self.read(relative, Some(range), limit)
        };
        coalesce_ranges(ranges, read, GAP).await
    }

    /// Asks how many bytes an object has.
    ///
    /// # Errors
    /// As [`Self::get_ranges`].
    pub async fn size(&self, relative: &str) -> Result<u64, StoreError> {
        Ok(self.about(relative).await?.size)
    }

    /// Asks what is known of an object without reading it.
    ///
    /// # Errors
    /// As [`Self::get_ranges`].
    pub async fn about(&self, relative: &str) -> Result<About, StoreError> {
        let path = self.path(relative);
        let options = || GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let head = || self.store.get_opts(&path, options());
        let found = self.patiently(("head", 0), relative, head).await?;
        let digest = found
            .attributes
            .get(&DIGEST)
            .map(|it| it.as_ref().to_owned());
        Ok(About {
            size: found.meta.size,
            digest,
        })
    }

    /// Reads a whole object or one range of it, unless the store says that it is larger than `limit`, or gives more.
    pub(crate) async fn read(
        &self,
        relative: &str,
        range: Option<Range<u64>>,
        limit: u64,
    ) -> Result<Bytes, StoreError> {
        let read = self.try_read(relative, range, limit);
        watched("get", |bytes: &Bytes| bytes.len() as u64, read).await
    }

    async fn try_read(
        &self,
        relative: &str,
        range: Option<Range<u64>>,
        limit: u64,
    ) -> Result<Bytes, StoreError> {
        let mut tries = Tries::new(self);
        let mut body = Body::of(range, limit);
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
        body.check_size(body.length.unwrap_or(0), || self.url_of(relative))?;
        let mut pieces = answer.into_stream();
        while let Some(piece) = self
            .with_stall_timeout(stall, pieces.next())
            .await
            .ok_or_else(|| self.stalled(relative))?
        {
            let broken = |error| self.unreachable(self.url_of(relative), one_line(&error));
            let piece = piece.map_err(broken)?;
            let received = body.received.len() as u64 + piece.len() as u64;
            body.check_size(received, || self.url_of(relative))?;
            body.received.extend_from_slice(&piece);
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
    /// The most that is taken in.
    limit: u64,
}

impl Body {
    fn of(range: Option<Range<u64>>, limit: u64) -> Self {
        Self {
            limit,
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
            *self = Self::of(self.range.clone(), self.limit);
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

    fn check_size(&self, bytes: u64, url: impl Fn() -> String) -> Result<(), StoreError> {
        match bytes <= self.limit {
            true => Ok(()),
            false => Err(StoreError::TooLarge {
                url: url(),
                bytes,
                limit: self.limit,
            }),
        }
    }

    fn is_whole(&self) -> bool {
        self.length
            .is_none_or(|length| self.received.len() as u64 >= length)
    }
}

#[cfg(test)]
mod tests;
