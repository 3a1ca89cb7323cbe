//! Configuration: Python's dataclasses as the worker's own.

use std::path::PathBuf;

use dynamo_backend_worker::config::{Choice, Secret};
use dynamo_backend_worker::{
    DisaggregationMode, DynamoError, EngineConfig, RuntimeConfig, WorkerConfig, error,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use serde_json::Value;

use super::json;
use super::type_name::type_name;

/// Reads `dynamo_backend_common.WorkerConfig`.
pub(crate) fn worker_config(config: &Bound<'_, PyAny>) -> Result<WorkerConfig, DynamoError> {
    expect_class(config, "WorkerConfig", "config")?;
    let from = Fields(config);
    let runtime = config
        .getattr(intern!(config.py(), "runtime"))
        .map_err(|failed| error::invalid_argument(failed.to_string()))?;
    Ok(WorkerConfig {
        namespace: from.get("namespace")?,
        namespace_worker_suffix: from.get("namespace_worker_suffix")?,
        component: from.get("component")?,
        endpoint: from.get("endpoint")?,
        model_name: from.get("model_name")?,
        served_model_name: from.get("served_model_name")?,
        model_input: from.choice("model_input")?,
        endpoint_types: from.get("endpoint_types")?,
        custom_jinja_template: from.get::<Option<PathBuf>>("custom_jinja_template")?,
        tool_call_parser: from.get("tool_call_parser")?,
        reasoning_parser: from.get("reasoning_parser")?,
        default_thinking_mode: from.optional_choice("default_thinking_mode")?,
        exclude_tools_when_tool_choice_none: from.get("exclude_tools_when_tool_choice_none")?,
        enable_local_indexer: from.get("enable_local_indexer")?,
        enable_kv_routing: from.get("enable_kv_routing")?,
        kv_state_endpoint: from.get("kv_state_endpoint")?,
        metrics_labels: from.get("metrics_labels")?,
        disaggregation_mode: from.choice::<DisaggregationMode>("disaggregation_mode")?,
        health_check_payload: from.json("health_check_payload")?,
        max_concurrent_requests: from.get("max_concurrent_requests")?,
        max_queued_requests: from.get("max_queued_requests")?,
        max_queued_seconds: from.get("max_queued_seconds")?,
        structural_tag_mode: from.choice("structural_tag_mode")?,
        structural_tag_scope: from.choice("structural_tag_scope")?,
        structural_tag_schema: from.choice("structural_tag_schema")?,
        structural_tag_with_structured_output: from.get("structural_tag_with_structured_output")?,
        structural_tag_exclude_special_tokens: from.get("structural_tag_exclude_special_tokens")?,
        structural_tag_reasoning_boundary: from.choice("structural_tag_reasoning_boundary")?,
        structural_tag_arguments_any_order: from.get("structural_tag_arguments_any_order")?,
        runtime: runtime_config(&runtime)?,
    })
}

/// Reads `dynamo_backend_common.RuntimeConfig`.
pub(crate) fn runtime_config(config: &Bound<'_, PyAny>) -> Result<RuntimeConfig, DynamoError> {
    expect_class(config, "RuntimeConfig", "runtime")?;
    let from = Fields(config);
    Ok(RuntimeConfig {
        discovery_backend: from.get("discovery_backend")?,
        request_plane: from.get("request_plane")?,
        response_plane: from.get("response_plane")?,
        event_plane: from.get("event_plane")?,
        grace_period_seconds: from.get("grace_period_seconds")?,
        shutdown_timeout_seconds: from.get("shutdown_timeout_seconds")?,
        prefill_drain_seconds: from.get("prefill_drain_seconds")?,
        sleep_drain_seconds: from.get("sleep_drain_seconds")?,
        decode_keep_seconds: from.get("decode_keep_seconds")?,
        connect_timeout_seconds: from.get("connect_timeout_seconds")?,
        system_port: from.get("system_port")?,
        system_host: from.get("system_host")?,
        system_live_path: from.get("system_live_path")?,
        system_health_path: from.get("system_health_path")?,
        system_token: from.secret("system_token")?,
        health_check_enabled: from.get("health_check_enabled")?,
        canary_wait_seconds: from.get("canary_wait_seconds")?,
        health_check_timeout_seconds: from.get("health_check_timeout_seconds")?,
    })
}

/// Reads what an engine's `start` returned: a `dynamo_backend_common.EngineConfig`.
pub(crate) fn engine_config(
    config: &Bound<'_, PyAny>,
    engine: &str,
) -> Result<EngineConfig, DynamoError> {
    if !is_a(config, "EngineConfig") {
        return Err(error::invalid_argument(format!(
            "{engine}.start returned {}; it must return an EngineConfig",
            type_name(config)
        )));
    }
    let from = Fields(config);
    let runtime_data = match from.json("runtime_data")? {
        Some(Value::Object(data)) => data,
        None => Default::default(),
        Some(other) => {
            return Err(error::invalid_argument(format!(
                "runtime_data: {other} is no mapping"
            )));
        }
    };
    Ok(EngineConfig {
        model: from.get("model")?,
        served_model_name: from.get("served_model_name")?,
        model_aliases: from.get("model_aliases")?,
        context_length: from.get("context_length")?,
        kv_cache_block_size: from.get("kv_cache_block_size")?,
        total_kv_blocks: from.get("total_kv_blocks")?,
        max_num_seqs: from.get("max_num_seqs")?,
        max_num_batched_tokens: from.get("max_num_batched_tokens")?,
        data_parallel_size: from.get("data_parallel_size")?,
        data_parallel_start_rank: from.get("data_parallel_start_rank")?,
        bootstrap_host: from.get("bootstrap_host")?,
        bootstrap_port: from.get("bootstrap_port")?,
        max_gpu_lora_count: from.get("max_gpu_lora_count")?,
        enable_eagle: from.get("enable_eagle")?,
        runtime_data,
    })
}

fn expect_class(value: &Bound<'_, PyAny>, class: &str, place: &str) -> Result<(), DynamoError> {
    if is_a(value, class) {
        return Ok(());
    }
    Err(error::invalid_argument(format!(
        "{place}: {} is no {class}",
        type_name(value)
    )))
}

fn is_a(value: &Bound<'_, PyAny>, class: &str) -> bool {
    value
        .py()
        .import(intern!(value.py(), "dynamo_backend_common.config"))
        .and_then(|module| module.getattr(class))
        .and_then(|class| value.is_instance(&class))
        .unwrap_or(false)
}

/// The attributes of a dataclass; an error names the field, its value and what is accepted.
struct Fields<'a, 'py>(&'a Bound<'py, PyAny>);

impl<'py> Fields<'_, 'py> {
    fn attribute(&self, name: &str) -> Result<Bound<'py, PyAny>, DynamoError> {
        self.0
            .getattr(name)
            .map_err(|failed| error::invalid_argument(format!("{name}: {failed}")))
    }

    fn get<T>(&self, name: &str) -> Result<T, DynamoError>
    where
        T: Accepted + for<'a> FromPyObject<'a, 'py>,
    {
        let value = self.attribute(name)?;
        value.extract().map_err(|_| {
            let given = value
                .repr()
                .map_or_else(|_| "a value".into(), |text| text.to_string());
            let text = value.cast::<PyString>();
            if text.is_ok_and(|text| text.to_str().is_err()) {
                return error::invalid_argument(format!(
                    "{name}: {given} has bytes that are not UTF-8; rename it"
                ));
            }
            error::invalid_argument(format!(
                "{name}: {given} (of type {}) is not accepted; accepted: {}",
                type_name(&value),
                T::accepted()
            ))
        })
    }

    fn choice<T: Choice>(&self, name: &str) -> Result<T, DynamoError> {
        T::parse(name, &self.get::<String>(name)?)
    }

    fn optional_choice<T: Choice>(&self, name: &str) -> Result<Option<T>, DynamoError> {
        let given = self.get::<Option<String>>(name)?;
        given.map(|text| T::parse(name, &text)).transpose()
    }

    /// An error does not show the value.
    fn secret(&self, name: &str) -> Result<Option<Secret>, DynamoError> {
        let value = self.attribute(name)?;
        let text: Option<String> = value.extract().map_err(|_| {
            error::invalid_argument(format!(
                "{name}: what is given (of type {}) is not accepted; accepted: {}",
                type_name(&value),
                Option::<String>::accepted()
            ))
        })?;
        Ok(text.map(Secret::from))
    }

    fn json(&self, name: &str) -> Result<Option<Value>, DynamoError> {
        let value = self.attribute(name)?;
        if value.is_none() {
            return Ok(None);
        }
        json::from_python(&value, name)
            .map(Some)
            .map_err(error::invalid_argument)
    }
}

/// What a field of this type accepts, in Python's words.
trait Accepted {
    fn accepted() -> String;
}

macro_rules! accepted {
    ($($type:ty: $text:expr;)*) => {
        $(impl Accepted for $type {
            fn accepted() -> String {
                $text.into()
            }
        })*
    };
}

accepted! {
    String: "str";
    bool: "bool";
    f64: "a number of seconds";
    PathBuf: "str or a path";
    u16: format!("int from 0 to {}", u16::MAX);
    u32: format!("int from 0 to {}", u32::MAX);
    u64: "int, 0 or more";
    i64: "int";
    Vec<String>: "a sequence of str";
    Vec<(String, String)>: "(name, value) pairs of str";
}

impl<T: Accepted> Accepted for Option<T> {
    fn accepted() -> String {
        format!("{}, or None", T::accepted())
    }
}
