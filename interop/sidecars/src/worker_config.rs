//! How a sidecar wants to be served, as JSON for Python: names are those of the worker's own
//! configuration, and what the sidecar leaves open is left out.

use dynamo_backend_common::{RuntimeConfig, WorkerConfig};
use serde_json::{Map, Value, json};

/// The object; `runtime` is one in it.
pub(crate) fn as_json(config: &WorkerConfig) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            object.insert(name.to_owned(), value);
        }
    };
    put("namespace", json!(config.namespace));
    put("component", json!(config.component));
    put("endpoint", json!(config.endpoint));
    put("endpoint_types", json!(config.endpoint_types));
    put("model_name", json!(config.model_name));
    put("served_model_name", json!(config.served_model_name));
    put("custom_jinja_template", json!(config.custom_jinja_template));
    put("tool_call_parser", json!(config.tool_call_parser));
    put("reasoning_parser", json!(config.reasoning_parser));
    put(
        "exclude_tools_when_tool_choice_none",
        json!(config.exclude_tools_when_tool_choice_none),
    );
    put("enable_kv_routing", json!(config.enable_kv_routing));
    put(
        "disaggregation_mode",
        json!(config.disaggregation_mode.as_str()),
    );
    put("default_thinking_mode", json!(config.default_thinking_mode));
    put("route_to_encoder", on(config.route_to_encoder));
    // Off is what a worker does, which has no such field.
    put("enable_rl", on(config.enable_rl));
    put("runtime", runtime(&config.runtime));
    Value::Object(object)
}

fn runtime(config: &RuntimeConfig) -> Value {
    let chosen = [
        ("discovery_backend", &config.discovery_backend),
        ("request_plane", &config.request_plane),
        ("response_plane", &config.response_plane),
        ("event_plane", &config.event_plane),
    ];
    chosen
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))))
        .collect::<Map<_, _>>()
        .into()
}

fn on(flag: bool) -> Value {
    if flag { Value::Bool(true) } else { Value::Null }
}
