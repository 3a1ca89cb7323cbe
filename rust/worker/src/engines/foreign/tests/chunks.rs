//! What a chunk may say, and what it may not.

use std::ptr;

use dynamo_engine_abi as abi;
use dynamo_engine_abi::{FinishReason as Raw, StopKind, chunk_has as has};
use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_protocols::types::StopReason;
use serde_json::json;

use super::super::chunk::read;

fn chunk(fill: impl FnOnce(&mut abi::Chunk)) -> Result<LLMEngineOutput, String> {
    let mut chunk = abi::Chunk::EMPTY;
    fill(&mut chunk);
    // SAFETY: the tests lend what they say, or null.
    unsafe { read(&chunk) }
}

fn wrong(fill: impl FnOnce(&mut abi::Chunk)) -> String {
    chunk(fill).unwrap_err()
}

const TOKENS: abi::TokenIds = abi::TokenIds::lend(&[5, 6]);

#[test]
fn tokens_alone_are_tokens_alone() {
    let expected = LLMEngineOutput {
        token_ids: vec![5, 6],
        ..Default::default()
    };
    assert_eq!(chunk(|chunk| chunk.token_ids = TOKENS).unwrap(), expected);
    assert_eq!(chunk(|_| ()).unwrap(), LLMEngineOutput::default());
}

#[test]
fn every_field_arrives() {
    let top = [
        abi::TopLogprob {
            rank: 1,
            token_id: 5,
            logprob: -0.5,
            token: abi::Str::lend("é"),
        },
        abi::TopLogprob {
            rank: 2,
            token_id: 7,
            logprob: -1.5,
            token: abi::Str::NONE,
        },
        abi::TopLogprob {
            rank: 1,
            token_id: 6,
            logprob: -0.25,
            token: abi::Str::lend(""),
        },
    ];
    let read = chunk(|chunk| {
        chunk.token_ids = TOKENS;
        chunk.has = has::INDEX | has::CUM_LOG_PROB | has::USAGE | has::CACHED_TOKENS;
        chunk.has |= has::LOG_PROBS | has::TOP_LOGPROBS | 1 << 60;
        chunk.index = 3;
        chunk.cum_log_prob = -0.75;
        chunk.log_probs = abi::Numbers::lend(&[-0.5, -0.25]);
        chunk.top_logprobs = top.as_ptr();
        chunk.top_logprobs_per_token = [2, 1].as_ptr();
        chunk.usage = abi::Usage {
            prompt_tokens: 4,
            completion_tokens: 2,
            cached_tokens: 1,
        };
        chunk.finish_reason = Raw::STOP;
        chunk.stop_kind = StopKind::STRING;
        chunk.stop_string = abi::Str::lend("\n\n");
        chunk.text = abi::Str::lend("ab");
        chunk.json = abi::Str::lend(
            r#"{"tokens": ["a", null], "disaggregated_params": {"room": 1}, "engine_data": [2],
                "extra_args": {"x": 1}, "encoder_result": {"y": 2}, "output_type": "image",
                "content_parts": [{"type": "text", "text": "z"}]}"#,
        );
    });
    let read = read.unwrap();
    assert_eq!(read.index, Some(3));
    assert_eq!(read.cum_log_probs, Some(-0.75));
    assert_eq!(read.log_probs.as_deref(), Some(&[-0.5, -0.25][..]));
    let likely: Vec<Vec<_>> = read
        .top_logprobs
        .iter()
        .flatten()
        .map(|of_token| {
            let of_token = of_token.iter();
            of_token
                .map(|top| (top.rank, top.token_id, top.logprob, top.token.as_deref()))
                .collect()
        })
        .collect();
    let expected = [
        vec![(1, 5, -0.5, Some("é")), (2, 7, -1.5, None)],
        vec![(1, 6, -0.25, Some(""))],
    ];
    assert_eq!(likely, expected);
    let usage = read.completion_usage.unwrap();
    assert_eq!(
        (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens
        ),
        (4, 2, 6)
    );
    assert_eq!(usage.prompt_tokens_details.unwrap().cached_tokens, Some(1));
    assert_eq!(read.finish_reason, Some(FinishReason::Stop));
    assert_eq!(read.stop_reason, Some(StopReason::String("\n\n".into())));
    assert_eq!(read.text.as_deref(), Some("ab"));
    assert_eq!(read.tokens, Some(vec![Some("a".into()), None]));
    assert_eq!(read.disaggregated_params, Some(json!({"room": 1})));
    assert_eq!(read.engine_data, Some(json!([2])));
    assert_eq!(read.extra_args, Some(json!({"x": 1})));
    assert_eq!(read.encoder_result, Some(json!({"y": 2})));
    assert_eq!(read.content_parts.unwrap().len(), 1);
}

