//! Owns the reading of a shard's footer: where its pages lie, how large it is, and which writing of it this is.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use fratmae_store::{Location, StoreError};
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::async_reader::MetadataFetch;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::DataSetError;
use crate::cache::Shard;
use crate::manifest::shard_name;

/// Bytes fetched from the end of a shard in the hope that its footer is in them.
const FOOTER_GUESS: usize = 256 * 1024;

/// What is known of a shard once its footer is read.
#[derive(Debug, Clone)]
pub(super) struct Footer {
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) shard: Shard,
}

impl Footer {
    /// Reads the footer of a shard with its offset index.
    pub(super) async fn load(location: &Location, number: u32) -> Result<Self, DataSetError> {
        let shard = shard_name(number);
        let size = location.size(&shard).await?;
        let mut tail = Tail {
            location,
            shard: &shard,
            digest: blake3::Hasher::new(),
            failure: None,
        };
        let metadata = ParquetMetaDataReader::new()
            .with_column_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Required)
            .with_prefetch_hint(Some(FOOTER_GUESS))
            .load_and_finish(&mut tail, size)
            .await;
        if let Some(failure) = tail.failure {
            return Err(failure.into());
        }
        let metadata = metadata
            .map(Arc::new)
            .map_err(|source| DataSetError::Parquet {
                action: "read the footer of",
                shard: shard.clone(),
                source,
            })?;
        let footer = *tail.digest.finalize().as_bytes();
        let shard = Shard {
            number,
            size,
            footer,
        };
        Ok(Self { metadata, shard })
    }
}

/// Fetches the footer of a shard, and keeps its digest, and the store's failure in the store's own words.
struct Tail<'shard> {
    location: &'shard Location,
    shard: &'shard str,
    digest: blake3::Hasher,
    failure: Option<StoreError>,
}

impl MetadataFetch for &mut Tail<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let found = self.location.get_ranges(self.shard, &[range]).await;
            let bytes = match found {
                Ok(mut found) => found.pop().unwrap_or_default(),
                Err(failure) => {
                    let line = failure.to_string();
                    self.failure = Some(failure);
                    return Err(ParquetError::General(line));
                }
            };
            self.digest.update(&bytes);
            Ok(bytes)
        }
        .boxed()
    }
}
