//! Owns the way from byte ranges of a shard to blocks of it and back: from the disk what is there, from the store the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fratmae_store::Location;

use super::{BLOCK, Cache, Key};
use crate::DataSetError;
use crate::manifest::shard_name;
use crate::reader::unblocked;

/// A shard as the cache knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shard {
    pub(crate) number: u32,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Digest of its footer.
    pub(crate) footer: [u8; 32],
}

impl Cache {
    /// Reads ranges of a shard; `afresh` takes nothing from the disk and replaces what lies there.
    ///
    /// # Errors
    /// Those of the store alone.
    pub(crate) async fn get_ranges(
        self: &Arc<Self>,
        location: &Location,
        shard: Shard,
        ranges: &[Range<u64>],
        afresh: bool,
    ) -> Result<Vec<Bytes>, DataSetError> {
        let wanted: BTreeSet<u64> = ranges
            .iter()
            .flat_map(|range| shard.blocks(range))
            .collect();
        let mut blocks = if afresh {
            BTreeMap::new()
        } else {
            let (cache, wanted) = (Arc::clone(self), wanted.clone());
            let read = move |block: u64| Some((block, cache.get(shard.key(block))?));
            unblocked(move || Ok(wanted.into_iter().filter_map(read).collect())).await?
        };
        let missing: Vec<u64> = wanted
            .into_iter()
            .filter(|block| !blocks.contains_key(block))
            .collect();
        if !missing.is_empty() {
            blocks.extend(self.fetch(location, shard, missing).await?);
        }
        Ok(ranges.iter().map(|range| cut(&blocks, range)).collect())
    }

    async fn fetch(
        self: &Arc<Self>,
        location: &Location,
        shard: Shard,
        missing: Vec<u64>,
    ) -> Result<BTreeMap<u64, Bytes>, DataSetError> {
        let ranges: Vec<_> = missing.iter().map(|&block| shard.range(block)).collect();
        let fetched = location
            .get_ranges(&shard_name(shard.number), &ranges)
            .await?;
        let cache = Arc::clone(self);
        unblocked(move || {
            let blocks: BTreeMap<u64, Bytes> = missing.into_iter().zip(fetched).collect();
            for (&block, bytes) in &blocks {
                cache.put(shard.key(block), bytes);
            }
            Ok(blocks)
        })
        .await
    }
}

impl Shard {
    fn key(self, block: u64) -> Key {
        Key {
            shard: self.number,
            block,
            footer: self.footer,
        }
    }

    /// The blocks that a range lies in; none for what lies beyond the shard's end.
    fn blocks(self, range: &Range<u64>) -> Range<u64> {
        let end = range.end.min(self.size);
        if range.start >= end {
            return 0..0;
        }
        range.start / BLOCK..end.div_ceil(BLOCK)
    }

    fn range(self, block: u64) -> Range<u64> {
        let start = block * BLOCK;
        start..(start + BLOCK).min(self.size)
    }
}

/// Cuts a range out of blocks; short where they are.
fn cut(blocks: &BTreeMap<u64, Bytes>, range: &Range<u64>) -> Bytes {
    let (first, last) = (range.start / BLOCK, range.end.saturating_sub(1) / BLOCK);
    let within = |block: u64, bytes: &Bytes| {
        let at = |place: u64| place.saturating_sub(block * BLOCK).min(bytes.len() as u64) as usize;
        bytes.slice(at(range.start)..at(range.end).max(at(range.start)))
    };
    if first == last {
        return blocks
            .get(&first)
            .map_or_else(Bytes::new, |bytes| within(first, bytes));
    }
    let pieces: Vec<Bytes> = blocks
        .range(first..=last)
        .map(|(&block, bytes)| within(block, bytes))
        .collect();
    let mut joined = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces
        .iter()
        .for_each(|piece| joined.extend_from_slice(piece));
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_out_of_one_block_or_several_and_end_with_the_shard() {
        let shard = Shard {
            number: 0,
            size: 2 * BLOCK + 10,
            footer: [0; 32],
        };
        let bytes: Vec<u8> = (0..shard.size).map(|at| (at % 251) as u8).collect();
        let of = |range: Range<u64>| {
            Bytes::from(bytes[range.start as usize..range.end as usize].to_vec())
        };
        for range in [
            0..1,
            5..BLOCK,
            BLOCK - 1..BLOCK + 1,
            0..shard.size,
            2 * BLOCK..2 * BLOCK + 10,
            BLOCK..BLOCK,
        ] {
            let blocks = shard.blocks(&range);
            let blocks = blocks
                .map(|block| (block, of(shard.range(block))))
                .collect();
            assert_eq!(cut(&blocks, &range), of(range.clone()), "{range:?}");
        }
        let beyond = 2 * BLOCK..4 * BLOCK;
        let blocks = shard
            .blocks(&beyond)
            .map(|block| (block, of(shard.range(block))))
            .collect();
        assert_eq!(cut(&blocks, &beyond), of(2 * BLOCK..shard.size));
        assert!(shard.blocks(&(4 * BLOCK..u64::MAX)).is_empty());
    }
}
