//! Engines through the door: those that keep to the rules, and one for each way to break them.

mod authors;
mod calls;
mod chunks;
mod host;
mod raw;
mod requests;
mod streams;
mod taking;

use std::sync::Arc;
use std::time::Duration;

use dynamo_engine::{Exported, export};
use futures::StreamExt;

use super::ForeignEngine;
use crate::engine::LLMEngine;
use crate::testing::{Client, Outcome, check_engine, request};
use authors::{OnTokio, Whole};

/// An engine of the author's crate, through the door.
fn enter(engine: impl Into<Exported>) -> ForeignEngine {
    let raw = engine.into().into_raw();
    // SAFETY: it is an engine, and nobody else has it.
    let (taken, left) = unsafe {
        (
            ForeignEngine::take(raw, Box::new(())),
            Exported::from_raw(raw),
        )
    };
    drop(left);
    taken.unwrap()
}

fn shared(engine: impl Into<Exported>) -> Arc<ForeignEngine> {
    Arc::new(enter(engine))
}

#[tokio::test]
async fn an_engine_of_the_authors_crate_keeps_the_contract() {
    let results = check_engine(|| enter(export(Whole::default()))).await;
    results.assert_passed();
    let skipped: Vec<_> = results
        .iter()
        .filter(|result| result.outcome == Outcome::Skipped)
        .collect();
    assert!(skipped.is_empty(), "{results}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_one_on_its_own_tokio_whose_wakers_cross() {
    check_engine(|| enter(OnTokio::export()))
        .requests(100)
        .timeout(Duration::from_secs(30))
        .await
        .assert_passed();
}

/// Polled where no runtime of anybody's is current, as a worker with another tokio polls it.
#[test]
fn an_engine_is_polled_inside_its_own_tokio() {
    let engine = enter(OnTokio::export());
    let config = futures::executor::block_on(engine.start(7)).unwrap();
    assert_eq!(config.model, "on-tokio");
    let (_client, context) = Client::new("one", Default::default());
    let tokens = futures::executor::block_on(async {
        let answer = engine.generate(request([5, 6]), context).await.unwrap();
        answer.map(|chunk| chunk.unwrap().token_ids).concat().await
    });
    assert_eq!(tokens, [5, 6]);
}
