//! What the router is told, held against the hashes that it makes of a request.

use dynamo_llm::kv_router::protocols::{
    BlockHashOptions, LocalBlockHash, compute_block_hash_for_seq, pad_value_for_mm_hash,
};

use super::*;

const SIZE: u32 = 4;
const IMAGE: u32 = 900;
const VIDEO: u32 = 901;

fn block(block_hash: u64, token_ids: &[u32]) -> StoredBlock {
    StoredBlock {
        block_hash,
        token_ids: token_ids.to_vec(),
    }
}

/// The blocks of a prompt, named 1, 2 and so on.
fn blocks(tokens: &[u32], window: usize) -> Vec<StoredBlock> {
    let windows = tokens.windows(window).step_by(SIZE as usize);
    windows
        .enumerate()
        .map(|(number, tokens)| block(number as u64 + 1, tokens))
        .collect()
}

fn stored(tokens: &[u32]) -> StoredBlocks {
    StoredBlocks {
        blocks: blocks(tokens, SIZE as usize),
        ..StoredBlocks::default()
    }
}

/// The hashes that the router is told.
fn told(stored: StoredBlocks, media: MediaTokens) -> Vec<LocalBlockHash> {
    let event = KvEvent::Stored(stored);
    event.check(SIZE).unwrap();
    let data = event.into_data(SIZE, media);
    let [KvCacheEventData::Stored(stored)] = &data[..] else {
        panic!("{data:?}");
    };
    stored
        .blocks
        .iter()
        .map(|block| block.tokens_hash)
        .collect()
}

/// The hashes by which the router looks for a request.
fn asked(tokens: &[u32], options: BlockHashOptions<'_>) -> Vec<LocalBlockHash> {
    compute_block_hash_for_seq(tokens, SIZE, options)
}

fn image(mm_hash: u64, offsets: &[(usize, usize)]) -> Option<BlockExtraInfo> {
    Some(BlockExtraInfo {
        mm_objects: vec![BlockMmObjectInfo {
            mm_hash,
            offsets: offsets.to_vec(),
        }],
    })
}

fn refusal(stored: StoredBlocks) -> String {
    stored.check(SIZE).unwrap_err()
}

#[test]
fn an_adapter_and_a_salt_make_other_blocks_as_they_do_in_the_router() {
    let tokens: Vec<u32> = (0..12).collect();
    let plain = asked(&tokens, BlockHashOptions::default());
    let mut seen = vec![plain.clone()];
    for (lora_name, cache_salt) in [
        (Some("lora"), None),
        (None, Some("lora")),
        (Some("lora"), Some("salt")),
    ] {
        let options = BlockHashOptions {
            lora_name,
            cache_namespace: cache_salt,
            ..BlockHashOptions::default()
        };
        let hashes = told(
            StoredBlocks {
                lora_name: lora_name.map(Into::into),
                cache_salt: cache_salt.map(Into::into),
                ..stored(&tokens)
            },
            MediaTokens::default(),
        );
        assert_eq!(hashes, asked(&tokens, options));
        assert!(!seen.contains(&hashes));
        seen.push(hashes);
    }
    let empty = StoredBlocks {
        lora_name: Some(String::new()),
        cache_salt: Some(String::new()),
        ..stored(&tokens)
    };
    assert_eq!(told(empty, MediaTokens::default()), plain);
}

#[test]
fn an_eagle_block_is_known_by_the_first_token_behind_it_too() {
    let tokens: Vec<u32> = (0..13).collect();
    let eagle = StoredBlocks {
        blocks: blocks(&tokens, SIZE as usize + 1),
        is_eagle: true,
        ..StoredBlocks::default()
    };
    let options = BlockHashOptions {
        is_eagle: Some(true),
        ..BlockHashOptions::default()
    };
    let hashes = told(eagle, MediaTokens::default());
    assert_eq!(hashes.len(), 3);
    assert_eq!(hashes, asked(&tokens, options));
}

#[test]
fn without_the_images_token_a_block_is_known_by_its_tokens_and_its_images() {
    let tokens = [1, IMAGE, IMAGE, 4, 5, 6, 7, 8];
    let infos = vec![image(41, &[(1, 3)]), None];
    let options = BlockHashOptions {
        block_mm_infos: Some(&infos),
        ..BlockHashOptions::default()
    };
    let expected = asked(&tokens, options);
    let hashes = told(
        StoredBlocks {
            block_mm_infos: infos.clone(),
            ..stored(&tokens)
        },
        MediaTokens::default(),
    );
    assert_eq!(hashes, expected);
    assert_ne!(hashes[0], asked(&tokens, BlockHashOptions::default())[0]);
}

