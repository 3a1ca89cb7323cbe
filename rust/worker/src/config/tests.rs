use super::*;
use crate::error::{BackendError, kind};

fn refusal(config: WorkerConfig) -> String {
    let error = config.validate().unwrap_err();
    assert_eq!(kind(&error), BackendError::InvalidArgument);
    error.message().to_owned()
}

#[test]
fn the_default_is_valid() {
    WorkerConfig::default().validate().unwrap();
}

#[test]
fn endpoint_types_are_trimmed_in_any_case_and_empty_parts_are_skipped() {
    assert_eq!(
        parse_endpoint_types(" Chat,, COMPLETIONS ,").unwrap(),
        ModelType::Chat | ModelType::Completions
    );
}

#[test]
fn types_that_no_engine_makes_are_refused_by_name() {
    for (types, named) in [
        ("embedding", "embedding"),
        ("chat, Embeddings", "Embeddings"),
        ("tensor,chat", "tensor"),
    ] {
        let message = refusal(WorkerConfig {
            endpoint_types: types.into(),
            ..Default::default()
        });
        let expected = format!("endpoint_types: '{named}' cannot be served");
        assert!(message.starts_with(&expected), "{message}");
        assert!(
            message.ends_with("accepted: chat, completions, prefill"),
            "{message}"
        );
    }
}

#[test]
fn bad_values_name_field_value_and_what_is_accepted() {
    let message = refusal(WorkerConfig {
        endpoint_types: "chat,chta".into(),
        ..Default::default()
    });
    assert!(
        message.contains("endpoint_types: 'chta' is unknown; accepted: chat"),
        "{message}"
    );

    let message = refusal(WorkerConfig {
        endpoint_types: " , ".into(),
        ..Default::default()
    });
    assert!(message.contains("names no type"), "{message}");

    let message = refusal(WorkerConfig {
        model_input: ModelInput::Text,
        ..Default::default()
    });
    assert!(message.contains("model_input: 'Text'"), "{message}");

    let message = refusal(WorkerConfig {
        custom_jinja_template: Some("/tmp/template.jinja".into()),
        ..Default::default()
    });
    assert!(message.contains("model_name is empty"), "{message}");

    let message = refusal(WorkerConfig {
        runtime: RuntimeConfig {
            discovery_backend: Some("zookeeper".into()),
            ..Default::default()
        },
        ..Default::default()
    });
    assert!(
        message.contains("discovery_backend: 'zookeeper' is unknown; accepted: 'etcd'"),
        "{message}"
    );
}

#[test]
fn disaggregation_modes_have_short_forms_in_any_case() {
    for (text, mode) in [
        ("agg", DisaggregationMode::Aggregated),
        (" Aggregated ", DisaggregationMode::Aggregated),
        ("PREFILL", DisaggregationMode::Prefill),
        ("decode", DisaggregationMode::Decode),
    ] {
        assert_eq!(
            DisaggregationMode::parse("disaggregation_mode", text).unwrap(),
            mode
        );
    }
    let error = DisaggregationMode::parse("disaggregation_mode", "both").unwrap_err();
    assert!(
        error
            .message()
            .contains("disaggregation_mode: 'both' is unknown")
    );
}

#[test]
fn a_decode_worker_has_no_local_indexer() {
    let decode = WorkerConfig {
        disaggregation_mode: DisaggregationMode::Decode,
        ..Default::default()
    };
    assert!(!decode.effective_local_indexer());
    assert!(WorkerConfig::default().effective_local_indexer());
}

#[test]
fn overrides_are_seen() {
    assert!(!RuntimeConfig::default().has_overrides());
    assert!(
        RuntimeConfig {
            event_plane: Some("zmq".into()),
            ..Default::default()
        }
        .has_overrides()
    );
}

#[test]
fn metrics_labels_are_checked_before_anything_is_loaded() {
    let check = |names: &[&str]| {
        let pairs = names.iter().map(|name| ((*name).into(), "value".into()));
        WorkerConfig {
            metrics_labels: pairs.collect(),
            ..Default::default()
        }
        .validate()
    };
    assert!(check(&["zone", "_rack", "gpu2"]).is_ok());
    for bad in [
        &["a-b"][..],
        &[""],
        &["2gpu"],
        &["__name__"],
        &["dynamo_namespace"],
        &["worker_id"],
        &["zone", "zone"],
    ] {
        let error = check(bad).unwrap_err();
        let begin = format!("metrics_labels: '{}' ", bad[0]);
        assert!(error.message().starts_with(&begin), "{}", error.message());
    }
}

#[test]
fn limits_that_nobody_could_pass_are_refused() {
    let message = refusal(WorkerConfig {
        max_concurrent_requests: Some(0),
        ..Default::default()
    });
    assert!(
        message.starts_with("max_concurrent_requests: "),
        "{message}"
    );
    for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = refusal(WorkerConfig {
            max_queued_seconds: Some(seconds),
            ..Default::default()
        });
        assert!(message.starts_with("max_queued_seconds: "), "{message}");
    }
}
