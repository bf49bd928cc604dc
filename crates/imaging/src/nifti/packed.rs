//! Owns the unpacking of gzip: one member after the other, and the zeros that tapes and object stores leave behind the
//! last one.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// Reads what was packed, of all members of a gzip file.
pub(super) struct Members<R: BufRead> {
    /// None after the last one.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            member: Some(GzDecoder::new(input)),
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else {
                return Ok(0);
            };
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(member) = self.member.take() else {
                return Ok(0);
            };
            let mut input = member.into_inner();
            if !is_padding(&mut input)? {
                self.member = Some(GzDecoder::new(input));
            }
        }
    }
}

/// Passes over zeros; says whether they go on to the end.
fn is_padding(input: &mut impl BufRead) -> io::Result<bool> {
    let mut padding = 0;
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        let has_more = zeros < bytes.len();
        input.consume(zeros);
        padding += zeros;
        if has_more {
            let refuse = || {
                let text = "bytes that are not gzip follow its last part";
                Err(io::Error::new(ErrorKind::InvalidData, text))
            };
            let is_member = padding == 0 && input.fill_buf()?.first() == Some(&0x1f);
            return if is_member { Ok(false) } else { refuse() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn member(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut found = Vec::new();
        // A buffer of a few bytes, so that ends fall anywhere.
        let input = io::BufReader::with_capacity(3, bytes);
        Members::new(input).read_to_end(&mut found)?;
        Ok(found)
    }

    #[test]
    fn members_are_joined_and_zeros_behind_the_last_are_padding() {
        let (one, two) = (member(b"one"), member(b"two"));
        assert_eq!(unpacked(&one).unwrap(), b"one");
        assert_eq!(unpacked(&[&one[..], &two].concat()).unwrap(), b"onetwo");
        for zeros in [1, 7, 512, 100_000] {
            let padded = [&one[..], &two, &vec![0; zeros]].concat();
            assert_eq!(unpacked(&padded).unwrap(), b"onetwo");
        }
    }

    #[test]
    fn damage_is_not_padding() {
        let one = member(b"one");
        for rest in [&b"x"[..], b"\0\0x", b"\x1f\x8b\x08"] {
            assert!(unpacked(&[&one[..], rest].concat()).is_err(), "{rest:?}");
        }
        assert!(unpacked(&one[..one.len() - 3]).is_err());
        let mut wrong = one.clone();
        let checksum = wrong.len() - 6;
        wrong[checksum] ^= 1;
        assert!(unpacked(&[&wrong[..], &[0; 20]].concat()).is_err());
    }
}