#[test]
fn with_the_images_token_a_block_is_that_of_the_frontends_tokens() {
    let (first, second) = (pad_value_for_mm_hash(41), pad_value_for_mm_hash(42));
    for (media, tokens, infos, routed) in [
        (
            MediaTokens {
                image_token_id: Some(IMAGE),
                video_token_id: None,
            },
            [IMAGE, IMAGE, 3, 4, 5, IMAGE, IMAGE, 8],
            vec![image(41, &[]), image(42, &[])],
            [first, first, 3, 4, 5, second, second, 8],
        ),
        (
            MediaTokens {
                image_token_id: Some(IMAGE),
                video_token_id: Some(VIDEO),
            },
            [VIDEO, 2, VIDEO, 4, 5, 6, 7, 8],
            vec![image(42, &[]), None],
            [second, 2, second, 4, 5, 6, 7, 8],
        ),
    ] {
        let hashes = told(
            StoredBlocks {
                block_mm_infos: infos,
                ..stored(&tokens)
            },
            media,
        );
        assert_eq!(hashes, asked(&routed, BlockHashOptions::default()));
    }
}

#[test]
fn a_long_chain_is_several_events_each_behind_the_one_before_it() {
    let tokens = vec![7; SIZE as usize * (LONGEST_EVENT + 1)];
    let chain = StoredBlocks {
        parent_hash: Some(u64::MAX),
        ..stored(&tokens)
    };
    let data = KvEvent::Stored(chain).into_data(SIZE, MediaTokens::default());
    let parents: Vec<_> = data
        .iter()
        .map(|data| match data {
            KvCacheEventData::Stored(stored) => {
                (stored.parent_hash.map(|hash| hash.0), stored.blocks.len())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let longest = LONGEST_EVENT;
    assert_eq!(
        parents,
        [(Some(u64::MAX), longest), (Some(longest as u64), 1)]
    );
}

#[test]
fn a_chain_of_whole_blocks_is_accepted() {
    let chain = StoredBlocks {
        parent_hash: Some(9),
        ..stored(&[0; 8])
    };
    chain.check(SIZE).unwrap();
    StoredBlocks::default().check(SIZE).unwrap();
}

#[test]
fn a_block_of_another_length_is_named() {
    for length in [0, 3, 5, 8] {
        let message = refusal(StoredBlocks {
            blocks: vec![block(1, &[0; 4]), block(2, &vec![0; length])],
            ..StoredBlocks::default()
        });
        assert_eq!(
            message,
            format!(
                "block 1 of 2, counted from 0, has {length} tokens, and kv_cache_block_size is 4"
            )
        );
    }
    let message = refusal(StoredBlocks {
        is_eagle: true,
        ..stored(&[0; 4])
    });
    assert!(message.contains("has 4 tokens"), "{message}");
    assert!(
        message.contains("one of Eagle's has one token more"),
        "{message}"
    );
}

#[test]
fn an_eagle_block_that_does_not_reach_into_the_next_one_is_named() {
    let message = refusal(StoredBlocks {
        blocks: vec![block(1, &[0, 1, 2, 3, 4]), block(2, &[5, 6, 7, 8, 9])],
        is_eagle: true,
        ..StoredBlocks::default()
    });
    assert!(message.starts_with("block 0 of 2"), "{message}");
    assert!(message.contains("is_eagle"), "{message}");
}

#[test]
fn a_chain_that_bites_its_tail_is_refused() {
    let message = refusal(StoredBlocks {
        parent_hash: Some(2),
        ..stored(&[0; 8])
    });
    assert!(message.contains("block 1 of 2"), "{message}");
    assert!(message.contains("the hash of its parent"), "{message}");
    let message = refusal(StoredBlocks {
        blocks: vec![block(7, &[0; 4]), block(2, &[0; 4]), block(7, &[0; 4])],
        ..StoredBlocks::default()
    });
    assert!(message.contains("block 2 of 3"), "{message}");
    assert!(message.contains("the hash of block 0"), "{message}");
}

#[test]
fn images_that_fit_no_block_are_named() {
    let message = refusal(StoredBlocks {
        block_mm_infos: vec![None],
        ..stored(&[0; 8])
    });
    assert!(
        message.starts_with("block_mm_infos has 1 entries, and there are 2 blocks"),
        "{message}"
    );
    for offsets in [(2, 2), (3, 1), (0, 5)] {
        let message = refusal(StoredBlocks {
            block_mm_infos: vec![None, image(1, &[(0, 4), offsets])],
            ..stored(&[0; 8])
        });
        assert!(
            message.starts_with(&format!("block_mm_infos[1] has the offsets {offsets:?}")),
            "{message}"
        );
    }
}
