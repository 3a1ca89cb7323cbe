//! The one table of configuration fields: what the command line, its help and the parity tests
//! are made from.

use dynamo_runtime::error::DynamoError;

use super::choice::unknown_choice;

/// The structure that a field belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Worker,
    Runtime,
}

/// What a field's value looks like as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Text, or unset.
    OptionalText,
    /// A path, or unset.
    OptionalPath,
    Flag,
    /// One of these; unset where the default is `None`.
    Choice(&'static [&'static str]),
    /// `name=value` pairs.
    Pairs,
    /// A whole number, or unset.
    OptionalInteger,
    /// A number above 0, or unset.
    OptionalSeconds,
    /// A JSON object or `@path` of a file that holds one; or unset.
    OptionalJson,
}

/// One field of [`WorkerConfig`](super::WorkerConfig) or [`RuntimeConfig`](super::RuntimeConfig).
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub owner: Owner,
    pub name: &'static str,
    pub kind: Kind,
    /// The environment variable that stands in where the command line says nothing.
    pub variable: &'static str,
    /// The default as text; `None`: unset.
    pub default: Option<&'static str>,
    pub help: &'static str,
}

impl Field {
    pub(super) fn check_choice(&self, value: &str) -> Result<(), DynamoError> {
        match self.kind {
            Kind::Choice(accepted) if !accepted.contains(&value) => {
                Err(unknown_choice(self.name, value, accepted.iter().copied()))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn field(name: &str) -> &'static Field {
    FIELDS
        .iter()
        .find(|field| field.name == name)
        .unwrap_or_else(|| unreachable!("no field '{name}' in the table"))
}

macro_rules! fields {
    ($($owner:ident $name:literal $kind:expr, $variable:literal, $default:expr, $help:literal;)*) => {
        &[$(Field {
            owner: Owner::$owner, name: $name, kind: $kind, variable: $variable,
            default: $default, help: $help,
        }),*]
    };
}

/// Every field, in the order in which help shows them.
#[rustfmt::skip]
pub const FIELDS: &[Field] = fields![
    Worker "namespace" Kind::Text, "DYN_NAMESPACE", Some("dynamo"),
        "discovery namespace";
    Worker "namespace_worker_suffix" Kind::OptionalText, "DYN_NAMESPACE_WORKER_SUFFIX", None,
        "appended to the namespace with a hyphen: the generation of a rolling update";
    Worker "component" Kind::Text, "DYN_COMPONENT", Some("backend"),
        "component in the namespace";
    Worker "endpoint" Kind::Text, "DYN_ENDPOINT", Some("generate"),
        "endpoint that is served";
    Worker "model_name" Kind::Text, "DYN_MODEL_NAME", Some(""),
        "hub repository or local path of the model; empty: no tokenizer or template";
    Worker "served_model_name" Kind::OptionalText, "DYN_SERVED_MODEL_NAME", None,
        "public name of the model; unset: the engine's";
    Worker "model_input" Kind::Choice(&["Tokens"]), "DYN_MODEL_INPUT", Some("Tokens"),
        "what the engine consumes";
    Worker "endpoint_types" Kind::Text, "DYN_ENDPOINT_TYPES", Some("chat,completions"),
        "comma-separated: chat, completions, prefill";
    Worker "custom_jinja_template" Kind::OptionalPath, "DYN_CUSTOM_JINJA_TEMPLATE", None,
        "chat template that replaces the model's";
    Worker "tool_call_parser" Kind::OptionalText, "DYN_TOOL_CALL_PARSER", None,
        "name of the frontend's parser of tool calls";
    Worker "reasoning_parser" Kind::OptionalText, "DYN_REASONING_PARSER", None,
        "name of the frontend's parser of reasoning";
    Worker "exclude_tools_when_tool_choice_none" Kind::Flag,
        "DYN_EXCLUDE_TOOLS_WHEN_TOOL_CHOICE_NONE", Some("true"),
        "keep tools out of the prompt when the request chooses none";
    Worker "enable_local_indexer" Kind::Flag, "DYN_ENABLE_LOCAL_INDEXER", Some("true"),
        "index KV blocks in the worker; never on a decode worker";
    Worker "enable_kv_routing" Kind::Flag, "DYN_ENABLE_KV_ROUTING", Some("true"),
        "publish KV events and load for the router";
    Worker "metrics_labels" Kind::Pairs, "DYN_METRICS_LABELS", Some(""),
        "labels appended to the endpoint's metrics";
    Worker "disaggregation_mode" Kind::Choice(&["Aggregated", "Prefill", "Decode"]),
        "DYN_DISAGGREGATION_MODE", Some("Aggregated"),
        "the worker's part in disaggregated serving";
    Worker "health_check_payload" Kind::OptionalJson, "DYN_HEALTH_CHECK_PAYLOAD", None,
        "request of the health canary";
    Worker "max_concurrent_requests" Kind::OptionalInteger, "DYN_ENGINE_REQUEST_LIMIT", None,
        "requests that the engine has at a time; unset: any number";
    Worker "max_queued_requests" Kind::OptionalInteger, "DYN_DYNAMO_REQUEST_QUEUE_LIMIT", None,
        "requests that may wait for their turn, where it has a limit; unset: 16";
    Worker "max_queued_seconds" Kind::OptionalSeconds, "DYN_REQUEST_QUEUE_TIMEOUT_SECS", None,
        "seconds that a request may wait for its turn; unset: any time";
    Worker "structural_tag_mode" Kind::Choice(&["Off", "On"]),
        "DYN_STRUCTURAL_TAG_MODE", Some("Off"),
        "guided decoding of tool calls by structural tags";
    Worker "structural_tag_scope" Kind::Choice(&["Auto", "Always"]),
        "DYN_STRUCTURAL_TAG_SCOPE", Some("Auto"),
        "when structural tags apply";
    Worker "structural_tag_schema" Kind::Choice(&["Auto", "Strict"]),
        "DYN_STRUCTURAL_TAG_SCHEMA", Some("Auto"),
        "how closely structural tags follow a tool's schema";
    Runtime "discovery_backend" Kind::Choice(&["etcd", "kubernetes", "file", "mem"]),
        "DYN_DISCOVERY_BACKEND", None,
        "where workers are registered; unset: etcd, or mem with an HTTP port";
    Runtime "request_plane" Kind::Choice(&["tcp", "nats"]), "DYN_REQUEST_PLANE", None,
        "how requests travel; unset: tcp";
    Runtime "event_plane" Kind::Choice(&["nats", "zmq"]), "DYN_EVENT_PLANE", None,
        "how KV events travel; unset: the runtime's choice";
];
