//! What calls answer, and what is wrong with that.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use dynamo_engine::export;
use dynamo_engine_abi as abi;
use dynamo_engine_abi::{Header, Status};
use dynamo_runtime::MetricsRegistry;
use dynamo_runtime::error::DynamoError;
use serde_json::json;

use super::authors::{Panics, Whole};
use super::raw::{self, take};
use super::{enter, shared};
use crate::config::{DisaggregationMode, WorkerConfig};
use crate::engine::{LLMEngine, MetricsContext};
use crate::engine_config::EngineConfig;
use crate::error::{BackendError, kind};
use crate::metrics::EngineTexts;
use crate::publish::KvEventSource;
use crate::testing::{Client, collect, request};

/// What a call answers at once: text and status.
macro_rules! answers {
    ($text:expr, $status:expr) => {{
        unsafe extern "C" fn answer(
            _: *mut c_void,
            _: abi::Str,
            _: *mut abi::Operation,
            answer: *mut abi::Answer,
        ) -> Status {
            unsafe { (*answer).text = abi::Text::give($text.to_owned()) };
            $status
        }
        answer as abi::Begin
    }};
}

async fn started(start: abi::Begin) -> Result<EngineConfig, DynamoError> {
    let engine = take(abi::EngineTable {
        start: Some(start),
        ..raw::table()
    })
    .unwrap();
    engine.start(7).await
}

async fn refused(start: abi::Begin) -> String {
    started(start).await.unwrap_err().message().to_owned()
}

