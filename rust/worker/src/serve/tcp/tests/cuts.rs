//! Requests that are cut.

use super::*;
use crate::error::{BackendError, kind};

#[tokio::test]
async fn a_cut_ends_a_request_whose_frontend_reads_nothing_any_more() {
    let worker = Worker::new().await;
    let answered = worker.request();
    let mut frontend = worker.answer().await;
    frontend.header().await;
    worker.says_more_than_a_socket_takes();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!worker.chunks.is_empty(), "the socket is full");
    assert_eq!(worker.admission.cut(), 1);
    worker.admission.idle().await;
    answered.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_comes_after_a_cut_is_told_that_nobody_is_taken() {
    let worker = Worker::new().await;
    worker.admission.close();
    worker.admission.cut();
    let answered = worker.request();
    let mut frontend = worker.answer().await;
    let prologue = frontend.header().await;
    assert!(
        prologue["error"]
            .as_str()
            .unwrap()
            .contains("takes no requests")
    );
    drop(frontend);
    assert!(answered.await.unwrap().is_err());
}

#[tokio::test]
async fn a_request_that_is_cut_ends_with_the_error_that_says_so() {
    let worker = Worker::new().await;
    let answered = worker.request();
    let mut frontend = worker.answer().await;
    frontend.header().await;
    worker.says(token(5));
    frontend.data().await;
    assert_eq!(worker.admission.cut(), 1);
    let item = frontend.data().await;
    let error: DynamoError = serde_json::from_value(item["data"]["error"].clone()).unwrap();
    assert_eq!(kind(&error), BackendError::EngineShutdown);
    assert_eq!(frontend.data().await, json!({"complete_final": true}));
    assert_eq!(frontend.header().await, json!("sentinel"));
    answered.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_cut_ends_a_request_whose_frontend_does_not_close() {
    let worker = Worker::new().await;
    let answered = worker.request();
    let mut frontend = worker.answer().await;
    frontend.header().await;
    worker.says(LLMEngineOutput::stop());
    frontend.data().await;
    assert_eq!(worker.admission.cut(), 1);
    worker.admission.idle().await;
    answered.await.unwrap().unwrap();
    drop(frontend);
}
