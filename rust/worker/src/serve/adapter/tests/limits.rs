//! What exceeds the requests that an engine has at a time.

use super::*;

fn request() -> SingleIn<PreprocessedRequest> {
    SingleIn::new(serde_json::from_value(json!({"token_ids": [1]})).unwrap())
}

#[tokio::test]
async fn who_is_refused_is_an_error_and_none_that_finished() {
    let admission = Admission::default();
    let (engine, ..) = Told::new();
    let mode = DisaggregationMode::Aggregated;
    let adapter = EngineAdapter::new(engine, admission.clone(), mode, KEEP, None, None)
        .with_turns(Turns::new(0, 0, None));
    for class in [ErrorClass::WorkerOverloaded, ErrorClass::WorkerUnavailable] {
        let refused = adapter.generate(request()).await.unwrap_err();
        let refused = refused.downcast::<DynamoError>().unwrap();
        assert_eq!(refused.error_type(), class);
        assert_eq!((admission.in_flight(), admission.finished()), (0, 0));
        // A worker that is closed says so, whatever else is in the way.
        admission.close();
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_its_turn_never_reaches_the_engine() {
    let engine = Arc::new(Queued {
        answer: tokio::sync::Semaphore::new(0),
        aborted: AtomicBool::new(false),
        dropped: Arc::default(),
    });
    let admission = Admission::default();
    let mode = DisaggregationMode::Aggregated;
    let adapter = EngineAdapter::new(engine.clone(), admission.clone(), mode, KEEP, None, None)
        .with_turns(Turns::new(1, 1, None));
    let mut first = Box::pin(adapter.generate(request()));
    assert!(futures::poll!(&mut first).is_pending());
    let second = request();
    let context = second.context();
    let mut second = Box::pin(adapter.generate(second));
    assert!(futures::poll!(&mut second).is_pending());
    let refused = adapter.generate(request()).await.unwrap_err();
    let refused = refused.downcast::<DynamoError>().unwrap();
    assert_eq!(refused.class(), ErrorClass::CapacityExhausted);
    assert_eq!(admission.in_flight(), 2);
    context.stop_generating();
    let left = second.await.unwrap_err().downcast::<DynamoError>().unwrap();
    assert_eq!(crate::error::kind(&left), BackendError::Cancelled);
    engine.answer.add_permits(1);
    drop(first.await.unwrap());
    admission.idle().await;
    assert!(!engine.aborted.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn whose_turn_does_not_come_in_time_is_refused_before_or_after_its_answer_has_begun() {
    for begins_at_once in [false, true] {
        let engine = Arc::new(Queued {
            answer: tokio::sync::Semaphore::new(0),
            aborted: AtomicBool::new(false),
            dropped: Arc::default(),
        });
        let admission = Admission::default();
        let mode = DisaggregationMode::Aggregated;
        let adapter = EngineAdapter::new(engine, admission.clone(), mode, KEEP, None, None)
            .with_turns(Turns::new(1, 1, Some(Duration::from_secs(2))));
        let mut first = Box::pin(adapter.generate(request()));
        assert!(futures::poll!(&mut first).is_pending());
        if begins_at_once {
            admission.answer_at_once();
        }
        let refused = match adapter.generate(request()).await {
            Ok(mut answer) => answer.next().await.unwrap().error.unwrap(),
            Err(refused) => refused.downcast::<DynamoError>().unwrap(),
        };
        assert_eq!(refused.error_type(), ErrorClass::WorkerOverloaded);
        tokio::task::yield_now().await;
        assert_eq!((admission.in_flight(), admission.finished()), (1, 0));
    }
}
