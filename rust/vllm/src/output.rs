//! What a step has for one request.

use crate::layout::{Layout, OutputField};
use crate::msgpack::{self, Cursor};

/// One output of a step.
#[derive(Debug)]
pub struct Output<'a> {
    /// As vLLM knows the request, which is not as its client does.
    pub request_id: &'a str,
    /// What it has, or the field that cannot be read.
    pub body: Result<Body<'a>, &'static str>,
    /// All of it, as it lies.
    pub(crate) raw: &'a [u8],
}

/// What an output has.
#[derive(Debug, Default)]
pub struct Body<'a> {
    /// The tokens that are new.
    pub tokens: Tokens<'a>,
    /// Why it is the last one; `None`: it is not.
    pub finish: Option<Finish>,
    /// The token or the text at which it stopped.
    pub stop: Option<Stop<'a>>,
    /// Log probabilities of the tokens: `LogprobsLists`, as it lies.
    pub logprobs: Option<&'a [u8]>,
    /// Tokens of the prompt that were in the cache; with the first output alone.
    pub cached_tokens: Option<u32>,
    /// Whether vLLM's statistics want to see it by itself: events, numbers that are none.
    pub is_eventful: bool,
}

/// Tokens where they lie: all of them were looked at.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

/// vLLM's `FinishReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// At a token or a text that ends the output.
    Stop,
    /// As long as was asked for, or as fits.
    Length,
    /// Somebody wanted no more.
    Abort,
    /// vLLM could not go on with it; another try may succeed.
    Error,
    /// The model repeated itself.
    Repetition,
}

/// What an output stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<'a> {
    /// A token.
    Token(i64),
    /// A text.
    Text(&'a str),
}

impl Layout {
    pub(crate) fn read_output<'a>(
        &self,
        cursor: &mut Cursor<'a>,
    ) -> Result<Output<'a>, &'static str> {
        let start = *cursor;
        let mut request_id = None;
        let body = self.read_body(cursor, &mut request_id);
        if body.is_err() {
            *cursor = start;
            cursor.value().ok_or("outputs")?;
        }
        Ok(Output {
            request_id: request_id.ok_or("request_id")?,
            body,
            raw: cursor.since(start),
        })
    }

    fn read_body<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        request_id: &mut Option<&'a str>,
    ) -> Result<Body<'a>, &'static str> {
        let mut body = Body::default();
        for place in 0..cursor.array().ok_or("EngineCoreOutput")? {
            let field = self.output.get(place as usize);
            match field.unwrap_or(&OutputField::Other) {
                OutputField::RequestId => *request_id = Some(cursor.text().ok_or("request_id")?),
                OutputField::NewTokenIds => {
                    body.tokens = Tokens::read(cursor).ok_or("new_token_ids")?;
                }
                _ if cursor.nil() => {}
                OutputField::FinishReason => {
                    body.finish = Some(Finish::read(cursor).ok_or("finish_reason")?);
                }
                OutputField::StopReason => {
                    body.stop = Some(Stop::read(cursor).ok_or("stop_reason")?);
                }
                OutputField::NewLogprobs => {
                    body.logprobs = Some(cursor.value().ok_or("new_logprobs")?);
                }
                OutputField::PrefillStats => {
                    body.cached_tokens = cached_tokens(cursor).ok_or("prefill_stats")?;
                }
                OutputField::Events => {
                    cursor.value().ok_or("events")?;
                    body.is_eventful = true;
                }
                OutputField::NumNansInLogits => {
                    body.is_eventful |= cursor.integer().ok_or("num_nans_in_logits")? > 0;
                }
                OutputField::TraceHeaders | OutputField::Other => {
                    cursor.value().ok_or("another field")?;
                }
            }
        }
        Ok(body)
    }

    /// The output in msgpack with what statistics need alone: not what may lie in other frames, nor
    /// what is not known here. Its last fields are left out where they are nil.
    pub fn for_statistics(&self, output: &Output<'_>) -> Vec<u8> {
        let mut cursor = Cursor::at(output.raw);
        let places = 0..cursor.array().unwrap_or_default();
        let values = places.map(|place| {
            let value = cursor.value().unwrap_or(msgpack::NIL);
            match self.output.get(place as usize) {
                None | Some(OutputField::NewLogprobs | OutputField::Other) => msgpack::NIL,
                Some(_) => value,
            }
        });
        let mut values: Vec<_> = values.collect();
        values.truncate(
            values
                .iter()
                .rposition(|it| *it != msgpack::NIL)
                .map_or(0, |it| it + 1),
        );
        let mut bytes = Vec::with_capacity(output.raw.len());
        msgpack::write_array(&mut bytes, values.len());
        values
            .iter()
            .for_each(|value| bytes.extend_from_slice(value));
        bytes
    }
}

impl<'a> Tokens<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let left = cursor.array()?;
        let here = *cursor;
        for _ in 0..left {
            cursor.unsigned::<u32>()?;
        }
        Some(Self { cursor: here, left })
    }
}

impl Default for Tokens<'_> {
    fn default() -> Self {
        Self {
            cursor: Cursor::at(&[]),
            left: 0,
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        self.cursor.unsigned()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Tokens<'_> {}

impl Finish {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(match cursor.integer()? {
            0 => Self::Stop,
            1 => Self::Length,
            2 => Self::Abort,
            3 => Self::Error,
            4 => Self::Repetition,
            _ => return None,
        })
    }
}

impl<'a> Stop<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut number = *cursor;
        match number.integer() {
            Some(token) => {
                *cursor = number;
                Some(Self::Token(token))
            }
            None => cursor.text().map(Self::Text),
        }
    }
}

/// Of `PrefillStats`, a map. `None`: it is none; `Some(None)`: it does not say.
fn cached_tokens(cursor: &mut Cursor<'_>) -> Option<Option<u32>> {
    let mut cached = None;
    for _ in 0..cursor.map()? {
        match cursor.text()? {
            "num_cached_tokens" => cached = Some(cursor.unsigned()?),
            _ => {
                cursor.value()?;
            }
        }
    }
    Some(cached)
}

#[cfg(test)]
mod tests;
