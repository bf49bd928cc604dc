//! The seal of manifests and journal records. How an object is sealed is `store`'s.

use bytes::Bytes;
use serde::Serialize;

/// The key of the seal.
const KEY: &str = "digest";

/// Seals a value that is a JSON object.
pub(crate) fn seal(value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    fratmae_store::seal(KEY, value)
}

/// Opens a sealed object and gives the JSON inside.
pub(crate) fn unseal(bytes: &[u8]) -> Result<String, &'static str> {
    fratmae_store::unseal(KEY, bytes)
}
