use dynamo_llm::protocols::common::FinishReason;
use serde_json::json;

use super::*;

fn chunk(token_ids: &[u32]) -> LLMEngineOutput {
    LLMEngineOutput {
        token_ids: token_ids.to_vec(),
        ..Default::default()
    }
}

#[test]
fn tokens_and_probabilities_follow_one_another_and_the_latest_of_the_rest_counts() {
    let mut joined = LLMEngineOutput {
        log_probs: Some(vec![-0.1]),
        cum_log_probs: Some(-0.1),
        ..chunk(&[1])
    };
    let last = LLMEngineOutput {
        log_probs: Some(vec![-0.2, -0.3]),
        cum_log_probs: Some(-0.6),
        finish_reason: Some(FinishReason::Length),
        ..chunk(&[2, 3])
    };
    append(&mut joined, last).unwrap();
    assert_eq!(joined.token_ids, [1, 2, 3]);
    assert_eq!(joined.log_probs, Some(vec![-0.1, -0.2, -0.3]));
    assert_eq!(joined.cum_log_probs, Some(-0.6));
    assert_eq!(joined.finish_reason, Some(FinishReason::Length));
}

#[test]
fn a_last_chunk_without_tokens_keeps_what_was_there() {
    let mut joined = LLMEngineOutput {
        log_probs: Some(vec![-0.1]),
        ..chunk(&[1])
    };
    append(&mut joined, LLMEngineOutput::stop()).unwrap();
    assert_eq!(joined.token_ids, [1]);
    assert_eq!(joined.log_probs, Some(vec![-0.1]));
    assert!(joined.finish_reason.is_some());
}

#[test]
fn what_would_lose_something_stays_a_chunk_of_its_own() {
    let others = [
        LLMEngineOutput {
            index: Some(1),
            ..chunk(&[2])
        },
        LLMEngineOutput {
            text: Some("two".into()),
            ..chunk(&[2])
        },
        LLMEngineOutput {
            disaggregated_params: Some(json!({"peer": 1})),
            ..chunk(&[2])
        },
        LLMEngineOutput {
            log_probs: Some(vec![-0.1]),
            ..chunk(&[2])
        },
        LLMEngineOutput {
            log_probs: Some(vec![-0.1]),
            ..chunk(&[2, 3])
        },
    ];
    for other in others {
        let mut first = chunk(&[1]);
        assert_eq!(*append(&mut first, other.clone()).unwrap_err(), other);
        assert_eq!(first, chunk(&[1]), "it is as it was");
    }
}

#[test]
fn no_token_is_lost_and_none_is_moved_wherever_the_chunks_are_cut() {
    let tokens: Vec<u32> = (1..=8).collect();
    for cuts in 0_u32..1 << 7 {
        let mut joined = chunk(&[]);
        let mut next = Vec::new();
        for (place, token) in tokens.iter().enumerate() {
            next.push(*token);
            if place == 7 || cuts & (1 << place) != 0 {
                append(&mut joined, chunk(&next)).unwrap();
                next.clear();
            }
        }
        assert_eq!(joined.token_ids, tokens, "cut at {cuts:b}");
    }
}
