//! Engines that keep the contract pass, and each that breaks it is caught by the check for that.

mod caching;
mod engines;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use dynamo_llm::protocols::common::FinishReason;

use parking_lot::Mutex;

use super::*;
use crate::engine::LLMEngine;
use crate::engines::Echo;
use crate::error::{BackendError, kind};
use caching::Caching;
use engines::{Fault, Faulty, WRONG};

async fn results(fault: Fault) -> CheckResults {
    let mut short = request(1..=64);
    short.stop_conditions.max_tokens = Some(24);
    check_engine(move || Faulty::new(fault))
        .request(short)
        .requests(60)
        // For so long engines are waited for that hang.
        .timeout(Duration::from_millis(500))
        .await
}

#[tokio::test]
async fn an_engine_that_keeps_the_contract_passes() {
    let results = results(Fault::None).await;
    results.assert_passed();
    let skipped: Vec<_> = results
        .iter()
        .filter(|result| result.outcome == Outcome::Skipped)
        .map(|result| result.name)
        .collect();
    assert_eq!(skipped, ["kv_events"]);
    check_engine(|| Caching::new(false)).await.assert_passed();
    check_engine(|| Echo::new("echo", Duration::ZERO))
        .await
        .assert_passed();
}

#[tokio::test]
async fn an_engine_that_is_there_is_checked_but_for_what_takes_two() {
    let engine = || -> Arc<dyn LLMEngine> { Arc::new(Faulty::new(Fault::None)) };
    let told = Arc::<Mutex<Vec<&str>>>::default();
    let telling = told.clone();
    let alone = check_shared_engine(engine(), None)
        .on_result(move |result| telling.lock().push(result.name))
        .await;
    alone.assert_passed();
    assert_eq!(*told.lock(), check_names());
    let first = |results: &CheckResults| results.iter().next().unwrap().outcome;
    assert_eq!(first(&alone), Outcome::Skipped);
    assert_eq!(
        first(&check_shared_engine(engine(), Some(engine())).await),
        Outcome::Passed
    );
}

#[tokio::test]
async fn an_engine_may_join_tokens_as_it_likes() {
    results(Fault::JoinsLaterAnswers).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_passes_on_several_threads_too() {
    check_engine(|| Faulty::new(Fault::None))
        .await
        .assert_passed();
}

#[tokio::test]
async fn a_wrong_engine_is_caught_by_the_check_for_that() {
    for (fault, check, found) in WRONG {
        let results = results(fault).await;
        let result = results.iter().find(|result| result.name == check).unwrap();
        assert_eq!(result.outcome, Outcome::Failed, "{fault:?}: {results}");
        assert!(result.found.contains(found), "{fault:?}: {result}");
    }
}

#[tokio::test]
async fn few_requests_pass_only_where_they_can_tell() {
    for (fault, requests, outcome) in [
        (Fault::None, 16, Outcome::Skipped),
        (Fault::LeavesTasks, 16, Outcome::Skipped),
        (Fault::HoldsContexts, 1, Outcome::Failed),
        (Fault::LeavesTasks, 17, Outcome::Failed),
    ] {
        let results = check_engine(move || Faulty::new(fault))
            .requests(requests)
            .timeout(Duration::from_millis(500))
            .await;
        let leaks = results.iter().find(|result| result.name == "no_leaks");
        assert_eq!(leaks.unwrap().outcome, outcome, "{fault:?}: {results}");
    }
}

#[tokio::test]
async fn blocks_that_are_removed_twice_are_caught() {
    let results = check_engine(|| Caching::new(true)).requests(1).await;
    let failed: Vec<_> = results.failed().collect();
    assert_eq!(failed.len(), 1, "{results}");
    assert_eq!(failed[0].name, "kv_events");
    assert!(failed[0].found.contains("which is not stored"), "{results}");
}

#[tokio::test]
async fn every_check_catches_somebody() {
    let caught: HashSet<_> = WRONG.iter().map(|(_, check, _)| *check).collect();
    let results = results(Fault::None).await;
    let others: Vec<_> = results
        .iter()
        .map(|result| result.name)
        .filter(|name| !caught.contains(name))
        .collect();
    assert_eq!(others, ["kv_events"]);
}

#[tokio::test]
async fn what_failed_is_told_with_how_to_mend_it() {
    let results = results(Fault::CleansUpOnce).await;
    let lines: Vec<_> = results.to_string().lines().map(str::to_owned).collect();
    let count = results.iter().count();
    assert_eq!(lines[0], format!("Faulty: 1 of {count} checks failed"));
    let told = "failed  cleanup_twice: cleanup failed: Unknown: closed already";
    assert_eq!(lines[1], told);
    assert!(lines[2].starts_with("        rule: a second cleanup"));
    assert!(lines[3].starts_with("        mend: "));
}

#[tokio::test]
#[should_panic(expected = "1 of 18 checks failed\nfailed  cleanup_twice: ")]
async fn what_failed_is_panicked_with() {
    results(Fault::CleansUpOnce).await.assert_passed();
}

#[tokio::test]
async fn an_engine_that_does_not_start_is_cleaned_up_and_asked_nothing() {
    let results = results(Fault::FailsToStart).await;
    let named = |outcome| {
        let with = results
            .iter()
            .filter(move |result| result.outcome == outcome);
        with.map(|result| result.name).collect::<Vec<_>>()
    };
    assert_eq!(named(Outcome::Failed), ["start"]);
    let passed = [
        "cleanup_after_failed_start",
        "cleanup",
        "cleanup_twice",
        "nothing_is_left",
        "no_panic",
    ];
    assert_eq!(named(Outcome::Passed), passed);
}

#[tokio::test]
async fn a_client_that_leaves_gets_what_came_before_and_the_engine_is_told() {
    let engine = Arc::new(Faulty::new(Fault::None));
    let chunks = collect(engine.clone(), request([1]), Some(3))
        .await
        .unwrap();
    let tokens: usize = chunks.iter().map(|chunk| chunk.token_ids.len()).sum();
    assert_eq!(tokens, 3);
    assert_eq!(
        chunks.last().unwrap().finish_reason,
        Some(FinishReason::Cancelled)
    );
    assert_eq!(engine.aborts(), 1);
}

#[tokio::test]
async fn an_engine_s_error_is_the_client_s() {
    let engine = Arc::new(Faulty::new(Fault::None));
    let error = collect(engine, request([]), None).await.unwrap_err();
    assert_eq!(kind(&error), BackendError::InvalidArgument);
    let engine = Arc::new(Faulty::new(Fault::NoTerminal));
    let error = collect(engine, request([1]), None).await.unwrap_err();
    assert_eq!(kind(&error), BackendError::StreamIncomplete);
}
