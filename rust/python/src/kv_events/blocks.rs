//! Blocks of the KV cache as engines have them in Python: hashes and tokens of many types.

use std::fmt::Display;

use dynamo_backend_worker::publish::StoredBlock;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::place::Place;
use crate::convert::integers;
use crate::convert::type_name::type_name;
use crate::errors;
use crate::token_ids::TokenIds;

/// Characters of a value that an error shows.
const SHOWN: usize = 80;

/// Reads `[(hash, tokens), …]`.
pub(super) fn of_pairs(place: Place, blocks: &Bound<'_, PyAny>) -> PyResult<Vec<StoredBlock>> {
    items(blocks, place.argument("blocks"), "(hash, tokens) pairs")?
        .enumerate()
        .map(|(number, item)| {
            let place = || format!("{place}: block {number}, counted from 0");
            let (hash, token_ids) = pair(&item?, place)?;
            Ok(StoredBlock {
                block_hash: self::hash(&hash, || format!("{}: the hash", place()))?,
                token_ids: tokens(&token_ids, place)?,
            })
        })
        .collect()
}

/// Reads the hashes of blocks, and the tokens of all of them in one sequence. Blocks of Eagle's
/// `overlap` by a token.
pub(super) fn of_flat(
    place: Place,
    block_hashes: &Bound<'_, PyAny>,
    token_ids: &Bound<'_, PyAny>,
    block_size: u32,
    overlap: bool,
) -> PyResult<Vec<StoredBlock>> {
    let hashes = hashes(block_hashes, place.argument("blocks"))?;
    let tokens = tokens(token_ids, || place.argument("token_ids").to_string())?;
    let (step, overlap) = (block_size as usize, usize::from(overlap));
    let wanted = hashes.len() * step + overlap.min(hashes.len());
    if tokens.len() != wanted {
        let behind = match overlap {
            0 => "",
            _ => " with the token behind them",
        };
        return Err(refused(
            token_ids.py(),
            format!(
                "{place}: token_ids has {} tokens, and {} blocks of {block_size} tokens{behind} \
                 have {wanted}",
                tokens.len(),
                hashes.len()
            ),
        ));
    }
    let windows = tokens.windows(step + overlap).step_by(step);
    let blocks = hashes
        .into_iter()
        .zip(windows)
        .map(|(block_hash, tokens)| StoredBlock {
            block_hash,
            token_ids: tokens.to_vec(),
        });
    Ok(blocks.collect())
}

/// Reads the hashes of blocks.
pub(super) fn hashes(block_hashes: &Bound<'_, PyAny>, place: impl Display) -> PyResult<Vec<u64>> {
    items(block_hashes, &place, "hashes")?
        .enumerate()
        .map(|(number, item)| hash(&item?, || format!("{place}[{number}]")))
        .collect()
}

/// Reads a hash: 64 bits, signed or not, or the last 8 bytes of a digest, as vLLM shortens it.
pub(super) fn hash(value: &Bound<'_, PyAny>, place: impl Fn() -> String) -> PyResult<u64> {
    let wrong = |accepted: &str| {
        refused(
            value.py(),
            format!("{} is {}; accepted: {accepted}", place(), shown(value)),
        )
    };
    if let Ok(digest) = value.cast::<PyBytes>() {
        return digest
            .as_bytes()
            .last_chunk()
            .map(|last| u64::from_be_bytes(*last))
            .ok_or_else(|| wrong("bytes, 8 or more"));
    }
    let signed = integers::of_any(value).map(i64::cast_unsigned);
    let number = signed.or_else(|| integers::of_any(value));
    number.ok_or_else(|| wrong("an int of 64 bits, signed or not, or bytes"))
}

/// A value in an error: long ones are cut.
pub(super) fn shown(value: &Bound<'_, PyAny>) -> String {
    let text = value
        .repr()
        .map_or_else(|_| "?".into(), |text| text.to_string());
    let kind = type_name(value);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… (of type {kind})", &text[..end]),
        None => format!("{text} (of type {kind})"),
    }
}

/// Reads tokens: a list or a tuple, a prompt, an array, or anything else that gives integers.
fn tokens(value: &Bound<'_, PyAny>, place: impl Fn() -> String) -> PyResult<Vec<u32>> {
    if let Ok(list) = value.cast::<PyList>()
        && let Some(tokens) = integers::of_list(list)
    {
        return Ok(tokens);
    }
    if let Ok(tuple) = value.cast::<PyTuple>()
        && let Some(tokens) = integers::of_tuple(tuple)
    {
        return Ok(tokens);
    }
    if let Ok(prompt) = value.cast::<TokenIds>() {
        return Ok(prompt.get().to_vec());
    }
    if let Some(tokens) = integers::of_array(value, usize::MAX) {
        return Ok(tokens);
    }
    items(value, format!("{}: the tokens", place()), "integers")?
        .enumerate()
        .map(|(number, item)| {
            let item = item?;
            let token = integers::small(&item).or_else(|| integers::of_any(&item));
            token.ok_or_else(|| {
                refused(
                    item.py(),
                    format!(
                        "{}: token {number} is {}; accepted: integers from 0 to {}",
                        place(),
                        shown(&item),
                        u32::MAX
                    ),
                )
            })
        })
        .collect()
}

fn pair<'py>(
    item: &Bound<'py, PyAny>,
    place: impl Fn() -> String,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let tuple = match item.cast::<PyList>() {
        Ok(list) => Ok(list.to_tuple()),
        Err(_) => item.cast::<PyTuple>().cloned(),
    };
    tuple
        .ok()
        .and_then(|tuple| tuple.extract().ok())
        .ok_or_else(|| {
            refused(
                item.py(),
                format!(
                    "{}, is {}; accepted: (hash, tokens), or the hashes alone and token_ids as the \
                 second argument",
                    place(),
                    shown(item)
                ),
            )
        })
}

pub(super) fn items<'py>(
    value: &Bound<'py, PyAny>,
    place: impl Display,
    accepted: &str,
) -> PyResult<impl Iterator<Item = PyResult<Bound<'py, PyAny>>>> {
    value.try_iter().map_err(|_| {
        refused(
            value.py(),
            format!("{place}: {} is no sequence of {accepted}", shown(value)),
        )
    })
}

pub(super) fn refused(py: Python<'_>, message: String) -> PyErr {
    errors::invalid_argument(py, format!("{message}; nothing was published"))
}
