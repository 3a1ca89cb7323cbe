//! The one table of configuration fields: what the command line, its help and the parity tests
//! are made from.

use dynamo_backend_environment::{self as environment, Kind, Variable};
use dynamo_runtime::error::DynamoError;

use super::choice::unknown_choice;

/// The structure that a field belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Worker,
    Runtime,
}

/// One field of [`WorkerConfig`](super::WorkerConfig) or [`RuntimeConfig`](super::RuntimeConfig).
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub owner: Owner,
    pub name: &'static str,
    /// What stands in where the command line says nothing; of it are kind and default, too.
    pub variable: Variable,
    pub help: &'static str,
}

impl Field {
    pub(super) fn check_choice(&self, value: &str) -> Result<(), DynamoError> {
        match self.variable.kind {
            Kind::Choice(accepted) if !accepted.contains(&value) => {
                Err(unknown_choice(self.name, value, accepted.iter().copied()))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn field_of(variable: &Variable) -> &'static Field {
    FIELDS
        .iter()
        .find(|field| field.variable == *variable)
        .unwrap_or_else(|| unreachable!("no field of {variable} in the table"))
}

macro_rules! fields {
    ($($owner:ident $name:literal $variable:ident $(, $help:literal)?;)*) => {
        &[$(Field {
            owner: Owner::$owner,
            name: $name,
            variable: environment::$variable,
            help: [$($help,)? environment::$variable.help][0],
        }),*]
    };
}

/// Every field, in the order in which help shows them. The help is the variable's, unless it says more.
pub const FIELDS: &[Field] = fields![
    Worker "namespace" DYN_NAMESPACE;
    Worker "namespace_worker_suffix" DYN_NAMESPACE_WORKER_SUFFIX;
    Worker "component" DYN_COMPONENT;
    Worker "endpoint" DYN_ENDPOINT;
    Worker "model_name" DYN_MODEL_NAME;
    Worker "served_model_name" DYN_SERVED_MODEL_NAME,
        "public name of the model; unset: the engine's";
    Worker "model_input" DYN_MODEL_INPUT;
    Worker "endpoint_types" DYN_ENDPOINT_TYPES;
    Worker "custom_jinja_template" DYN_CUSTOM_JINJA_TEMPLATE;
    Worker "tool_call_parser" DYN_TOOL_CALL_PARSER;
    Worker "reasoning_parser" DYN_REASONING_PARSER;
    Worker "default_thinking_mode" DYN_DEFAULT_THINKING_MODE;
    Worker "exclude_tools_when_tool_choice_none" DYN_EXCLUDE_TOOLS_WHEN_TOOL_CHOICE_NONE;
    Worker "enable_local_indexer" DYN_ENABLE_LOCAL_INDEXER;
    Worker "enable_kv_routing" DYN_ENABLE_KV_ROUTING;
    Worker "kv_state_endpoint" DYN_KV_STATE_ENDPOINT;
    Worker "metrics_labels" DYN_METRICS_LABELS;
    Worker "disaggregation_mode" DYN_DISAGGREGATION_MODE;
    Worker "health_check_payload" DYN_HEALTH_CHECK_PAYLOAD,
        "request that the health canary sends to the engine; unset: the engine's";
    Worker "max_concurrent_requests" DYN_ENGINE_REQUEST_LIMIT,
        "most requests that the engine has at a time; more wait; unset: any number";
    Worker "max_queued_requests" DYN_DYNAMO_REQUEST_QUEUE_LIMIT,
        "most requests that may wait when the engine has a limit; unset: 16";
    Worker "max_queued_seconds" DYN_REQUEST_QUEUE_TIMEOUT_SECS,
        "seconds that a request may wait for its turn; unset: any time";
    Worker "structural_tag_mode" DYN_STRUCTURAL_TAG_MODE;
    Worker "structural_tag_scope" DYN_STRUCTURAL_TAG_SCOPE;
    Worker "structural_tag_schema" DYN_STRUCTURAL_TAG_SCHEMA;
    Worker "structural_tag_with_structured_output" DYN_STRUCTURAL_TAG_WITH_STRUCTURED_OUTPUT;
    Worker "structural_tag_exclude_special_tokens" DYN_STRUCTURAL_TAG_EXCLUDE_SPECIAL_TOKENS;
    Worker "structural_tag_reasoning_boundary" DYN_STRUCTURAL_TAG_REASONING_BOUNDARY;
    Worker "structural_tag_arguments_any_order" DYN_STRUCTURAL_TAG_ARGUMENTS_ANY_ORDER;
    Runtime "discovery_backend" DYN_DISCOVERY_BACKEND,
        "where workers are registered; unset: etcd, or mem with an HTTP port";
    Runtime "request_plane" DYN_REQUEST_PLANE,
        "how requests travel; unset: tcp";
    Runtime "response_plane" DYN_RESPONSE_PLANE,
        "how answers travel, to frontends of the same plane; unset: tcp";
    Runtime "event_plane" DYN_EVENT_PLANE,
        "how KV events travel; unset: the runtime's choice";
    Runtime "grace_period_seconds" DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS,
        "how long a shutdown goes on serving what frontends still send; unset with mem discovery: 0";
    Runtime "shutdown_timeout_seconds" DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT;
    Runtime "prefill_drain_seconds" DYN_PREFILL_DRAIN_TIMEOUT_S;
    Runtime "sleep_drain_seconds" DYN_SLEEP_DRAIN_TIMEOUT_SECS;
    Runtime "decode_keep_seconds" DYN_DECODE_KEEP_TIMEOUT_SECS,
        "how long a decode worker keeps a stopped request that has no token yet";
    Runtime "connect_timeout_seconds" DYN_CONNECT_TIMEOUT_SECS,
        "how long the worker goes on trying to connect; 0: one attempt";
    Runtime "system_port" DYN_SYSTEM_PORT,
        "port of the system server; 0: any free one, negative: none";
    Runtime "system_host" DYN_SYSTEM_HOST,
        "address of the system server";
    Runtime "system_live_path" DYN_SYSTEM_LIVE_PATH,
        "path of the liveness probe on the system server; unset: /live";
    Runtime "system_health_path" DYN_SYSTEM_HEALTH_PATH,
        "path of the readiness probe on the system server; unset: /health";
    Runtime "system_token" DYN_SYSTEM_TOKEN,
        "bearer token that engine controls require; better as @FILE: ps shows the command line";
    Runtime "health_check_enabled" DYN_HEALTH_CHECK_ENABLED,
        "probe the engine when no request has finished for a while";
    Runtime "canary_wait_seconds" DYN_CANARY_WAIT_TIME,
        "time without a finished request after which the engine is probed; unset: 10";
    Runtime "health_check_timeout_seconds" DYN_HEALTH_CHECK_REQUEST_TIMEOUT,
        "how long a probe may take; unset: 3";
];
