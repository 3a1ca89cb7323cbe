//! Batches of KV events as engines write them on a socket: vLLM's msgpack.
//!
//! Dynamo's own reader refuses a whole batch for one value that it does not know. Here what it would
//! refuse is written anew where its meaning is plain, and else left out by itself, by name.

use dynamo_kv_router::zmq_wire::{RawKvEvent, decode_event_batch};
use rmpv::Value;

/// A batch that was read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) dp_rank: u32,
    pub(super) events: Vec<RawKvEvent>,
    /// The field of each event that could not be read.
    pub(super) wrong: Vec<&'static str>,
}

/// The names by which what cannot be read is told.
pub(super) const FIELDS: [&str; 10] = [
    "frames",
    "batch",
    "events",
    "data_parallel_rank",
    "type",
    "block_hashes",
    "parent_block_hash",
    "token_ids",
    "block_size",
    "another field",
];

/// Reads a batch: `[timestamp, events]`, or with the rank behind them. The error is the field that
/// makes all of it unreadable.
pub(super) fn read(payload: &[u8]) -> Result<Batch, &'static str> {
    if let Ok(batch) = decode_event_batch(payload) {
        let dp_rank = batch.data_parallel_rank.unwrap_or(0);
        return Ok(Batch {
            dp_rank: dp_rank.try_into().map_err(|_| "data_parallel_rank")?,
            events: batch.events,
            wrong: Vec::new(),
        });
    }
    let mut rest = payload;
    let batch = rmpv::decode::read_value(&mut rest).map_err(|_| "batch")?;
    let (events, dp_rank) = match batch {
        Value::Array(fields) if fields.len() >= 2 => {
            let mut fields = fields.into_iter().skip(1);
            (fields.next(), fields.next())
        }
        Value::Map(_) => (
            field(&batch, 1, "events").cloned(),
            field(&batch, 2, "data_parallel_rank").cloned(),
        ),
        _ => return Err("batch"),
    };
    let Some(Value::Array(events)) = events else {
        return Err("events");
    };
    let mut read = Batch {
        dp_rank: rank(dp_rank)?,
        ..Batch::default()
    };
    for event in events {
        match self::event(event) {
            Ok(event) => read.events.push(event),
            Err(wrong) => read.wrong.push(wrong),
        }
    }
    Ok(read)
}

fn rank(value: Option<Value>) -> Result<u32, &'static str> {
    let value = value.unwrap_or(Value::Nil);
    if value.is_nil() {
        return Ok(0);
    }
    let rank = value.as_u64().and_then(|rank| rank.try_into().ok());
    rank.ok_or("data_parallel_rank")
}

/// Reads one event, with hashes that are digests made numbers.
fn event(mut event: Value) -> Result<RawKvEvent, &'static str> {
    let kind = field(&event, 0, "type").and_then(Value::as_str);
    match kind {
        Some("BlockStored") => {
            hashes(&mut event)?;
            if let Some(parent) = field_mut(&mut event, 2, "parent_block_hash")
                && !parent.is_nil()
            {
                shorten(parent).ok_or("parent_block_hash")?;
            }
        }
        Some("BlockRemoved") => hashes(&mut event)?,
        Some("AllBlocksCleared" | "Ignored") => {}
        _ => return Err("type"),
    }
    let checked = wrong_field(&event);
    let batch = Value::Array(vec![0.0.into(), Value::Array(vec![event]), Value::Nil]);
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &batch).map_err(|_| "another field")?;
    let batch = decode_event_batch(&bytes).map_err(|_| checked)?;
    batch.events.into_iter().next().ok_or(checked)
}

fn hashes(event: &mut Value) -> Result<(), &'static str> {
    let Some(Value::Array(hashes)) = field_mut(event, 1, "block_hashes") else {
        return Err("block_hashes");
    };
    let shortened: Option<()> = hashes.iter_mut().map(shorten).collect();
    shortened.ok_or("block_hashes")
}

/// Makes a digest what vLLM shortens it to, its last 8 bytes; `None` where it is no hash at all.
fn shorten(hash: &mut Value) -> Option<()> {
    if let Value::Binary(digest) = hash {
        *hash = u64::from_be_bytes(*digest.last_chunk()?).into();
    }
    hash.is_number().then_some(())
}

/// The field for which a stored event is most likely refused.
fn wrong_field(event: &Value) -> &'static str {
    let is_tokens = |value: &Value| {
        let is_token = |token: &Value| {
            let number = |value: &Value| value.as_u64().is_some_and(|it| it <= u32::MAX.into());
            let is_pair = |pair: &Vec<Value>| pair.len() == 2 && pair.iter().all(number);
            number(token) || token.as_array().is_some_and(is_pair)
        };
        value
            .as_array()
            .is_some_and(|tokens| tokens.iter().all(is_token))
    };
    if field(event, 0, "type").and_then(Value::as_str) != Some("BlockStored") {
        "another field"
    } else if !field(event, 3, "token_ids").is_some_and(is_tokens) {
        "token_ids"
    } else if !field(event, 4, "block_size").is_some_and(Value::is_u64) {
        "block_size"
    } else {
        "another field"
    }
}

/// A field of an array by its place, or of a map by its name.
fn field<'a>(of: &'a Value, place: usize, name: &str) -> Option<&'a Value> {
    match of {
        Value::Array(fields) => fields.get(place),
        Value::Map(fields) => fields
            .iter()
            .find(|(key, _)| key.as_str() == Some(name))
            .map(|(_, value)| value),
        _ => None,
    }
}

fn field_mut<'a>(of: &'a mut Value, place: usize, name: &str) -> Option<&'a mut Value> {
    match of {
        Value::Array(fields) => fields.get_mut(place),
        Value::Map(fields) => fields
            .iter_mut()
            .find(|(key, _)| key.as_str() == Some(name))
            .map(|(_, value)| value),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
