use std::sync::Arc;

use dynamo_backend_worker::testing::{check_engine, collect, request};
use rust_engine::Cycle;

#[tokio::test]
async fn it_keeps_the_contract() {
    check_engine(|| Cycle).await.assert_passed();
}

#[tokio::test]
async fn it_repeats_the_prompt() {
    let chunks = collect(Arc::new(Cycle), request([5, 6, 7]), None).await;
    let tokens: Vec<u32> = chunks
        .unwrap()
        .into_iter()
        .flat_map(|chunk| chunk.token_ids)
        .collect();
    assert_eq!(tokens, [5, 6, 7, 5, 6, 7, 5, 6]);
}
