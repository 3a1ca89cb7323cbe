//! What the functions of an engine's table take, read.

use std::ffi::c_void;
use std::future::Future;
use std::sync::Arc;

use dynamo_engine_abi as abi;
use dynamo_engine_abi::Status;
use serde_json::{Map, Value};

use super::entered::Entered;
use super::operation::{Answered, begin, give};
use crate::engine::Engine;
use crate::error::Error;

/// The argument of a call.
pub(super) struct Argument(Map<String, Value>);

impl Argument {
    /// # Safety
    ///
    /// `text` is lent for the call.
    pub(super) unsafe fn read(text: abi::Str) -> Result<Self, Error> {
        let bytes = unsafe { text.get() }.unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        serde_json::from_slice(bytes)
            .map(Self)
            .map_err(|error| Error::unknown(format!("the worker's argument: {error}")))
    }

    pub(super) fn object(self) -> Map<String, Value> {
        self.0
    }

    pub(super) fn take(&mut self, key: &str) -> Value {
        self.0.remove(key).unwrap_or_default()
    }

    pub(super) fn text(&self, key: &str) -> Result<String, Error> {
        let text = self.0.get(key).and_then(Value::as_str);
        text.map(str::to_owned)
            .ok_or_else(|| Error::unknown(format!("the worker's argument has no '{key}'")))
    }
}

/// Begins a call of `function`, whose future `call` makes.
///
/// # Safety
///
/// As a [`abi::Begin`] is called, with an engine of this type.
pub(super) unsafe fn call<E: Engine, F>(
    function: &'static str,
    data: *mut c_void,
    argument: abi::Str,
    operation: *mut abi::Operation,
    answer: *mut abi::Answer,
    call: impl FnOnce(Arc<Entered<E>>, Argument) -> F,
) -> Status
where
    F: Future<Output = Answered> + Send + 'static,
{
    let entered = unsafe { Entered::<E>::shared(data) };
    match unsafe { Argument::read(argument) } {
        Ok(argument) => {
            let future = call(entered.clone(), argument);
            unsafe { operation.write(begin(entered, function, future)) };
            Status::PENDING
        }
        Err(error) => give(Err(error), unsafe { &mut *answer }),
    }
}
