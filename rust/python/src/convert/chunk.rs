//! A chunk that a Python engine yielded.

use dynamo_backend_worker::{CompletionUsage, FinishReason, LLMEngineOutput};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString, PyTuple};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::integers;
use super::json::{self, type_name};
use super::shown::{self, described};
use crate::chunk::{Chunk, Tokens};
use crate::token_ids::TokenIds;

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

impl Chunk {
    /// This chunk as the last one of its stream.
    pub(crate) fn ending(
        mut self,
        reason: &Bound<'_, PyAny>,
        usage: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self, String> {
        self.finish_reason = finish_reason(reason)?;
        if let Some(value) = usage.filter(|value| !value.is_none()) {
            self.set_usage(value)?;
        }
        Ok(self)
    }

    fn set_usage(&mut self, value: &Bound<'_, PyAny>) -> Result<(), String> {
        match usage(value) {
            Some(usage) => self.usage = Some(Box::new(usage)),
            None => {
                let mut rare = Map::new();
                read_rare(&mut rare, "completion_usage", value)?;
                self.rare = Some(Box::new(output_of(rare)?));
            }
        }
        Ok(())
    }
}

/// A key that is read field by field.
#[derive(Clone, Copy)]
enum Usual {
    TokenIds,
    Index,
    FinishReason,
    LogProbs,
    CumLogProbs,
    Usage,
}

impl Usual {
    /// By identity: keys that are written down in a program are interned.
    fn of_interned(key: &Bound<'_, PyAny>) -> Option<Self> {
        let py = key.py();
        if key.is(intern!(py, "token_ids")) {
            Some(Self::TokenIds)
        } else if key.is(intern!(py, "finish_reason")) {
            Some(Self::FinishReason)
        } else if key.is(intern!(py, "index")) {
            Some(Self::Index)
        } else if key.is(intern!(py, "completion_usage")) {
            Some(Self::Usage)
        } else if key.is(intern!(py, "log_probs")) {
            Some(Self::LogProbs)
        } else if key.is(intern!(py, "cum_log_probs")) {
            Some(Self::CumLogProbs)
        } else {
            None
        }
    }

    fn of_text(key: &str) -> Option<Self> {
        match key {
            "token_ids" => Some(Self::TokenIds),
            "finish_reason" => Some(Self::FinishReason),
            "index" => Some(Self::Index),
            "completion_usage" => Some(Self::Usage),
            "log_probs" => Some(Self::LogProbs),
            "cum_log_probs" => Some(Self::CumLogProbs),
            _ => None,
        }
    }
}

/// Reads a chunk. The error says what was yielded and what a chunk is, without the engine's name.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> Result<Chunk, String> {
    let Ok(dict) = value.cast::<PyDict>() else {
        return Err(format!(
            "yielded {}; a chunk is a dict with 'token_ids'",
            described(value)
        ));
    };
    let mut chunk = Chunk::default();
    let mut has_tokens = false;
    let mut rare = Map::new();
    for (key, value) in dict.iter() {
        let usual = match Usual::of_interned(&key) {
            Some(usual) => usual,
            None => {
                let key = text_of_key(&key)?;
                match Usual::of_text(key) {
                    Some(usual) => usual,
                    None => {
                        read_rare(&mut rare, key, &value)?;
                        continue;
                    }
                }
            }
        };
        match usual {
            Usual::TokenIds => {
                chunk.token_ids = tokens(&value)?;
                has_tokens = true;
            }
            Usual::Index => {
                chunk.index = field(&value, "index", "a number of the choice, or None")?;
            }
            Usual::FinishReason => chunk.finish_reason = finish_reason(&value)?,
            Usual::LogProbs => {
                chunk.log_probs = field(&value, "log_probs", "a list of floats, or None")?;
            }
            Usual::CumLogProbs => {
                chunk.cum_log_probs = field(&value, "cum_log_probs", "a float, or None")?;
            }
            Usual::Usage => match usage(&value) {
                Some(usage) => chunk.usage = Some(Box::new(usage)),
                None => read_rare(&mut rare, "completion_usage", &value)?,
            },
        }
    }
    if !has_tokens {
        return Err(
            "yielded a chunk without 'token_ids'; it is required, and may be an empty list".into(),
        );
    }
    if !rare.is_empty() {
        chunk.rare = Some(Box::new(output_of(rare)?));
    }
    Ok(chunk)
}

