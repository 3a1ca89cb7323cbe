//! Log probabilities of an output: `LogprobsLists`, which are numpy's arrays.
//!
//! One row for each token of the output: the token that was sampled first, then the likeliest ones,
//! best first. A row is as long as the request of the batch with the most candidates wants it.

use std::ops::Deref;

use crate::msgpack::Cursor;

/// How `vllm.v1.serial_utils` marks an array whose bytes are in the message itself.
const RAW_VIEW: i8 = 3;

/// As vLLM's own server has it where there is no number: JSON has no infinity.
const LEAST: f64 = -9999.0;

/// Log probabilities of all tokens of an output.
#[derive(Debug)]
pub struct Logprobs<'a> {
    token_ids: Array<'a>,
    logprobs: Array<'a>,
    ranks: Array<'a>,
    columns: usize,
}

/// A token and how likely it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The token.
    pub token_id: u32,
    /// The logarithm of its probability, -9999 at least.
    pub logprob: f64,
    /// How many tokens are as likely or likelier, itself among them.
    pub rank: u32,
}

impl<'a> Logprobs<'a> {
    /// Reads what an output of `tokens` tokens has; `frames` are all of its message.
    ///
    /// `None` where it is of another form, or has not a row for each token.
    pub fn read<F>(raw: &'a [u8], frames: &'a [F], tokens: usize) -> Option<Self>
    where
        F: Deref<Target = [u8]>,
    {
        let mut cursor = Cursor::at(raw);
        if cursor.array()? < 3 {
            return None;
        }
        let token_ids = Array::read(&mut cursor, frames)?;
        let logprobs = Array::read(&mut cursor, frames)?;
        let ranks = Array::read(&mut cursor, frames)?;
        let columns = token_ids.columns;
        let alike = token_ids.rows == logprobs.rows && columns == logprobs.columns;
        let fits = token_ids.rows == tokens && ranks.rows == tokens && ranks.columns == 1;
        (alike && fits && columns > 0).then_some(Self {
            token_ids,
            logprobs,
            ranks,
            columns,
        })
    }

    /// The token that was sampled in a row.
    pub fn sampled(&self, row: usize) -> Option<Candidate> {
        let rank = self.ranks.number(row)?;
        self.candidate(row, 0, rank)
    }

    /// The likeliest `most` tokens of a row, best first.
    pub fn likeliest(&self, row: usize, most: usize) -> impl Iterator<Item = Candidate> {
        let last = most.min(self.columns - 1);
        (1..=last).filter_map(move |column| self.candidate(row, column, column as u32))
    }

    fn candidate(&self, row: usize, column: usize, rank: u32) -> Option<Candidate> {
        let place = row * self.columns + column;
        Some(Candidate {
            token_id: self.token_ids.number(place)?,
            logprob: self.logprobs.float(place)?.max(LEAST),
            rank,
        })
    }
}

/// An array of one or two dimensions.
#[derive(Debug)]
struct Array<'a> {
    kind: Kind,
    rows: usize,
    columns: usize,
    bytes: &'a [u8],
}

/// Of what an array is, in little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    I32,
    I64,
    F32,
    F64,
}

impl Kind {
    fn named(dtype: &str) -> Option<Self> {
        Some(match dtype {
            "<i4" | "<u4" => Self::I32,
            "<i8" | "<u8" => Self::I64,
            "<f4" => Self::F32,
            "<f8" => Self::F64,
            _ => return None,
        })
    }

    fn width(self) -> usize {
        match self {
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }
}

impl<'a> Array<'a> {
    fn read<F>(cursor: &mut Cursor<'a>, frames: &'a [F]) -> Option<Self>
    where
        F: Deref<Target = [u8]>,
    {
        if cursor.array()? != 3 {
            return None;
        }
        let kind = Kind::named(cursor.text()?)?;
        let (rows, columns) = match cursor.array()? {
            1 => (cursor.unsigned()?, 1),
            2 => (cursor.unsigned()?, cursor.unsigned()?),
            _ => return None,
        };
        let mut number = *cursor;
        let bytes = match number.unsigned::<usize>() {
            Some(frame) => {
                *cursor = number;
                frames.get(frame)?
            }
            None => cursor.extension(RAW_VIEW)?,
        };
        let size = kind.width().checked_mul(rows)?.checked_mul(columns)?;
        (bytes.len() == size).then_some(Self {
            kind,
            rows,
            columns,
            bytes,
        })
    }

    fn number(&self, place: usize) -> Option<u32> {
        match self.kind {
            Kind::I32 => Some(u32::from_le_bytes(self.item(place)?)),
            Kind::I64 => u64::from_le_bytes(self.item(place)?).try_into().ok(),
            Kind::F32 | Kind::F64 => None,
        }
    }

    fn float(&self, place: usize) -> Option<f64> {
        match self.kind {
            Kind::F32 => Some(f32::from_le_bytes(self.item(place)?).into()),
            Kind::F64 => Some(f64::from_le_bytes(self.item(place)?)),
            Kind::I32 | Kind::I64 => None,
        }
    }

    fn item<const N: usize>(&self, place: usize) -> Option<[u8; N]> {
        self.bytes
            .get(place.checked_mul(N)?..)?
            .first_chunk()
            .copied()
    }
}

#[cfg(test)]
mod tests;
