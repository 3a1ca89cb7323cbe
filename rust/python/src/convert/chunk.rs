//! A chunk that a Python engine yielded.

use dynamo_backend_worker::{FinishReason, LLMEngineOutput};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString, PyTuple};
use serde_json::{Map, Value};

use super::json::{self, type_name};

/// Keys that go through JSON; the others of a chunk are read field by field.
const RARE: [&str; 13] = [
    "tokens",
    "text",
    "output_type",
    "content_parts",
    "top_logprobs",
    "stop_reason",
    "disaggregated_params",
    "encoder_result",
    "worker_trace_link",
    "extra_args",
    "engine_data",
    "routing_data",
    "completion_usage",
];
const USUAL: [&str; 5] = [
    "token_ids",
    "index",
    "finish_reason",
    "log_probs",
    "cum_log_probs",
];

/// Reads a chunk. The error says what was yielded and what a chunk is, without the engine's name.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> Result<LLMEngineOutput, String> {
    let Ok(dict) = value.cast::<PyDict>() else {
        return Err(format!(
            "yielded {}; a chunk is a dict with 'token_ids'",
            described(value)
        ));
    };
    let mut chunk = LLMEngineOutput::default();
    let mut has_tokens = false;
    let mut rare = Map::new();
    for (key, value) in dict.iter() {
        let key = key
            .cast::<PyString>()
            .ok()
            .and_then(|key| key.to_str().ok())
            .ok_or_else(|| format!("yielded a chunk with the key {key}; keys are strings"))?;
        match key {
            "token_ids" => {
                chunk.token_ids = tokens(&value)?;
                has_tokens = true;
            }
            "index" => chunk.index = field(&value, key, "a number of the choice, or None")?,
            "finish_reason" => chunk.finish_reason = finish_reason(&value)?,
            "log_probs" => chunk.log_probs = field(&value, key, "a list of floats, or None")?,
            "cum_log_probs" => chunk.cum_log_probs = field(&value, key, "a float, or None")?,
            key if RARE.contains(&key) => {
                let value = json::from_python(&value, key)
                    .map_err(|error| format!("yielded a chunk whose {error}"))?;
                rare.insert(key.to_owned(), value);
            }
            unknown => return Err(unknown_key(unknown)),
        }
    }
    if !has_tokens {
        return Err(
            "yielded a chunk without 'token_ids'; it is required, and may be an empty list".into(),
        );
    }
    if rare.is_empty() {
        return Ok(chunk);
    }
    with_rare(chunk, rare)
}

fn with_rare(
    usual: LLMEngineOutput,
    mut rare: Map<String, Value>,
) -> Result<LLMEngineOutput, String> {
    rare.retain(|_, value| !value.is_null());
    rare.insert("token_ids".into(), Value::Array(Vec::new()));
    let chunk = serde_json::from_value::<LLMEngineOutput>(Value::Object(rare))
        .map_err(|error| format!("yielded a chunk of the wrong shape: {error}"))?;
    Ok(LLMEngineOutput {
        token_ids: usual.token_ids,
        index: usual.index,
        finish_reason: usual.finish_reason,
        log_probs: usual.log_probs,
        cum_log_probs: usual.cum_log_probs,
        ..chunk
    })
}

pub(crate) fn tokens(value: &Bound<'_, PyAny>) -> Result<Vec<u32>, String> {
    if let Ok(list) = value.cast::<PyList>() {
        return list.iter().map(|item| token(&item)).collect();
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return tuple.iter().map(|item| token(&item)).collect();
    }
    Err(format!(
        "yielded a chunk whose 'token_ids' is {}; accepted: a list of integers",
        described(value)
    ))
}

pub(crate) fn token(item: &Bound<'_, PyAny>) -> Result<u32, String> {
    let token = if item.is_instance_of::<PyBool>() {
        None
    } else {
        item.extract::<u32>().ok()
    };
    token.ok_or_else(|| {
        format!(
            "yielded a chunk with {} in 'token_ids'; accepted: integers from 0 to {}",
            described(item),
            u32::MAX
        )
    })
}

fn finish_reason(value: &Bound<'_, PyAny>) -> Result<Option<FinishReason>, String> {
    if value.is_none() {
        return Ok(None);
    }
    value
        .cast::<PyString>()
        .ok()
        .and_then(|text| text.to_str().ok()?.parse().ok())
        .map(Some)
        .ok_or_else(|| {
            format!(
                "yielded a chunk whose 'finish_reason' is {}; accepted: 'stop', 'eos', 'length', \
                 'cancelled', 'content_filter', 'error: MESSAGE', or None",
                described(value)
            )
        })
}

fn field<'py, T>(value: &Bound<'py, PyAny>, key: &str, accepted: &str) -> Result<Option<T>, String>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    value.extract::<Option<T>>().map_err(|_| {
        format!(
            "yielded a chunk whose '{key}' is {}; accepted: {accepted}",
            described(value)
        )
    })
}

fn unknown_key(key: &str) -> String {
    let known = USUAL.iter().chain(&RARE).copied().collect::<Vec<_>>();
    format!(
        "yielded a chunk with the unknown key '{key}'; accepted: {}",
        known.join(", ")
    )
}

/// The value and its type, short enough for a message.
fn described(value: &Bound<'_, PyAny>) -> String {
    const LONGEST: usize = 60;
    if value.is_none() {
        return "None".into();
    }
    let text = value
        .repr()
        .map_or_else(|_| "a value".into(), |text| text.to_string());
    let shown: String = text.chars().take(LONGEST).collect();
    let dots = if shown.len() < text.len() { "…" } else { "" };
    format!("{shown}{dots} (of type {})", type_name(value))
}
