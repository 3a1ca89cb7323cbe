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
            message.ends_with("accepted: chat, completions"),
            "{message}"
        );
    }
}

#[test]
fn prefill_is_a_mode_and_no_type_of_an_endpoint() {
    let message = refusal(WorkerConfig {
        endpoint_types: "chat, Prefill".into(),
        ..Default::default()
    });
    assert_eq!(
        message,
        "endpoint_types: 'Prefill' is a worker's disaggregation_mode, and no type of an endpoint; \
         accepted: chat, completions"
    );
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
fn a_decode_worker_has_its_local_indexer_as_others_have() {
    for enable_local_indexer in [true, false] {
        let decode = WorkerConfig {
            disaggregation_mode: DisaggregationMode::Decode,
            enable_local_indexer,
            ..Default::default()
        };
        assert_eq!(decode.effective_local_indexer(), enable_local_indexer);
    }
    assert!(WorkerConfig::default().effective_local_indexer());
}

#[test]
fn overrides_are_seen() {
    assert!(!RuntimeConfig::default().has_overrides());
    let own = RuntimeConfig {
        system_port: Some(0),
        shutdown_timeout_seconds: Some(1),
        ..Default::default()
    };
    assert!(!own.has_overrides());
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

#[test]
fn a_budget_is_the_field_s() {
    let config = RuntimeConfig {
        grace_period_seconds: Some(0.25),
        shutdown_timeout_seconds: Some(u64::MAX),
        prefill_drain_seconds: Some(0.0),
        sleep_drain_seconds: Some(1e-9),
        decode_keep_seconds: Some(86_400.0),
        connect_timeout_seconds: Some(1.1),
        ..Default::default()
    };
    let (settings, warnings) = config.settings();
    let seconds = std::time::Duration::from_secs_f64;
    assert_eq!(settings.grace, seconds(0.25));
    assert_eq!(settings.timeout.as_secs(), u64::MAX);
    assert_eq!(settings.prefill_drain, seconds(0.0));
    assert_eq!(settings.sleep, seconds(1e-9));
    assert_eq!(settings.decode_keep, seconds(86_400.0));
    assert_eq!(settings.connect, seconds(1.1));
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn a_bad_value_of_the_runtime_is_told_by_field_value_and_what_is_accepted() {
    type Change = fn(&mut RuntimeConfig);
    let rows: [(Change, &str); 13] = [
        (
            |c| c.grace_period_seconds = Some(-1.0),
            "grace_period_seconds: -1 is not accepted; accepted: a number of seconds from 0 to 86400",
        ),
        (
            |c| c.prefill_drain_seconds = Some(f64::NAN),
            "prefill_drain_seconds: NaN is not accepted",
        ),
        (
            |c| c.sleep_drain_seconds = Some(f64::INFINITY),
            "sleep_drain_seconds: inf is not accepted",
        ),
        (
            |c| c.decode_keep_seconds = Some(86_400.5),
            "decode_keep_seconds: 86400.5 is not accepted",
        ),
        (
            |c| c.connect_timeout_seconds = Some(-0.1),
            "connect_timeout_seconds: -0.1 is not accepted",
        ),
        (
            |c| c.system_port = Some(65_536),
            "system_port: 65536 is not accepted; accepted: 0 to 65535",
        ),
        (
            |c| c.system_host = Some(" ".into()),
            "system_host: ' ' is not accepted",
        ),
        (
            |c| c.system_live_path = Some("live".into()),
            "system_live_path: 'live' is not accepted; accepted: a path that begins with '/'",
        ),
        (
            |c| c.system_health_path = Some(String::new()),
            "system_health_path: '' is not accepted",
        ),
        (
            |c| c.system_token = Some(" ".into()),
            "system_token: what is given is blank",
        ),
        (
            |c| c.system_token = Some("hidden\nmore".into()),
            "system_token: what is given has a line break",
        ),
        (
            |c| c.health_check_timeout_seconds = Some(0),
            "health_check_timeout_seconds: 0 is not accepted; accepted: 1 or more",
        ),
        (
            |c| c.event_plane = Some("mail".into()),
            "event_plane: 'mail' is unknown",
        ),
    ];
    for (change, begin) in rows {
        let mut config = WorkerConfig::default();
        change(&mut config.runtime);
        let message = refusal(config);
        assert!(message.starts_with(begin), "{message}");
        assert!(message.contains("accepted: ") && !message.contains("hidden"));
    }
}

#[test]
fn a_secret_is_not_shown() {
    let config = RuntimeConfig {
        system_token: Some("hidden\n".into()),
        ..Default::default()
    };
    let shown = format!("{config:?}");
    assert!(shown.contains("system_token: Some((secret))"), "{shown}");
    config.check().unwrap();
}
