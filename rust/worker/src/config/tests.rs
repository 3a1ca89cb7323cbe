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
        parse_endpoint_types(ModelInput::Tokens, " Chat,, COMPLETIONS ,").unwrap(),
        ModelType::Chat | ModelType::Completions
    );
}

#[test]
fn types_that_do_not_fit_what_the_engine_takes_are_refused_by_name() {
    use ModelInput::{Tensor, Text, Tokens};
    for (input, types, said) in [
        (Tokens, "embedding", "'embedding' is for model_input 'Text'"),
        (Tokens, "chat, Images", "'Images' is for model_input 'Text'"),
        (
            Tokens,
            "tensor,chat",
            "'tensor' is for model_input 'Tensor'",
        ),
        (
            Text,
            "images,prefill",
            "'prefill' is a worker's disaggregation_mode, and no type of an endpoint",
        ),
        (Text, "tensor", "'tensor' is for model_input 'Tensor'"),
        (Tensor, "chat", "'chat' is for model_input 'Tokens'"),
        (Text, "realtime", "'realtime' is unknown"),
    ] {
        let message = refusal(WorkerConfig {
            model_input: input,
            endpoint_types: types.into(),
            ..Default::default()
        });
        let expected = format!("endpoint_types: {said}; accepted: ");
        assert!(message.starts_with(&expected), "{message}");
        let why = format!(", as model_input is '{input}'");
        assert!(message.ends_with(&why), "{message}");
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
         accepted: chat, completions, as model_input is 'Tokens'"
    );
}

#[test]
fn a_raw_engine_serves_several_endpoints_by_whichever_name() {
    let types = parse_endpoint_types(ModelInput::Text, "image, videos,AUDIO,embeddings,rerank");
    assert_eq!(
        types.unwrap(),
        ModelType::Images
            | ModelType::Videos
            | ModelType::Audios
            | ModelType::Embedding
            | ModelType::Rerank
    );
    let tensor = parse_endpoint_types(ModelInput::Tensor, "tensor");
    assert_eq!(tensor.unwrap(), ModelType::TensorBased);
}

#[test]
fn what_is_of_tokens_only_is_refused_beside_another_input() {
    let raw = || WorkerConfig {
        model_input: ModelInput::Text,
        ..Default::default()
    };
    raw().validate().unwrap();
    let prefill = WorkerConfig {
        disaggregation_mode: DisaggregationMode::Prefill,
        ..raw()
    };
    let encoder = WorkerConfig {
        route_to_encoder: true,
        ..raw()
    };
    let media = WorkerConfig {
        media_decoder: Some(serde_json::json!({"image": {}})),
        ..raw()
    };
    let parser = WorkerConfig {
        tool_call_parser: Some("hermes".into()),
        ..raw()
    };
    let state = WorkerConfig {
        kv_state_endpoint: Some("a.b.c".into()),
        ..raw()
    };
    for (config, field) in [
        (parser, "tool_call_parser"),
        (state, "kv_state_endpoint"),
        (prefill, "disaggregation_mode"),
        (encoder, "route_to_encoder"),
        (media, "media_decoder"),
    ] {
        let message = refusal(config);
        let expected = format!("{field}: it is for engines that take tokens");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn results_of_an_encode_worker_go_where_a_prompt_is_read() {
    for (mode, is_accepted) in [
        (DisaggregationMode::Aggregated, true),
        (DisaggregationMode::Prefill, true),
        (DisaggregationMode::Decode, false),
        (DisaggregationMode::Encode, false),
    ] {
        let config = WorkerConfig {
            disaggregation_mode: mode,
            route_to_encoder: true,
            ..Default::default()
        };
        assert_eq!(config.validate().is_ok(), is_accepted, "{mode:?}");
    }
}

#[test]
fn a_frontend_that_decodes_nothing_fetches_nothing() {
    let fetcher = Some(serde_json::json!({"timeout_seconds": 3}));
    let alone = WorkerConfig {
        media_fetcher: fetcher.clone(),
        ..Default::default()
    };
    assert!(refusal(alone).starts_with("media_fetcher: without a media_decoder"));
    let both = WorkerConfig {
        media_decoder: Some(serde_json::json!({"image": {}})),
        media_fetcher: fetcher,
        ..Default::default()
    };
    both.validate().unwrap();
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
        ("Encode", DisaggregationMode::Encode),
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
fn an_encode_worker_alone_has_no_local_indexer() {
    let with = |disaggregation_mode, enable_local_indexer| WorkerConfig {
        disaggregation_mode,
        enable_local_indexer,
        ..Default::default()
    };
    for is_asked in [true, false] {
        let decode = with(DisaggregationMode::Decode, is_asked);
        assert_eq!(decode.effective_local_indexer(), is_asked);
        assert!(!with(DisaggregationMode::Encode, is_asked).effective_local_indexer());
    }
    assert!(WorkerConfig::default().effective_local_indexer());
    let raw = WorkerConfig {
        model_input: ModelInput::Text,
        ..Default::default()
    };
    assert!(!raw.effective_local_indexer());
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
