//! The frames of an answer, as bytes: what the runtime's own ingress writes.
//!
//! A frame is two lengths, a checksum that is 0 (readers take that for none), a header in JSON and
//! data. What belongs to the connection is in headers: the handshake, the prologue that lets the
//! frontend's call return, and the sentinel behind the last frame. Data is a chunk or an error in the
//! request's own codec, or the mark that says that no more of them come.

use std::io;

use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::{LLMEngineOutput, OutputType};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::pipeline::network::{
    ControlMessage, NetworkStreamWrapper, RequestPlanePayloadCodec, StreamType,
};
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::protocols::maybe_error::MaybeError;
use rmp::encode::{
    write_array_len, write_bool, write_f64, write_map_len, write_nil, write_str, write_uint,
};
use serde::Serialize;

use crate::serve::kind::Item;

const LENGTHS_AND_CHECKSUM: usize = 24;

#[derive(Serialize)]
struct Handshake<'a> {
    subject: &'a str,
    stream_type: StreamType,
}

#[derive(Serialize)]
struct Prologue<'a> {
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    typed_error: Option<&'a DynamoError>,
}

/// Tells the frontend whose answer this connection is for.
pub(super) fn handshake(out: &mut Vec<u8>, subject: &str) -> anyhow::Result<()> {
    let stream_type = StreamType::Response;
    header(
        out,
        &Handshake {
            subject,
            stream_type,
        },
    )
}

/// Says that items follow, or why the request has none.
pub(super) fn prologue(
    out: &mut Vec<u8>,
    error: Option<(&str, &DynamoError)>,
) -> anyhow::Result<()> {
    let (error, typed_error) = error.unzip();
    header(out, &Prologue { error, typed_error })
}

/// The last frame of a connection.
pub(super) fn sentinel(out: &mut Vec<u8>) -> anyhow::Result<()> {
    header(out, &ControlMessage::Sentinel)
}

/// An item of the answer. Answers how many bytes of data that are.
pub(super) fn item<I: Item>(
    out: &mut Vec<u8>,
    codec: RequestPlanePayloadCodec,
    item: Result<I, DynamoError>,
) -> anyhow::Result<usize> {
    let is_msgpack = codec == RequestPlanePayloadCodec::Msgpack;
    match item {
        Ok(item) => match item
            .as_output()
            .filter(|chunk| is_msgpack && is_plain(chunk))
        {
            Some(chunk) => framed(out, |out| Ok(plain_chunk(out, chunk)?)),
            None => wrapped(out, codec, Some(Annotated::from_data(item))),
        },
        Err(error) => wrapped(out, codec, Some(Annotated::<I>::from_err(error))),
    }
}

/// Says that the answer is complete. Answers how many bytes of data that are.
pub(super) fn complete(
    out: &mut Vec<u8>,
    codec: RequestPlanePayloadCodec,
) -> anyhow::Result<usize> {
    wrapped(out, codec, None::<Annotated<()>>)
}

fn header(out: &mut Vec<u8>, header: &impl Serialize) -> anyhow::Result<()> {
    let begin = begin(out);
    serde_json::to_writer(&mut *out, header)?;
    let length = out.len() - begin - LENGTHS_AND_CHECKSUM;
    out[begin..begin + 8].copy_from_slice(&(length as u64).to_be_bytes());
    Ok(())
}

fn wrapped<T: Serialize>(
    out: &mut Vec<u8>,
    codec: RequestPlanePayloadCodec,
    data: Option<Annotated<T>>,
) -> anyhow::Result<usize> {
    let complete_final = data.is_none();
    let wrapper = NetworkStreamWrapper {
        data,
        complete_final,
    };
    framed(out, |out| codec.encode_into(&wrapper, out))
}

