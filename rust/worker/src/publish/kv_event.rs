//! What a publisher is told of a rank's cache, and how the router is told of it.

use std::collections::HashMap;

use dynamo_kv_router::zmq_wire::{StoredBlockOptions, create_stored_block_from_parts};
/// How the router shortens the name of an image to a hash; `None`: it is empty.
pub use dynamo_llm::kv_router::protocols::hash_mm_identifier as mm_hash;
pub use dynamo_llm::kv_router::protocols::{BlockExtraInfo, BlockMmObjectInfo};
use dynamo_llm::kv_router::protocols::{
    ExternalSequenceBlockHash, KvCacheEventData, KvCacheRemoveData, KvCacheStoreData,
};

use super::media_tokens::MediaTokens;

/// Blocks of one event: with many more it would not fit a message of NATS.
const LONGEST_EVENT: usize = 4096;

/// A block that the engine stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredBlock {
    /// The engine's own hash of the block, which `publish_removed` names again. It stands for the
    /// block and everything in front of it.
    pub block_hash: u64,
    /// The block's tokens, exactly one KV block long; of an Eagle block one more, the first of the
    /// block behind it.
    pub token_ids: Vec<u32>,
}

/// Blocks that were stored, each behind the one before it, of requests that share them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredBlocks {
    /// The block that they stand behind; `None`: they begin a sequence.
    pub parent_hash: Option<u64>,
    pub blocks: Vec<StoredBlock>,
    /// Images and videos of each block, offsets counted in its tokens; empty: there are none.
    pub block_mm_infos: Vec<Option<BlockExtraInfo>>,
    /// The LoRA adapter that made them; `None` or empty: the model itself.
    pub lora_name: Option<String>,
    /// What keeps requests with another salt from sharing them; `None` or empty: nothing.
    pub cache_salt: Option<String>,
    /// Whether each block has the first token of the one behind it too, as for speculative decoding
    /// with Eagle. The card must say so as well, or the router looks for other blocks.
    pub is_eagle: bool,
}

/// A change of a rank's cache.
#[derive(Clone, Debug, PartialEq)]
pub enum KvEvent {
    Stored(StoredBlocks),
    /// Blocks were removed, named by the hashes with which they were stored.
    Removed(Vec<u64>),
    /// All blocks of the rank were removed.
    Cleared,
}

impl KvEvent {
    /// Says what the router could make nothing of.
    pub(super) fn check(&self, block_size: u32) -> Result<(), String> {
        match self {
            Self::Stored(stored) => stored.check(block_size),
            Self::Removed(_) | Self::Cleared => Ok(()),
        }
    }

    /// What the router is told of one that was checked.
    pub(super) fn into_data(self, block_size: u32, media: MediaTokens) -> Vec<KvCacheEventData> {
        match self {
            Self::Stored(stored) => stored.into_data(block_size, media),
            Self::Removed(block_hashes) => block_hashes
                .chunks(LONGEST_EVENT)
                .map(|chunk| {
                    let block_hashes = chunk.iter().copied().map(ExternalSequenceBlockHash);
                    KvCacheEventData::Removed(KvCacheRemoveData {
                        block_hashes: block_hashes.collect(),
                    })
                })
                .collect(),
            Self::Cleared => vec![KvCacheEventData::Cleared],
        }
    }
}

impl StoredBlocks {
    fn check(&self, block_size: u32) -> Result<(), String> {
        let Self {
            parent_hash,
            blocks,
            block_mm_infos,
            ..
        } = self;
        let refused = |number: usize, what: String| {
            Err(format!(
                "block {number} of {}, counted from 0, {what}",
                blocks.len()
            ))
        };
        let wanted = block_size as usize + usize::from(self.is_eagle);
        let mut seen = HashMap::with_capacity(blocks.len());
        for (number, block) in blocks.iter().enumerate() {
            let length = block.token_ids.len();
            if length != wanted {
                let eagle = match self.is_eagle {
                    true => ": one of Eagle's has one token more, the first of the block behind it",
                    false => "",
                };
                return refused(
                    number,
                    format!("has {length} tokens, and kv_cache_block_size is {block_size}{eagle}"),
                );
            }
            if Some(block.block_hash) == *parent_hash {
                return refused(number, "has the hash of its parent".into());
            }
            if let Some(first) = seen.insert(block.block_hash, number) {
                return refused(number, format!("has the hash of block {first}"));
            }
            let next = blocks.get(number + 1).filter(|_| self.is_eagle);
            if let Some(next) = next
                && next.token_ids.first() != block.token_ids.last()
            {
                let what = "does not end with the first token of the block behind it, as is_eagle \
                            says";
                return refused(number, what.into());
            }
        }
        if !block_mm_infos.is_empty() && block_mm_infos.len() != blocks.len() {
            return Err(format!(
                "block_mm_infos has {} entries, and there are {} blocks; accepted: one for each, \
                 None where a block has no image",
                block_mm_infos.len(),
                blocks.len()
            ));
        }
        for (number, info) in block_mm_infos.iter().enumerate() {
            let objects = info.iter().flat_map(|info| &info.mm_objects);
            let mut offsets = objects.flat_map(|object| &object.offsets);
            if let Some((start, end)) = offsets.find(|(start, end)| start >= end || *end > wanted) {
                return Err(format!(
                    "block_mm_infos[{number}] has the offsets ({start}, {end}); accepted: a first \
                     token and the one behind the last, from 0 to {wanted}"
                ));
            }
        }
        Ok(())
    }

    fn into_data(self, block_size: u32, media: MediaTokens) -> Vec<KvCacheEventData> {
        let options = |mm_extra_info| StoredBlockOptions {
            lora_name: self.lora_name.as_deref(),
            cache_namespace: self.cache_salt.as_deref(),
            mm_extra_info,
            is_eagle: Some(self.is_eagle),
            image_token_id: media.image_token_id,
            video_token_id: media.video_token_id,
        };
        let mut infos = self.block_mm_infos.into_iter();
        let described = |block: &StoredBlock| {
            let options = options(infos.next().flatten());
            let StoredBlock {
                block_hash,
                token_ids,
            } = block;
            create_stored_block_from_parts(block_size, *block_hash, token_ids, options)
        };
        let mut described = self.blocks.iter().map(described);
        let mut parent = self.parent_hash.map(ExternalSequenceBlockHash);
        std::iter::from_fn(|| {
            let blocks: Vec<_> = described.by_ref().take(LONGEST_EVENT).collect();
            let behind = blocks.last()?.block_hash;
            Some(KvCacheEventData::Stored(KvCacheStoreData {
                parent_hash: parent.replace(behind),
                start_position: None,
                blocks,
            }))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests;