#[tokio::test]
async fn a_configuration_arrives_whole() {
    let config = started(answers!(
        r#"{"model": "m", "served_model_name": "s", "model_aliases": ["a"], "context_length": 1, "kv_cache_block_size": 2,
            "total_kv_blocks": 3, "max_num_seqs": 4, "max_num_batched_tokens": 5,
            "data_parallel_size": 6, "data_parallel_start_rank": 7, "bootstrap_host": "h",
            "bootstrap_port": 8, "max_gpu_lora_count": 9, "enable_eagle": true, "runtime_data": {"k": [1]}}"#,
        Status::READY
    ));
    let expected = EngineConfig {
        model: "m".into(),
        served_model_name: Some("s".into()),
        model_aliases: vec!["a".into()],
        context_length: Some(1),
        kv_cache_block_size: Some(2),
        total_kv_blocks: Some(3),
        max_num_seqs: Some(4),
        max_num_batched_tokens: Some(5),
        data_parallel_size: Some(6),
        data_parallel_start_rank: Some(7),
        bootstrap_host: Some("h".into()),
        bootstrap_port: Some(8),
        max_gpu_lora_count: Some(9),
        enable_eagle: true,
        runtime_data: [("k".to_owned(), json!([1]))].into_iter().collect(),
    };
    assert_eq!(config.await.unwrap(), expected);
    let whole = enter(export(Whole::default())).start(7).await.unwrap();
    assert_eq!(whole.runtime_data["kind"], "whole");
    assert_eq!(
        (whole.context_length, whole.max_num_seqs),
        (Some(4096), None)
    );
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_an_error_that_names_it() {
    let typo = refused(answers!(r#"{"modle": "m"}"#, Status::READY)).await;
    let expected = "Raw.start answered: unknown field `modle`, expected one of `model`, ";
    assert!(typo.starts_with(expected), "{typo}");
    let nothing = refused(raw::nothing).await;
    assert!(
        nothing.starts_with("Raw.start answered: invalid type: null"),
        "{nothing}"
    );
    let negative = refused(answers!(
        r#"{"model": "m", "context_length": -1}"#,
        Status::READY
    ))
    .await;
    assert!(
        negative.contains("invalid value: integer `-1`, expected u32"),
        "{negative}"
    );
    let broken = refused(answers!("{", Status::READY)).await;
    assert!(
        broken.starts_with("Raw.start answered: EOF while parsing"),
        "{broken}"
    );
}

#[tokio::test]
async fn a_failure_has_a_kind_and_a_message() {
    let silent = refused(answers!("", Status::FAILED)).await;
    assert_eq!(silent, "Raw.start failed without a message");
    unsafe extern "C" fn cannot_connect(
        _: *mut c_void,
        _: abi::Str,
        _: *mut abi::Operation,
        answer: *mut abi::Answer,
    ) -> Status {
        let message = abi::Text::constant(abi::Str::lend("no device"));
        unsafe {
            *answer = abi::Answer {
                text: message,
                kind: abi::ErrorKind::CANNOT_CONNECT,
            }
        };
        Status::FAILED
    }
    let error = started(cannot_connect).await.unwrap_err();
    assert_eq!(kind(&error), BackendError::CannotConnect);
    assert_eq!(error.message(), "no device");
    let done = refused(answers!("", Status::DONE)).await;
    assert_eq!(
        done,
        "Raw.start answered the status 3, which is none of a call"
    );
    unsafe extern "C" fn null(
        _: *mut c_void,
        _: abi::Str,
        _: *mut abi::Operation,
        answer: *mut abi::Answer,
    ) -> Status {
        unsafe {
            (*answer).text.text = abi::Str {
                ptr: std::ptr::null(),
                len: 5,
            }
        };
        Status::READY
    }
    let expected = "Raw.start answered: the answer's text is a null pointer with a length of 5";
    assert_eq!(refused(null).await, expected);
}

#[tokio::test]
async fn an_operation_that_cannot_be_polled_is_an_error() {
    unsafe extern "C" fn none(
        _: *mut c_void,
        _: abi::Str,
        _: *mut abi::Operation,
        _: *mut abi::Answer,
    ) -> Status {
        Status::PENDING
    }
    unsafe extern "C" fn without_poll(
        _: *mut c_void,
        _: abi::Str,
        operation: *mut abi::Operation,
        _: *mut abi::Answer,
    ) -> Status {
        const WITHOUT: abi::OperationTable = abi::OperationTable {
            header: Header::of::<abi::OperationTable>(0),
            poll: None,
            release: None,
        };
        unsafe { (*operation).table = &WITHOUT };
        Status::PENDING
    }
    assert_eq!(
        refused(none).await,
        "Raw.start began an operation without a table"
    );
    let expected = "Raw.start began an operation without poll or release";
    assert_eq!(refused(without_poll).await, expected);
}

#[tokio::test]
async fn other_answers_are_read_as_strictly() {
    let table = abi::EngineTable {
        is_quiescent: Some(answers!("3", Status::READY)),
        supported_controls: Some(answers!(r#"{"sleep": 1}"#, Status::READY)),
        kv_event_sources: Some(answers!(
            r#"[{"dp_rank": 0, "endpiont": "x"}]"#,
            Status::READY
        )),
        setup_metrics: Some(answers!(r#"{"text": true}"#, Status::READY)),
        ..raw::table()
    };
    let engine = take(table).unwrap();
    let message = |error: DynamoError| error.message().to_owned();
    let quiescent = message(engine.is_quiescent().await.unwrap_err());
    assert!(quiescent.starts_with("Raw.is_quiescent answered: invalid type: integer `3`"));
    let controls = message(engine.supported_controls().await.unwrap_err());
    assert!(controls.starts_with("Raw.supported_controls answered: invalid type: map"));
    let sources = message(engine.kv_event_sources().await.err().unwrap());
    assert!(sources.contains("unknown field `endpiont`"), "{sources}");
    let metrics = message(engine.setup_metrics(metrics_context()).await.err().unwrap());
    assert_eq!(
        metrics,
        "Raw.setup_metrics answered that there is a text, and metrics_text is null"
    );
}

#[tokio::test]
async fn a_source_with_an_address_is_a_socket() {
    let sources = answers!(
        r#"[{"dp_rank": 1, "endpoint": "tcp://*:5557", "topic": "kv", "image_token_id": 7}]"#,
        Status::READY
    );
    let engine = take(abi::EngineTable {
        kv_event_sources: Some(sources),
        ..raw::table()
    })
    .unwrap();
    let sources = engine.kv_event_sources().await.unwrap();
    assert!(matches!(
        &sources[..],
        [KvEventSource::Zmq { endpoint, topic, dp_rank: 1, media }]
            if endpoint == "tcp://*:5557"
                && topic == "kv"
                && media.image_token_id == Some(7)
                && media.video_token_id.is_none()
    ));
}

#[tokio::test]
async fn an_engine_is_told_its_worker_s_settings_and_controls_get_their_body() {
    let engine = enter(export(Whole::default()));
    engine.configure(&WorkerConfig {
        disaggregation_mode: DisaggregationMode::Decode,
        ..Default::default()
    });
    let reply = engine
        .engine_control("mode", json!([1, "ä"]))
        .await
        .unwrap();
    assert_eq!(reply, json!({"mode": "decode", "body": [1, "ä"]}));
    let error = engine.engine_control("moed", json!({})).await.unwrap_err();
    assert_eq!(kind(&error), BackendError::InvalidArgument);
    assert_eq!(error.message(), "there is no control 'moed'");
    assert_eq!(engine.is_quiescent().await.unwrap(), Some(true));
}

fn metrics_context() -> MetricsContext {
    let metrics = MetricsRegistry::new();
    MetricsContext {
        model: "m".into(),
        component: "backend".into(),
        model_load_time: Duration::from_millis(1500),
        texts: EngineTexts::attach(&metrics, &[]),
        metrics,
        labels: vec![("model".into(), "m".into())],
    }
}

#[tokio::test]
async fn its_metrics_are_shown_until_it_is_cleaned_up() {
    let engine = shared(export(Whole::default()));
    engine.start(7).await.unwrap();
    let context = metrics_context();
    let (texts, metrics) = (context.texts.clone(), context.metrics.clone());
    let bindings = engine.setup_metrics(context).await.unwrap();
    assert_eq!(bindings.dp_ranks, [0]);
    for aborts in 1..=3 {
        collect(engine.clone(), request([1, 2, 3]), Some(1))
            .await
            .unwrap();
        let refreshed = tokio::time::timeout(Duration::from_secs(10), texts.refresh());
        refreshed.await.expect("a scrape does not wait for itself");
        let shown = metrics.prometheus_expfmt_combined().unwrap();
        let line = format!("\nwhole_aborts {aborts}\n");
        assert!(shown.contains(&line), "{shown}");
    }
    engine.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_panic_in_any_function_is_an_error_of_that_function() {
    let panics = |function| enter(export(Panics(function)));
    let told = |function: &str, error: DynamoError| {
        assert_eq!(
            error.message(),
            format!("Panics.{function} panicked: at {function}")
        );
        assert_eq!(kind(&error), BackendError::Unknown);
    };
    told("start", panics("start").start(7).await.unwrap_err());
    told("watch", panics("watch").watch().await.unwrap_err());
    told("drain", panics("drain").drain().await.unwrap_err());
    told(
        "is_quiescent",
        panics("is_quiescent").is_quiescent().await.unwrap_err(),
    );
    told("cleanup", panics("cleanup").cleanup().await.unwrap_err());
    let engine = panics("setup_metrics");
    told(
        "setup_metrics",
        engine.setup_metrics(metrics_context()).await.err().unwrap(),
    );
    let engine = panics("kv_event_sources");
    told(
        "kv_event_sources",
        engine.kv_event_sources().await.err().unwrap(),
    );
    let engine = panics("health_check_payload");
    told(
        "health_check_payload",
        engine.health_check_payload().await.unwrap_err(),
    );
    let engine = panics("supported_controls");
    told(
        "supported_controls",
        engine.supported_controls().await.unwrap_err(),
    );
    let engine = panics("engine_control");
    told(
        "engine_control",
        engine.engine_control("x", json!({})).await.unwrap_err(),
    );
    told(
        "metrics_text",
        panics("metrics_text").engine.metrics_text().unwrap_err(),
    );
    told(
        "generate",
        collect(Arc::new(panics("generate")), request([1]), None)
            .await
            .unwrap_err(),
    );
    let later = Arc::new(panics("generate, later"));
    let error = collect(later.clone(), request([1]), None)
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "Panics.generate panicked: at generate, later"
    );
    // These answer nothing, so there is nobody to tell but the log.
    panics("configure").configure(&WorkerConfig::default());
    panics("abort")
        .abort(Client::new("one", Default::default()).1)
        .await;
    drop(panics("drop"));
    later.cleanup().await.unwrap();
}
