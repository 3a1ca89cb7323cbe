//! Images and videos in blocks, as engines have them in Python.

use std::fmt::{Arguments, Display};

use dynamo_backend_worker::publish::{BlockExtraInfo, BlockMmObjectInfo, mm_hash};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::blocks::{items, refused, shown};
use crate::convert::integers;

/// Reads `[{"mm_objects": [{"mm_hash": hash, "offsets": [(start, end), …]}, …]}, None, …]`.
pub(super) fn read(
    infos: &Bound<'_, PyAny>,
    place: impl Display,
) -> PyResult<Vec<Option<BlockExtraInfo>>> {
    items(infos, &place, "one entry for each block")?
        .enumerate()
        .map(|(number, info)| {
            let info = info?;
            if info.is_none() {
                return Ok(None);
            }
            let key = intern!(info.py(), "mm_objects");
            let objects = wanted(&info, key, format_args!("{place}[{number}]"))?;
            let of_objects = format_args!("{place}[{number}]['mm_objects']");
            let mm_objects = items(&objects, of_objects, "images and videos")?
                .enumerate()
                .map(|(at, object)| self::object(&object?, format_args!("{of_objects}[{at}]")))
                .collect::<PyResult<_>>()?;
            Ok(Some(BlockExtraInfo { mm_objects }))
        })
        .collect()
}

fn object(object: &Bound<'_, PyAny>, place: Arguments<'_>) -> PyResult<BlockMmObjectInfo> {
    let py = object.py();
    let hash = wanted(object, intern!(py, "mm_hash"), place)?;
    let mm_hash = hash_of(&hash).ok_or_else(|| {
        wrong(
            &hash,
            format!("{place}['mm_hash']"),
            "an int of 64 bits, or a str that is not empty",
        )
    })?;
    let offsets = match object.cast::<PyDict>() {
        Ok(object) => object.get_item(intern!(py, "offsets"))?,
        Err(_) => None,
    };
    let offsets = match offsets.filter(|offsets| !offsets.is_none()) {
        Some(offsets) => ranges(&offsets, format_args!("{place}['offsets']"))?,
        None => Vec::new(),
    };
    Ok(BlockMmObjectInfo { mm_hash, offsets })
}

/// A hash, or a name that the router shortens to one.
fn hash_of(value: &Bound<'_, PyAny>) -> Option<u64> {
    if let Ok(name) = value.cast::<PyString>() {
        return mm_hash(name.to_str().ok()?);
    }
    let signed = integers::of_any(value).map(i64::cast_unsigned);
    signed.or_else(|| integers::of_any(value))
}

fn ranges(offsets: &Bound<'_, PyAny>, place: Arguments<'_>) -> PyResult<Vec<(usize, usize)>> {
    let accepted = "(start, end) pairs";
    items(offsets, place, accepted)?
        .enumerate()
        .map(|(number, range)| {
            let range = range?;
            let read = |range: &Bound<'_, PyAny>| {
                let mut ends = range.try_iter().ok()?;
                let mut end = || integers::of_any::<u32>(&ends.next()?.ok()?);
                let pair = (end()? as usize, end()? as usize);
                ends.next().is_none().then_some(pair)
            };
            read(&range).ok_or_else(|| {
                wrong(
                    &range,
                    format!("{place}[{number}]"),
                    "(start, end), tokens of the block counted from 0",
                )
            })
        })
        .collect()
}

fn wanted<'py>(
    of: &Bound<'py, PyAny>,
    key: &Bound<'py, PyString>,
    place: Arguments<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let found = match of.cast::<PyDict>() {
        Ok(of) => of.get_item(key)?,
        Err(_) => None,
    };
    found.ok_or_else(|| wrong(of, place, &format!("a dict with {}", shown(key))))
}

fn wrong(value: &Bound<'_, PyAny>, place: impl Display, accepted: &str) -> PyErr {
    let message = format!("{place} is {}; accepted: {accepted}", shown(value));
    refused(value.py(), message)
}
