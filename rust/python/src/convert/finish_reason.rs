//! Why a stream ended, as Dynamo, vLLM and SGLang write it.

use dynamo_backend_worker::FinishReason;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::shown::described;

/// A finish reason, and what SGLang tells with it.
pub(super) struct Ending<'py> {
    pub(super) reason: Option<FinishReason>,
    /// The token or the text that ended the output.
    pub(super) stop: Option<Bound<'py, PyAny>>,
}

pub(super) fn from_python<'py>(value: &Bound<'py, PyAny>) -> Result<Ending<'py>, String> {
    if value.is_none() {
        return Ok(Ending {
            reason: None,
            stop: None,
        });
    }
    let read = match value.cast::<PyDict>() {
        Ok(dict) => of_dict(dict),
        Err(_) => of_text(value).map(|reason| Ending {
            reason: Some(reason),
            stop: None,
        }),
    };
    read.ok_or_else(|| {
        format!(
            "yielded a chunk whose 'finish_reason' is {}; accepted: 'stop', 'eos', 'length', \
             'cancelled', 'abort', 'content_filter', 'error: MESSAGE', a dict with one of them as \
             'type', or None",
            described(value)
        )
    })
}

/// A text, or a member of an enum whose value is one, or which is shown as one, as vLLM's.
fn of_text(value: &Bound<'_, PyAny>) -> Option<FinishReason> {
    if let Ok(text) = value.cast::<PyString>() {
        return text.to_str().ok()?.parse().ok();
    }
    let own = value.getattr("value").ok()?;
    let text = own.cast_into::<PyString>().or_else(|_| value.str()).ok()?;
    text.to_str().ok()?.parse().ok()
}

/// SGLang's, `{"type": "stop", "matched": 2}`, or Dynamo's own, `{"error": "message"}`.
fn of_dict<'py>(dict: &Bound<'py, PyDict>) -> Option<Ending<'py>> {
    let get = |key| dict.get_item(key).ok()?.filter(|value| !value.is_none());
    let message = |key| Some(FinishReason::Error(get(key)?.str().ok()?.to_string()));
    let reason = match get("type") {
        None => message("error")?,
        Some(kind) => match of_text(&kind)? {
            // SGLang aborts with a status what it could not serve, and without what nobody wants.
            FinishReason::Cancelled if get("status_code").is_some() => {
                message("message").unwrap_or(FinishReason::Cancelled)
            }
            reason @ FinishReason::Error(_) => message("message").unwrap_or(reason),
            reason => reason,
        },
    };
    let stop = get("matched").filter(|_| reason == FinishReason::Stop);
    Some(Ending {
        reason: Some(reason),
        stop,
    })
}