fn text_of_key<'a>(key: &'a Bound<'_, PyAny>) -> Result<&'a str, String> {
    key.cast::<PyString>()
        .ok()
        .and_then(|key| key.to_str().ok())
        .ok_or_else(|| {
            format!(
                "yielded a chunk with a key of type {}; keys are strings",
                type_name(key)
            )
        })
}

fn read_rare(
    rare: &mut Map<String, Value>,
    key: &str,
    value: &Bound<'_, PyAny>,
) -> Result<(), String> {
    if !RARE.contains(&key) {
        return Err(unknown_key(key));
    }
    let value =
        json::from_python(value, key).map_err(|error| format!("yielded a chunk whose {error}"))?;
    rare.insert(key.to_owned(), value);
    Ok(())
}

fn output_of(mut rare: Map<String, Value>) -> Result<LLMEngineOutput, String> {
    rare.retain(|_, value| !value.is_null());
    let without_tokens = |mut fields: Map<String, Value>| {
        fields.insert("token_ids".into(), Value::Array(Vec::new()));
        Value::Object(fields)
    };
    let chunk = without_tokens(rare);
    LLMEngineOutput::deserialize(&chunk).map_err(|_| {
        // What the parser says of the value may quote it; what it wanted is its own.
        let wrong = |(key, value): (&String, &Value)| {
            let alone = without_tokens(Map::from_iter([(key.clone(), value.clone())]));
            let said = LLMEngineOutput::deserialize(&alone).err()?.to_string();
            let expected = said.rsplit_once(", expected ").map(|(_, what)| what);
            Some(format!(
                "'{key}' has the wrong shape; expected there: {}",
                expected.unwrap_or("another one")
            ))
        };
        format!(
            "yielded a chunk whose {}",
            chunk
                .as_object()
                .and_then(|fields| fields.iter().find_map(wrong))
                .unwrap_or_else(|| "shape is wrong".into())
        )
    })
}

/// Usage of the usual shape, three numbers; `None`: it is of another, which JSON reads or refuses.
fn usage(value: &Bound<'_, PyAny>) -> Option<CompletionUsage> {
    let dict = value.cast::<PyDict>().ok()?;
    let py = dict.py();
    let number = |key| integers::small(&dict.get_item(key).ok()??);
    let usage = CompletionUsage {
        prompt_tokens: number(intern!(py, "prompt_tokens"))?,
        completion_tokens: number(intern!(py, "completion_tokens"))?,
        total_tokens: number(intern!(py, "total_tokens"))?,
        ..CompletionUsage::default()
    };
    (dict.len() == 3).then_some(usage)
}

/// Reads tokens: a list or tuple of them.
pub(crate) fn tokens(value: &Bound<'_, PyAny>) -> Result<Tokens, String> {
    if let Ok(list) = value.cast::<PyList>() {
        if list.len() == 1
            && let Ok(item) = list.get_item(0)
        {
            return token(&item).map(Tokens::One);
        }
        if let Some(tokens) = integers::of_list(list) {
            return Ok(Tokens::Many(tokens));
        }
        let tokens: Result<_, String> = list.iter().map(|item| token(&item)).collect();
        return tokens.map(Tokens::Many);
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        let tokens: Result<_, String> = tuple.iter().map(|item| token(&item)).collect();
        return tokens.map(Tokens::Many);
    }
    if let Ok(prompt) = value.cast::<TokenIds>() {
        return Ok(Tokens::Many(prompt.get().to_vec()));
    }
    Err(format!(
        "yielded a chunk whose 'token_ids' is {}; accepted: a list of integers",
        described(value)
    ))
}

/// Reads one token.
pub(crate) fn token(item: &Bound<'_, PyAny>) -> Result<u32, String> {
    if let Some(token) = integers::small(item) {
        return Ok(token);
    }
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
        "yielded a chunk with the unknown key {}; accepted: {}",
        shown::text(key),
        known.join(", ")
    )
}
