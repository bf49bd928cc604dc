//! Tokens: words that let whoever has one look on where no certificate can be shown, as in a browser.
//!
//! The file has a line a token: until when it is good, in seconds since 1970, and its SHA-256, so that the file lets nobody
//! in. A line that is deleted is a token taken back.

use crate::error::TrustError;
use crate::folder::{append, read_private};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file of tokens in a folder of keys.
pub(crate) const TOKENS: &str = "tokens";
/// The bytes that are drawn.
const DRAWN: usize = 32;

/// Draws a token that lets its bearer look on for as long as `life`, and notes it in a folder of keys. The token itself is
/// kept nowhere.
///
/// # Errors
/// `File`; `Issue` without randomness.
pub fn draw_token(folder: &Path, life: Duration) -> Result<String, TrustError> {
    let token = hex(&draw::<DRAWN>()?);
    let until = now_s().saturating_add(life.as_secs());
    append(&folder.join(TOKENS), &format!("{until} {}\n", hash(&token)))?;
    Ok(token)
}

/// Draws bytes that nobody can guess.
///
/// # Errors
/// `Issue` without randomness.
pub fn draw<const N: usize>() -> Result<[u8; N], TrustError> {
    let mut drawn = [0; N];
    let drawing = SystemRandom::new().fill(&mut drawn);
    drawing.map_err(|_| TrustError::Issue {
        reason: "the system has no randomness".to_owned(),
    })?;
    Ok(drawn)
}

/// Whether a token is in a file and its time is not over; nobody's is in a file that is not there.
pub(crate) fn admits(file: &Path, token: &str) -> Result<bool, TrustError> {
    if !file.exists() {
        return Ok(false);
    }
    let text = read_private(file)?;
    let (wanted, now) = (hash(token), now_s());
    // Hashes are compared, and what is compared tells nobody how a token begins.
    let is_it = |line: &str| {
        let (until, hash) = line.split_once(' ')?;
        let until: u64 = until.parse().ok()?;
        (hash == wanted && now < until).then_some(())
    };
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().any(|line| is_it(line).is_some()))
}

fn hash(token: &str) -> String {
    hex(digest(&SHA256, token.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a token is good is of the time of day"
)]
fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_token_is_good_in_its_time_and_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(TOKENS);
        let is_good = |token: &str| admits(&file, token).unwrap();
        assert!(!is_good(""));
        let (first, second) = (
            draw_token(folder.path(), HOUR).unwrap(),
            draw_token(folder.path(), HOUR).unwrap(),
        );
        let over = draw_token(folder.path(), Duration::ZERO).unwrap();
        assert!(is_good(&first) && is_good(&second) && first != second);
        let text = fs::read_to_string(&file).unwrap();
        for wrong in [over.as_str(), "", &first[1..], &hash(&first), &text] {
            assert!(!is_good(wrong), "{wrong}");
        }
        assert!(!text.contains(&first));
        let left: Vec<&str> = text.lines().skip(1).collect();
        fs::write(&file, left.join("\n")).unwrap();
        assert!(!is_good(&first) && is_good(&second));
    }

    #[test]
    fn no_bytes_in_the_file_let_anybody_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(TOKENS);
        draw_token(folder.path(), HOUR).unwrap();
        for bytes in [
            &b"\xff\xfe 1"[..],
            b"99999999999 \n",
            b" ",
            b"1",
            b"99999999999",
        ] {
            fs::write(&file, bytes).unwrap();
            for token in ["", " ", "1"] {
                assert!(!admits(&file, token).unwrap());
            }
        }
    }
}