#[test]
fn every_finish_reason_arrives() {
    let reasons = [
        (Raw::EOS, FinishReason::EoS),
        (Raw::LENGTH, FinishReason::Length),
        (Raw::STOP, FinishReason::Stop),
        (Raw::CANCELLED, FinishReason::Cancelled),
        (Raw::CONTENT_FILTER, FinishReason::ContentFilter),
        (Raw::ERROR, FinishReason::Error("out of memory".into())),
    ];
    for (raw, expected) in reasons {
        let read = chunk(|chunk| {
            chunk.finish_reason = raw;
            chunk.message = abi::Str::lend("out of memory");
        });
        assert_eq!(read.unwrap().finish_reason, Some(expected));
    }
    let read = chunk(|chunk| (chunk.stop_kind, chunk.stop_token) = (StopKind::TOKEN, 2)).unwrap();
    assert_eq!(read.stop_reason, Some(StopReason::Int(2)));
    let empty = chunk(|chunk| chunk.text = abi::Str::lend("")).unwrap();
    assert_eq!(empty.text.as_deref(), Some(""));
}

#[test]
fn a_null_pointer_with_a_length_is_named() {
    let nowhere = abi::Str {
        ptr: ptr::null(),
        len: 3,
    };
    let named = [
        (
            "token_ids",
            wrong(|chunk| {
                chunk.token_ids = abi::TokenIds {
                    ptr: ptr::null(),
                    len: 3,
                }
            }),
        ),
        (
            "log_probs",
            wrong(|chunk| {
                chunk.has = has::LOG_PROBS;
                chunk.log_probs = abi::Numbers {
                    ptr: ptr::null(),
                    len: 3,
                };
            }),
        ),
        ("text", wrong(|chunk| chunk.text = nowhere)),
        ("json", wrong(|chunk| chunk.json = nowhere)),
        (
            "message",
            wrong(|chunk| (chunk.finish_reason, chunk.message) = (Raw::ERROR, nowhere)),
        ),
        (
            "stop_string",
            wrong(|chunk| {
                (chunk.stop_kind, chunk.stop_string) = (StopKind::STRING, nowhere);
            }),
        ),
    ];
    for (what, wrong) in named {
        assert_eq!(
            wrong,
            format!("{what} is a null pointer with a length of 3")
        );
    }
    let wrong_top = |per_token: *const u32| {
        wrong(|chunk| {
            chunk.token_ids = TOKENS;
            chunk.has = has::TOP_LOGPROBS;
            chunk.top_logprobs_per_token = per_token;
        })
    };
    let expected = "top_logprobs_per_token is a null pointer with a length of 2";
    assert_eq!(wrong_top(ptr::null()), expected);
    let expected = "top_logprobs is a null pointer with a length of 4";
    assert_eq!(wrong_top([0, 4].as_ptr()), expected);
}

#[test]
fn what_has_no_meaning_is_refused() {
    let invalid: &[u8] = b"a\xff";
    let invalid = abi::Str {
        ptr: invalid.as_ptr(),
        len: 2,
    };
    let text = wrong(|chunk| chunk.text = invalid);
    assert!(text.starts_with("text is not UTF-8: "), "{text}");
    assert_eq!(
        wrong(|chunk| chunk.finish_reason = Raw(7)),
        "7 is no finish_reason"
    );
    assert_eq!(
        wrong(|chunk| chunk.stop_kind = StopKind(3)),
        "3 is no stop_kind"
    );
    let silent = wrong(|chunk| chunk.finish_reason = Raw::ERROR);
    assert_eq!(
        silent,
        "the finish_reason is an error, and there is no message"
    );
    let few = wrong(|chunk| {
        chunk.token_ids = TOKENS;
        chunk.has = has::LOG_PROBS;
        chunk.log_probs = abi::Numbers::lend(&[0.0]);
    });
    assert_eq!(few, "there are 1 log_probs for 2 tokens");
    for (json, expected) in [
        ("{", "json: EOF while parsing an object at line 1 column 1"),
        (
            r#"{"token_ids": []}"#,
            "json: unknown field `token_ids`, expected one of",
        ),
        (r#"{"tokens": 3}"#, "json: invalid type: integer `3`"),
    ] {
        let wrong = wrong(|chunk| chunk.json = abi::Str::lend(json));
        assert!(wrong.starts_with(expected), "{wrong}");
    }
}
