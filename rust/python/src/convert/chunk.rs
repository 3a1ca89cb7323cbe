//! A chunk that a Python engine yielded.

mod keys;
mod rare;

use dynamo_backend_handoff::chunk::Tokens;
use dynamo_backend_worker::{CompletionUsage, LLMEngineOutput, StopReason, TopLogprob};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyInt, PyList, PySequence, PyString, PyTuple};
use serde::Deserialize;
use serde_json::{Map, Value};

use keys::Key;

use super::finish_reason::{self, Ending};
use super::integers;
use super::json;
use super::plain::plain;
use super::raw;
use super::reading::Reading;
use super::shown::described;
use super::type_name::type_name;
use crate::chunk::{self, Chunk};
use crate::token_ids::TokenIds;

/// Of a chunk, what seldom comes.
#[derive(Default)]
struct Rare {
    /// What is read as JSON, and checked then.
    json: Map<String, Value>,
    text: Option<String>,
    stop_reason: Option<StopReason>,
    top_logprobs: Option<Vec<Vec<TopLogprob>>>,
}

impl Rare {
    fn read_text(&mut self, value: &Bound<'_, PyAny>) -> Result<(), String> {
        self.text = rare::text(value);
        self.unless(self.text.is_some(), "text", value)
    }

    fn read_stop_reason(&mut self, value: &Bound<'_, PyAny>) -> Result<(), String> {
        self.stop_reason = rare::stop_reason(value);
        self.unless(self.stop_reason.is_some(), "stop_reason", value)
    }

    fn read_top_logprobs(&mut self, value: &Bound<'_, PyAny>) -> Result<(), String> {
        self.top_logprobs = rare::top_logprobs(value);
        self.unless(self.top_logprobs.is_some(), "top_logprobs", value)
    }

    /// Reads through JSON what was not read; there its shape is accepted, or named.
    fn unless(&mut self, is_read: bool, key: &str, value: &Bound<'_, PyAny>) -> Result<(), String> {
        match is_read {
            true => Ok(()),
            false => self.read_json(key, value),
        }
    }

    fn read_json(&mut self, key: &str, value: &Bound<'_, PyAny>) -> Result<(), String> {
        let value = json::from_python(value, key)
            .map_err(|error| format!("yielded a chunk whose {error}"))?;
        if !value.is_null() {
            self.json.insert(key.to_owned(), value);
        }
        Ok(())
    }

    fn has_stop_reason(&self) -> bool {
        self.stop_reason.is_some() || self.json.contains_key("stop_reason")
    }

    /// `None` where nothing came.
    fn into_rare(self, reading: &Reading) -> Result<Option<Box<chunk::Rare>>, String> {
        let Self {
            json,
            text,
            stop_reason,
            top_logprobs,
        } = self;
        let is_empty = text.is_none() && stop_reason.is_none() && top_logprobs.is_none();
        if json.is_empty() && is_empty {
            return Ok(None);
        }
        let mut output = match json.is_empty() {
            true => LLMEngineOutput::default(),
            false => output_of(json, reading)?,
        };
        output.text = text.or(output.text);
        output.stop_reason = stop_reason.or(output.stop_reason);
        output.top_logprobs = top_logprobs.or(output.top_logprobs);
        Ok(Some(Box::new(chunk::Rare { output, raw: None })))
    }
}

/// `chunk` as the last one of its stream.
pub(crate) fn ending(
    mut chunk: Chunk,
    reason: &Bound<'_, PyAny>,
    usage: Option<&Bound<'_, PyAny>>,
    reading: &Reading,
) -> Result<Chunk, String> {
    let mut rare = Rare::default();
    set_reason(&mut chunk, reason, &mut rare)?;
    if let Some(value) = usage.filter(|value| !value.is_none()) {
        set_usage(&mut chunk, value, &mut rare)?;
    }
    chunk.rare = rare.into_rare(reading)?;
    Ok(chunk)
}

fn set_reason(chunk: &mut Chunk, value: &Bound<'_, PyAny>, rare: &mut Rare) -> Result<(), String> {
    let Ending { reason, stop } = finish_reason::from_python(value)?;
    chunk.finish_reason = reason;
    if let Some(stop) = stop
        && !rare.has_stop_reason()
    {
        rare.read_stop_reason(&stop)?;
    }
    Ok(())
}

fn set_usage(chunk: &mut Chunk, value: &Bound<'_, PyAny>, rare: &mut Rare) -> Result<(), String> {
    match usage(value) {
        Some(usage) => chunk.usage = Some(Box::new(usage)),
        None => rare.read_json("completion_usage", value)?,
    }
    Ok(())
}

