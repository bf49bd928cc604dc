//! Records: the bytes of a connection, cut, and each piece sealed with the key of its direction, so that nobody between two
//! ranks can change, drop, repeat or (where it is asked for) read any.
//!
//! A record is its length in four bytes, the piece and a tag. AES-256-GCM makes both; records are counted, so none stands in
//! the place of another.

use std::io::{self, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::wire::Fault;

/// The bytes of a key.
pub(super) const KEY: usize = 32;

/// The most bytes of one record: it stays in the processor's cache while it is sealed.
const RECORD: usize = 64 << 10;
/// The bytes of a length.
const LENGTH: usize = 4;
/// The bytes of a tag.
const TAG: usize = 16;

/// What is done to the bytes between two ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sealing {
    /// Nothing: whoever is between two ranks is believed, as on one host.
    #[default]
    Plain,
    /// Changed bytes are found; who is between two ranks can read them.
    Authenticated,
    /// Nobody can read them either.
    Encrypted,
}

impl Sealing {
    /// Its number in a hello.
    pub(super) const fn code(self) -> u32 {
        match self {
            Self::Plain => 0,
            Self::Authenticated => 1,
            Self::Encrypted => 2,
        }
    }
}

/// The keys of a connection: of what this rank sends, and of what it receives.
#[derive(Clone, Copy)]
pub(super) struct LineKeys {
    pub(super) out: [u8; KEY],
    pub(super) into: [u8; KEY],
}

impl std::fmt::Debug for LineKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LineKeys")
    }
}

/// Both directions of a connection.
pub(super) struct Seals {
    // Each has one user at a time: a call has one thread for a peer and a direction.
    out: Mutex<Sealer>,
    into: Mutex<Opener>,
}

impl Seals {
    /// What a connection needs; nothing where its bytes go as they are.
    pub(super) fn of(sealing: Sealing, keys: &LineKeys) -> Option<Self> {
        let is_secret = match sealing {
            Sealing::Plain => return None,
            Sealing::Authenticated => false,
            Sealing::Encrypted => true,
        };
        Some(Self {
            out: Mutex::new(Sealer {
                line: Line::new(&keys.out, is_secret),
                record: vec![0; LENGTH],
            }),
            into: Mutex::new(Opener {
                line: Line::new(&keys.into, is_secret),
                record: Vec::new(),
                at: 0,
                end: 0,
            }),
        })
    }

    pub(super) fn out(&self) -> MutexGuard<'_, Sealer> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn into(&self) -> MutexGuard<'_, Opener> {
        self.into.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seals")
    }
}

/// One direction: its key, and how many records have passed.
struct Line {
    key: LessSafeKey,
    is_secret: bool,
    passed: u64,
}

impl Line {
    fn new(key: &[u8; KEY], is_secret: bool) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key);
        Self {
            key: LessSafeKey::new(key.expect("AES-256 takes any key of 32 bytes")),
            is_secret,
            passed: 0,
        }
    }

    /// The number of the next record, which no key sees twice.
    fn next(&mut self) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&self.passed.to_le_bytes());
        self.passed += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals what is sent.
pub(super) struct Sealer {
    line: Line,
    /// A length and what has come of the piece.
    record: Vec<u8>,
}

