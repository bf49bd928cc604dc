//! Text objects that carry their own digest: manifests and journal records.
//! Owns the seal; what is inside is its user's.
//!
//! A sealed object is a JSON object whose last line is `"digest": "<BLAKE3 of the object without that line>"`.
//! Any byte that changes breaks the seal, so damage is told apart from a format that is not understood.

use bytes::Bytes;
use serde::Serialize;

/// Seals a value that is a JSON object.
pub(crate) fn seal(value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(value)?;
    let tail = tail(&text);
    text.truncate(text.len() - BRACE.len());
    Ok(Bytes::from(text + &tail))
}

/// Opens a sealed object and gives the JSON inside.
pub(crate) fn unseal(bytes: &[u8]) -> Result<String, &'static str> {
    const BROKEN: &str = "its digest does not match its contents";
    let text = std::str::from_utf8(bytes).map_err(|_| BROKEN)?;
    let end = text.rfind(MARK).ok_or(BROKEN)?;
    let body = format!("{}{BRACE}", &text[..end]);
    if text[end..] == tail(&body) {
        Ok(body)
    } else {
        Err(BROKEN)
    }
}

const BRACE: &str = "\n}";

const MARK: &str = ",\n  \"digest\": \"";

fn tail(body: &str) -> String {
    format!("{MARK}{}\"\n}}\n", blake3::hash(body.as_bytes()).to_hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Bytes {
        seal(&serde_json::json!({"a": 1, "digest of b": "x", "c": {"digest": "y"}})).unwrap()
    }

    #[test]
    fn sealed_object_is_json_with_a_digest() {
        let parsed: serde_json::Value = serde_json::from_slice(&sealed()).unwrap();
        assert_eq!(parsed["a"], 1);
        assert_eq!(parsed["digest"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn body_comes_back() {
        let body: serde_json::Value = serde_json::from_str(&unseal(&sealed()).unwrap()).unwrap();
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
                assert!(unseal(&bad).is_err(), "byte {index} bit {bit}");
            }
            assert!(unseal(&good[..index]).is_err(), "cut at {index}");
        }
        let longer = [&good[..], b"\n"].concat();
        assert!(unseal(&longer).is_err());
    }
}