/// Reads a chunk. The error says what was yielded and what a chunk is, without the engine's name.
pub(crate) fn from_python(value: &Bound<'_, PyAny>, reading: &Reading) -> Result<Chunk, String> {
    if reading.is_raw() {
        return raw::from_python(value);
    }
    let Ok(dict) = value.cast::<PyDict>() else {
        return Err(format!(
            "yielded {}; a chunk is a dict with 'token_ids'",
            described(value)
        ));
    };
    let mut chunk = Chunk::default();
    let mut has_tokens = false;
    let mut rare = Rare::default();
    for (key, value) in dict.iter() {
        let known = match Key::of_interned(&key) {
            Some(known) => known,
            None => {
                let key = text_of_key(&key)?;
                match Key::of_text(key) {
                    Some(known) => known,
                    None => {
                        reading.ignored(key);
                        continue;
                    }
                }
            }
        };
        if value.is_none() && !matches!(known, Key::TokenIds) {
            continue;
        }
        match known {
            Key::TokenIds => {
                chunk.token_ids = tokens(&value)?;
                has_tokens = true;
            }
            Key::Index => {
                chunk.index = field(&value, "index", "a number of the choice, or None")?;
            }
            Key::FinishReason => set_reason(&mut chunk, &value, &mut rare)?,
            Key::LogProbs => chunk.log_probs = log_probs(&value)?,
            Key::CumLogProbs => {
                chunk.cum_log_probs = field(&value, "cum_log_probs", "a float, or None")?;
            }
            Key::Usage => set_usage(&mut chunk, &value, &mut rare)?,
            Key::Text => rare.read_text(&value)?,
            Key::StopReason => rare.read_stop_reason(&value)?,
            Key::TopLogprobs => rare.read_top_logprobs(&value)?,
            Key::Rare(key) => rare.read_json(key, &value)?,
        }
    }
    if !has_tokens {
        return Err(
            "yielded a chunk without 'token_ids'; it is required, and may be an empty list".into(),
        );
    }
    chunk.rare = rare.into_rare(reading)?;
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

fn output_of(rare: Map<String, Value>, reading: &Reading) -> Result<LLMEngineOutput, String> {
    let without_tokens = |mut fields: Map<String, Value>| {
        fields.insert("token_ids".into(), Value::Array(Vec::new()));
        Value::Object(fields)
    };
    let chunk = without_tokens(rare);
    let ignored = |path: serde_ignored::Path<'_>| reading.ignored(&place(&path));
    serde_ignored::deserialize(&chunk, ignored).map_err(|_: serde_json::Error| {
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

/// Where an unknown key is: the keys that lead to it, whichever item of a list it is in.
fn place(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Map { parent, key } => match place(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Seq { parent, .. }
        | Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => place(parent),
    }
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

/// Reads tokens: a list of them, an array or any other sequence.
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
        return each(list.iter().map(Ok));
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        if tuple.len() == 1
            && let Ok(item) = tuple.get_item(0)
        {
            return token(&item).map(Tokens::One);
        }
        if let Some(tokens) = integers::of_tuple(tuple) {
            return Ok(Tokens::Many(tokens));
        }
        return each(tuple.iter().map(Ok));
    }
    if let Ok(prompt) = value.cast::<TokenIds>() {
        return Ok(Tokens::Many(prompt.get().to_vec()));
    }
    if let Some(tokens) = integers::of_array(value, 1) {
        return Ok(Tokens::Many(tokens));
    }
    let own = plain(value);
    let own = own.as_ref().unwrap_or(value);
    if own.is_instance_of::<PyList>() || is_sequence(own) {
        let items = own.try_iter().map_err(|raised| failed(&raised))?;
        return each(items);
    }
    Err(format!(
        "yielded a chunk whose 'token_ids' is {}; accepted: a list or an array of integers",
        described(value)
    ))
}

/// A sequence of items, not of characters or bytes.
fn is_sequence(value: &Bound<'_, PyAny>) -> bool {
    value.cast::<PySequence>().is_ok()
        && !value.is_instance_of::<PyString>()
        && !value.is_instance_of::<PyBytes>()
        && !value.is_instance_of::<PyByteArray>()
}

fn each<'py>(items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>) -> Result<Tokens, String> {
    let tokens: Result<_, String> = items
        .map(|item| token(&item.map_err(|raised| failed(&raised))?))
        .collect();
    tokens.map(Tokens::Many)
}

fn failed(raised: &PyErr) -> String {
    format!("yielded a chunk whose 'token_ids' cannot be read: {raised}")
}

/// Reads one token, or several.
pub(crate) fn token_or_tokens(value: &Bound<'_, PyAny>) -> Result<Tokens, String> {
    if let Some(token) = integers::small(value) {
        return Ok(Tokens::One(token));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return tokens(value);
    }
    if let Some(token) = integers::of_any(value) {
        return Ok(Tokens::One(token));
    }
    let own = plain(value);
    match own.as_ref().unwrap_or(value) {
        number if number.is_instance_of::<PyInt>() => token(number).map(Tokens::One),
        _ => tokens(value),
    }
}

/// Reads one token.
pub(crate) fn token(item: &Bound<'_, PyAny>) -> Result<u32, String> {
    if let Some(token) = integers::small(item) {
        return Ok(token);
    }
    integers::of_any(item).ok_or_else(|| {
        format!(
            "yielded a chunk with {} in 'token_ids'; accepted: integers from 0 to {}",
            described(item),
            u32::MAX
        )
    })
}

/// An array is as good as a list of them.
fn log_probs(value: &Bound<'_, PyAny>) -> Result<Option<Vec<f64>>, String> {
    let is_usual = value.is_none() || value.is_instance_of::<PyList>();
    let own = if is_usual { None } else { plain(value) };
    field(
        own.as_ref().unwrap_or(value),
        "log_probs",
        "a list of floats, or None",
    )
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