/// Puts a frame around the data that `write` appends; nothing is left of one that fails.
fn framed(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let begin = begin(out);
    if let Err(error) = write(out) {
        out.truncate(begin);
        return Err(error);
    }
    let length = out.len() - begin - LENGTHS_AND_CHECKSUM;
    out[begin + 8..begin + 16].copy_from_slice(&(length as u64).to_be_bytes());
    Ok(length)
}

fn begin(out: &mut Vec<u8>) -> usize {
    let begin = out.len();
    out.extend_from_slice(&[0; LENGTHS_AND_CHECKSUM]);
    begin
}

/// Whether `chunk` has nothing but tokens, their probabilities, an index, and why it is the last.
fn is_plain(chunk: &LLMEngineOutput) -> bool {
    matches!(
        chunk,
        LLMEngineOutput {
            token_ids: _,
            tokens: None,
            text: None,
            output_type: OutputType::Text,
            content_parts: None,
            cum_log_probs: _,
            log_probs: _,
            top_logprobs: None,
            finish_reason: reason,
            stop_reason: None,
            index: _,
            disaggregated_params: None,
            encoder_result: None,
            worker_trace_link: None,
            extra_args: None,
            completion_usage: None,
            engine_data: None,
            routing_data: None,
            jailed_text: None,
        } if reason.as_ref().is_none_or(|reason| name(reason).is_some())
    )
}

/// What serde writes for a plain chunk, without serde: this is done for every token.
fn plain_chunk(out: &mut Vec<u8>, chunk: &LLMEngineOutput) -> io::Result<()> {
    const FIELDS: u32 = 9;
    const NAMES: usize = 128;
    const MOST_OF_AN_ID: usize = 5;
    const OF_A_FLOAT: usize = 9;
    let log_probs = chunk.log_probs.as_deref();
    out.reserve(
        NAMES
            + MOST_OF_AN_ID * chunk.token_ids.len()
            + OF_A_FLOAT * log_probs.map_or(0, <[f64]>::len),
    );
    write_map_len(out, 2)?;
    write_str(out, "data")?;
    write_map_len(out, 1)?;
    write_str(out, "data")?;
    write_map_len(out, FIELDS)?;
    write_str(out, "token_ids")?;
    write_length(out, chunk.token_ids.len())?;
    for id in &chunk.token_ids {
        write_uint(out, u64::from(*id))?;
    }
    write_str(out, "tokens")?;
    write_nil(out)?;
    write_str(out, "text")?;
    write_nil(out)?;
    write_str(out, "output_type")?;
    write_str(out, "text")?;
    write_str(out, "cum_log_probs")?;
    match chunk.cum_log_probs {
        Some(sum) => write_f64(out, sum)?,
        None => write_nil(out)?,
    }
    write_str(out, "log_probs")?;
    match log_probs {
        Some(log_probs) => {
            write_length(out, log_probs.len())?;
            for log_prob in log_probs {
                write_f64(out, *log_prob)?;
            }
        }
        None => write_nil(out)?,
    }
    write_str(out, "top_logprobs")?;
    write_nil(out)?;
    write_str(out, "finish_reason")?;
    match chunk.finish_reason.as_ref().and_then(name) {
        Some(reason) => write_str(out, reason)?,
        None => write_nil(out)?,
    }
    write_str(out, "index")?;
    match chunk.index {
        Some(index) => {
            write_uint(out, u64::from(index))?;
        }
        None => write_nil(out)?,
    }
    write_str(out, "complete_final")?;
    write_bool(out, false)
}

fn write_length(out: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let length = u32::try_from(length).map_err(io::Error::other)?;
    write_array_len(out, length)?;
    Ok(())
}

/// `None`: an error, which has a message beside its name.
fn name(reason: &FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::EoS => Some("eos"),
        FinishReason::Length => Some("length"),
        FinishReason::Stop => Some("stop"),
        FinishReason::Error(_) => None,
        FinishReason::Cancelled => Some("cancelled"),
        FinishReason::ContentFilter => Some("content_filter"),
    }
}

#[cfg(test)]
mod tests;
