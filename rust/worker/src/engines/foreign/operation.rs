//! A call of an engine's, which takes its time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynamo_engine_abi as abi;
use dynamo_engine_abi::{Begin, Status, crossing};
use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use super::check::whole;
use super::lent::{Given, error};
use super::taken::Taken;

/// What a call came to: the JSON that it answered, as text, or nothing.
pub(super) type Answered = Result<Option<Vec<u8>>, DynamoError>;

/// Calls `begin`, where the engine has it; `None`: it does not.
pub(super) async fn call(
    engine: &Arc<Taken>,
    function: &'static str,
    begin: Option<Begin>,
    argument: Option<Value>,
) -> Option<Answered> {
    let call = Calling::begin(engine, function, begin?, argument);
    Some(call.await)
}

/// A call that was begun. Dropped, it is cancelled.
struct Calling {
    function: &'static str,
    operation: Raw,
    table: Option<abi::OperationTable>,
    /// What it answered at once.
    at_once: Option<Answered>,
    engine: Arc<Taken>,
}

struct Raw(abi::Operation);

// SAFETY: an operation's functions may be called on any thread, one at a time.
unsafe impl Send for Raw {}

impl Calling {
    fn begin(
        engine: &Arc<Taken>,
        function: &'static str,
        begin: Begin,
        argument: Option<Value>,
    ) -> Self {
        let argument = argument.map(|argument| argument.to_string());
        let lent = argument.as_deref().map_or(abi::Str::NONE, abi::Str::lend);
        let (mut operation, mut answer) = (abi::Operation::NONE, abi::Answer::NONE);
        // SAFETY: the engine is ours, and what it is lent lives for the call.
        let status = unsafe { begin(engine.data, lent, &mut operation, &mut answer) };
        let mut calling = Self {
            function,
            operation: Raw(operation),
            table: None,
            at_once: None,
            engine: engine.clone(),
        };
        if status == Status::PENDING {
            match unsafe { whole(operation.table) } {
                Ok(table) if table.poll.is_some() && table.release.is_some() => {
                    calling.table = Some(table);
                }
                Ok(_) => {
                    calling.at_once =
                        Some(calling.wrong("began an operation without poll or release"))
                }
                Err(wrong) => {
                    let wrong = format!("began an operation {wrong}");
                    calling.at_once = Some(calling.wrong(&wrong));
                }
            }
        } else {
            calling.at_once = Some(calling.answered(status, answer));
        }
        calling
    }

    fn wrong(&self, what: &str) -> Answered {
        Err(self.engine.fault(self.function, what))
    }

    fn answered(&self, status: Status, answer: abi::Answer) -> Answered {
        // SAFETY: what a call answers is given to us.
        let given = unsafe { Given::take(answer.text) };
        let bytes = match given.bytes() {
            Ok(bytes) => bytes,
            Err(wrong) => return self.wrong(&format!("answered: {wrong}")),
        };
        match status {
            Status::READY => Ok((!given.is_none()).then(|| bytes.to_vec())),
            Status::FAILED => {
                let from = format!("{}.{}", self.engine.name, self.function);
                Err(error(answer.kind, bytes, &from))
            }
            other => self.wrong(&format!(
                "answered the status {}, which is none of a call",
                other.0
            )),
        }
    }
}

impl Future for Calling {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        if let Some(answered) = self.at_once.take() {
            return Poll::Ready(answered);
        }
        let Some(poll) = self.table.and_then(|table| table.poll) else {
            return Poll::Ready(self.wrong("was polled after its end"));
        };
        let waker = crossing::lend_waker(cx.waker());
        let mut answer = abi::Answer::NONE;
        // SAFETY: the operation is ours, and this is its only call.
        let status = unsafe { poll(self.operation.0.data, &waker, &mut answer) };
        if status == Status::PENDING {
            return Poll::Pending;
        }
        let answered = self.answered(status, answer);
        self.release();
        Poll::Ready(answered)
    }
}

impl Calling {
    fn release(&mut self) {
        if let Some(release) = self.table.take().and_then(|table| table.release) {
            // SAFETY: the operation is ours, and this is its end.
            unsafe { release(self.operation.0.data) }
        }
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.release();
    }
}