impl Sealer {
    /// Seals several pieces, and sends them record by record.
    pub(super) fn write(
        &mut self,
        pieces: &[IoSlice<'_>],
        mut send: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for piece in pieces {
            let mut rest: &[u8] = piece;
            while !rest.is_empty() {
                let room = LENGTH + RECORD - self.record.len();
                let (now, later) = rest.split_at(room.min(rest.len()));
                self.record.extend_from_slice(now);
                rest = later;
                if self.record.len() == LENGTH + RECORD {
                    self.finish(&mut send)?;
                }
            }
        }
        match self.record.len() {
            LENGTH => Ok(()),
            _ => self.finish(&mut send),
        }
    }

    fn finish(&mut self, send: &mut impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
        let length = (self.record.len() - LENGTH) as u32;
        let (head, piece) = self.record.split_at_mut(LENGTH);
        head.copy_from_slice(&length.to_le_bytes());
        let nonce = self.line.next();
        let tag = match self.line.is_secret {
            true => {
                let head = Aad::from(&*head);
                self.line.key.seal_in_place_separate_tag(nonce, head, piece)
            }
            false => {
                let all = Aad::from(&self.record);
                self.line
                    .key
                    .seal_in_place_separate_tag(nonce, all, &mut [])
            }
        };
        let tag = tag.map_err(|_| Fault::Io(io::Error::other("a record cannot be sealed")))?;
        self.record.extend_from_slice(tag.as_ref());
        let sent = send(&self.record);
        self.record.truncate(LENGTH);
        sent
    }
}

/// Opens what is received.
pub(super) struct Opener {
    line: Line,
    record: Vec<u8>,
    /// What of the record's piece has not been handed out.
    at: usize,
    end: usize,
}

impl Opener {
    /// Fills `into`; `fetch` fills what it is given with the connection's next bytes.
    pub(super) fn read(
        &mut self,
        mut into: &mut [u8],
        mut fetch: impl FnMut(&mut [u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while !into.is_empty() {
            if self.at == self.end {
                self.open(&mut fetch)?;
            }
            let now = into.len().min(self.end - self.at);
            let (filled, rest) = into.split_at_mut(now);
            filled.copy_from_slice(&self.record[self.at..self.at + now]);
            self.at += now;
            into = rest;
        }
        Ok(())
    }

    fn open(
        &mut self,
        fetch: &mut impl FnMut(&mut [u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut head = [0; LENGTH];
        fetch(&mut head)?;
        let length = u32::from_le_bytes(head) as usize;
        if length == 0 || length > RECORD {
            return Err(Fault::Forged);
        }
        self.record.resize(LENGTH + length + TAG, 0);
        self.record[..LENGTH].copy_from_slice(&head);
        fetch(&mut self.record[LENGTH..])?;
        let nonce = self.line.next();
        let opened = match self.line.is_secret {
            true => {
                let head = Aad::from(head);
                let sealed = &mut self.record[LENGTH..];
                self.line.key.open_in_place(nonce, head, sealed).is_ok()
            }
            false => {
                let (all, tag) = self.record.split_at_mut(LENGTH + length);
                let all = Aad::from(&*all);
                self.line.key.open_in_place(nonce, all, tag).is_ok()
            }
        };
        if !opened {
            return Err(Fault::Forged);
        }
        (self.at, self.end) = (LENGTH, LENGTH + length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: LineKeys = LineKeys {
        out: [7; KEY],
        into: [7; KEY],
    };

    /// Seals pieces; gives the bytes on the line and the other side.
    fn sent(sealing: Sealing, pieces: &[&[u8]]) -> (Vec<u8>, Seals) {
        let seals = Seals::of(sealing, &KEYS).unwrap();
        let mut line = Vec::new();
        for piece in pieces {
            let send = |bytes: &[u8]| {
                line.extend_from_slice(bytes);
                Ok(())
            };
            seals.out().write(&[IoSlice::new(piece)], send).unwrap();
        }
        (line, Seals::of(sealing, &KEYS).unwrap())
    }

    fn received(seals: &Seals, mut line: &[u8], bytes: usize) -> Result<Vec<u8>, Fault> {
        let mut into = vec![0; bytes];
        let fetch = |room: &mut [u8]| match line.split_at_checked(room.len()) {
            Some((now, later)) => {
                room.copy_from_slice(now);
                line = later;
                Ok(())
            }
            None => Err(Fault::Closed),
        };
        seals.into().read(&mut into, fetch).map(|()| into)
    }

    #[test]
    fn what_was_sealed_comes_out_whole_however_it_is_read() {
        let long: Vec<u8> = (0..3 * RECORD + 5).map(|at| (at % 251) as u8).collect();
        for sealing in [Sealing::Authenticated, Sealing::Encrypted] {
            let (line, seals) = sent(sealing, &[b"head", &long, b"", b"x"]);
            assert_eq!(received(&seals, &line, 4).unwrap(), b"head");
            let (line, seals) = sent(sealing, &[&long]);
            assert!(received(&seals, &line, long.len()).unwrap() == long);
        }
        assert!(Seals::of(Sealing::Plain, &KEYS).is_none());
    }

    #[test]
    fn only_what_is_encrypted_cannot_be_read() {
        let shows = |sealing| {
            let (line, _) = sent(sealing, &[b"a gradient of a patient"]);
            line.windows(7).any(|window| window == b"patient")
        };
        assert!(shows(Sealing::Authenticated) && !shows(Sealing::Encrypted));
    }

    #[test]
    fn a_changed_dropped_repeated_or_foreign_record_is_found() {
        for sealing in [Sealing::Authenticated, Sealing::Encrypted] {
            let (line, _) = sent(sealing, &[b"one", b"two"]);
            for at in 0..line.len() / 2 {
                let mut changed = line.clone();
                changed[at] ^= 1;
                let seals = Seals::of(sealing, &KEYS).unwrap();
                let read = received(&seals, &changed, 3);
                assert!(matches!(read, Err(Fault::Forged | Fault::Closed)), "{at}");
            }
            let half = line.len() / 2;
            let seals = Seals::of(sealing, &KEYS).unwrap();
            assert!(matches!(
                received(&seals, &line[half..], 3),
                Err(Fault::Forged)
            ));
            let twice = [&line[..half], &line[..half]].concat();
            let seals = Seals::of(sealing, &KEYS).unwrap();
            assert!(matches!(received(&seals, &twice, 6), Err(Fault::Forged)));
            let other = LineKeys {
                out: [7; KEY],
                into: [8; KEY],
            };
            let seals = Seals::of(sealing, &other).unwrap();
            assert!(matches!(received(&seals, &line, 3), Err(Fault::Forged)));
        }
    }
}
