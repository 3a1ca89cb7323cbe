//! Values that seldom come, of their usual shape; of every other they are `None`.

use dynamo_backend_worker::{StopReason, TopLogprob};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyList, PyString};

use crate::convert::integers;

pub(super) fn text(value: &Bound<'_, PyAny>) -> Option<String> {
    let text = value.cast::<PyString>().ok()?;
    text.to_str().ok().map(str::to_owned)
}

pub(super) fn stop_reason(value: &Bound<'_, PyAny>) -> Option<StopReason> {
    let token = integers::small(value).map(|token| StopReason::Int(token.into()));
    token.or_else(|| text(value).map(StopReason::String))
}

/// For each token, what it might have been.
pub(super) fn top_logprobs(value: &Bound<'_, PyAny>) -> Option<Vec<Vec<TopLogprob>>> {
    let of_token = |candidates: Bound<'_, PyAny>| {
        let candidates = candidates.cast_into::<PyList>().ok()?;
        candidates.iter().map(|each| top_logprob(&each)).collect()
    };
    let tokens = value.cast::<PyList>().ok()?;
    tokens.iter().map(of_token).collect()
}

fn top_logprob(value: &Bound<'_, PyAny>) -> Option<TopLogprob> {
    let dict = value.cast::<PyDict>().ok()?;
    let py = dict.py();
    let get = |key| dict.get_item(key).ok().flatten();
    let logprob = get(intern!(py, "logprob"))?.cast_into::<PyFloat>().ok()?;
    let token = get(intern!(py, "token"));
    let fields = 3 + usize::from(token.is_some());
    let top = TopLogprob {
        rank: integers::small(&get(intern!(py, "rank"))?)?,
        token_id: integers::small(&get(intern!(py, "token_id"))?)?,
        token: match token.filter(|token| !token.is_none()) {
            Some(token) => Some(text(&token)?),
            None => None,
        },
        logprob: Some(logprob.value()).filter(|logprob| logprob.is_finite())?,
        bytes: None,
    };
    (dict.len() == fields).then_some(top)
}
