//! Text objects that carry their own digest.
//! Owns the seal; what is inside, and the key that the digest has there, is its user's.
//!
//! A sealed object is a JSON object whose last line is `"KEY": "<BLAKE3 of the object without that line>"`.
//! Any byte that changes breaks the seal, so damage is told apart from a format that is not understood.

use bytes::Bytes;
use serde::Serialize;

/// Seals a value that is a JSON object without this key.
///
/// # Errors
/// A value that JSON does not have.
pub fn seal(key: &str, value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(value)?;
    let tail = tail(key, &text);
    text.truncate(text.len() - BRACE.len());
    Ok(Bytes::from(text + &tail))
}

/// Opens an object that is sealed under this key, and gives the JSON inside.
///
/// # Errors
/// A line that says that it is damaged.
pub fn unseal(key: &str, bytes: &[u8]) -> Result<String, &'static str> {
    const BROKEN: &str = "its digest does not match its contents";
    let text = std::str::from_utf8(bytes).map_err(|_| BROKEN)?;
    let end = text.rfind(&mark(key)).ok_or(BROKEN)?;
    let body = format!("{}{BRACE}", &text[..end]);
    if text[end..] == tail(key, &body) {
        Ok(body)
    } else {
        Err(BROKEN)
    }
}

const BRACE: &str = "\n}";

fn mark(key: &str) -> String {
    format!(",\n  \"{key}\": \"")
}

fn tail(key: &str, body: &str) -> String {
    let digest = blake3::hash(body.as_bytes()).to_hex();
    format!("{}{digest}\"\n}}\n", mark(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Bytes {
        seal(
            "digest",
            &serde_json::json!({"a": 1, "digest of b": "x", "c": {"digest": "y"}}),
        )
        .unwrap()
    }

    #[test]
    fn sealed_object_is_json_with_a_digest() {
        let parsed: serde_json::Value = serde_json::from_slice(&sealed()).unwrap();
        assert_eq!(parsed["a"], 1);
        assert_eq!(parsed["digest"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn body_comes_back() {
        let body: serde_json::Value =
            serde_json::from_str(&unseal("digest", &sealed()).unwrap()).unwrap();
        assert_eq!(body["c"]["digest"], "y");
        assert!(body.get("digest").is_none());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let good = sealed();
        for index in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.to_vec();
                bad[index] ^= 1 << bit;
                assert!(unseal("digest", &bad).is_err(), "byte {index} bit {bit}");
            }
            assert!(unseal("digest", &good[..index]).is_err(), "cut at {index}");
        }
        let longer = [&good[..], b"\n"].concat();
        assert!(unseal("digest", &longer).is_err());
    }
}
