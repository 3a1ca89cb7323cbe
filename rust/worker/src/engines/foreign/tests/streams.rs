//! The life of a stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dynamo_engine::{Answer, Engine, EngineConfig, Error, Finish, Host, Request, export};
use dynamo_engine_abi as abi;
use dynamo_engine_abi::{FinishReason as Raw, Status};
use dynamo_llm::protocols::common::FinishReason;
use dynamo_runtime::error::DynamoError;
use futures::StreamExt;

use super::raw::{self, scripted, take};
use super::{enter, shared};
use crate::engine::LLMEngine;
use crate::error::{BackendError, kind};
use crate::testing::{Client, collect, request};

const TOKEN: raw::Step = |chunk| {
    chunk.token_ids = abi::TokenIds::lend(&[5]);
    Status::READY
};
const STOP: raw::Step = |chunk| {
    chunk.finish_reason = Raw::STOP;
    Status::READY
};
const WAIT: raw::Step = |_| Status::PENDING;

async fn error_of(steps: Vec<raw::Step>) -> DynamoError {
    let (engine, _) = scripted(steps);
    collect(Arc::new(engine), request([1]), None)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn chunks_come_in_their_order_whatever_is_waited_for() {
    let (engine, script) = scripted(vec![WAIT, TOKEN, WAIT, WAIT, TOKEN, STOP]);
    let chunks = collect(Arc::new(engine), request([1]), None).await.unwrap();
    let tokens: Vec<u32> = chunks
        .iter()
        .flat_map(|chunk| chunk.token_ids.clone())
        .collect();
    assert_eq!(tokens, [5, 5]);
    assert_eq!(
        chunks.last().unwrap().finish_reason,
        Some(FinishReason::Stop)
    );
    assert_eq!(script.streams_released.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_that_is_over_is_not_polled_again() {
    let (engine, script) = scripted(vec![TOKEN]);
    let (_, context) = Client::new("one", Default::default());
    let mut stream = engine.generate(request([1]), context).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    for _ in 0..3 {
        assert!(stream.next().await.is_none());
    }
    assert_eq!(script.polls.load(Ordering::SeqCst), 2);
    let failing: raw::Step = |chunk| {
        chunk.message = abi::Str::lend("no more");
        Status::FAILED
    };
    let (engine, script) = scripted(vec![TOKEN, failing, TOKEN]);
    let (_, context) = Client::new("one", Default::default());
    let mut stream = engine.generate(request([1]), context).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(
        stream.next().await.unwrap().unwrap_err().message(),
        "no more"
    );
    assert!(stream.next().await.is_none());
    assert_eq!(script.polls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_abort_names_the_request_by_its_key() {
    let (engine, script) = scripted(Vec::new());
    let (_, context) = Client::new("one", Default::default());
    let key = super::super::request::LentRequest::new(request([1]), context.clone())
        .raw()
        .key;
    engine.abort(context).await;
    assert_eq!(script.aborted.load(Ordering::SeqCst), key);
}

#[tokio::test]
async fn a_stream_of_the_authors_crate_answers_that_it_is_over_for_ever() {
    let engine = enter(export(Waits));
    let (client, context) = Client::new("one", Default::default());
    client.stop();
    let lent = super::super::request::LentRequest::new(request([1]), context);
    let mut stream = abi::Stream::NONE;
    let (generate, data) = (engine.engine.table.generate.unwrap(), engine.engine.data);
    let status = unsafe {
        generate(
            data,
            lent.raw(),
            &mut stream,
            &mut abi::Answer::NONE.clone(),
        )
    };
    assert_eq!(status, Status::READY);
    let table = unsafe { *stream.table };
    let waker = dynamo_engine_abi::crossing::lend_waker(std::task::Waker::noop());
    let poll = || {
        let mut chunk = abi::Chunk::EMPTY;
        let status = unsafe { table.poll.unwrap()(stream.data, &waker, &mut chunk) };
        (status, chunk.finish_reason)
    };
    assert_eq!(poll(), (Status::READY, Raw::CANCELLED));
    assert_eq!(poll(), (Status::DONE, Raw::NONE));
    assert_eq!(poll(), (Status::DONE, Raw::NONE));
    unsafe { table.release.unwrap()(stream.data) };
}

#[tokio::test]
async fn what_is_refused_at_once_is_an_error_before_there_is_a_stream() {
    let failing: raw::Step = |chunk| {
        chunk.error_kind = abi::ErrorKind::INVALID_ARGUMENT;
        chunk.message = abi::Str::lend("no such adapter");
        Status::FAILED
    };
    let (engine, script) = scripted(vec![failing]);
    let (_, context) = Client::new("one", Default::default());
    let refused = engine.generate(request([1]), context).await.err().unwrap();
    assert_eq!(kind(&refused), BackendError::InvalidArgument);
    assert_eq!(refused.message(), "no such adapter");
    assert_eq!(script.streams_released.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn errors_keep_their_kinds_and_have_a_message() {
    let kinds = [
        (abi::ErrorKind::UNKNOWN, BackendError::Unknown),
        (
            abi::ErrorKind::INVALID_ARGUMENT,
            BackendError::InvalidArgument,
        ),
        (abi::ErrorKind::CANNOT_CONNECT, BackendError::CannotConnect),
        (abi::ErrorKind::DISCONNECTED, BackendError::Disconnected),
        (
            abi::ErrorKind::CONNECTION_TIMEOUT,
            BackendError::ConnectionTimeout,
        ),
        (
            abi::ErrorKind::RESPONSE_TIMEOUT,
            BackendError::ResponseTimeout,
        ),
        (abi::ErrorKind::CANCELLED, BackendError::Cancelled),
        (
            abi::ErrorKind::ENGINE_SHUTDOWN,
            BackendError::EngineShutdown,
        ),
        (
            abi::ErrorKind::STREAM_INCOMPLETE,
            BackendError::StreamIncomplete,
        ),
        (abi::ErrorKind(77), BackendError::Unknown),
    ];
    for (raw, expected) in kinds {
        let error = super::super::lent::error(raw, b"went wrong", "Raw.start");
        assert_eq!((kind(&error), error.message()), (expected, "went wrong"));
        if raw.0 < 77 {
            assert_eq!(super::super::lent::code(expected), raw);
        }
    }
    let silent: raw::Step = |_| Status::FAILED;
    let error = error_of(vec![TOKEN, silent]).await;
    assert_eq!(error.message(), "Raw.generate failed without a message");
    let null: raw::Step = |chunk| {
        chunk.message = abi::Str {
            ptr: std::ptr::null(),
            len: 9,
        };
        Status::FAILED
    };
    let error = error_of(vec![null]).await;
    assert_eq!(error.message(), "Raw.generate failed without a message");
}

#[tokio::test]
async fn a_status_that_is_none_is_an_error() {
    let error = error_of(vec![TOKEN, |_| Status(9)]).await;
    let expected = "Raw.generate answered the status 9, which is none of a poll";
    assert_eq!(error.message(), expected);
}

#[tokio::test]
async fn a_stream_that_cannot_be_polled_is_an_error() {
    unsafe extern "C" fn pending(
        _: *mut std::ffi::c_void,
        _: *const abi::Request,
        _: *mut abi::Stream,
        _: *mut abi::Answer,
    ) -> Status {
        Status::PENDING
    }
    unsafe extern "C" fn without(
        _: *mut std::ffi::c_void,
        _: *const abi::Request,
        _: *mut abi::Stream,
        _: *mut abi::Answer,
    ) -> Status {
        Status::READY
    }
    unsafe extern "C" fn small(
        _: *mut std::ffi::c_void,
        _: *const abi::Request,
        stream: *mut abi::Stream,
        _: *mut abi::Answer,
    ) -> Status {
        const SMALL: abi::StreamTable = abi::StreamTable {
            header: abi::Header {
                size: 24,
                ..raw::STREAM.header
            },
            ..raw::STREAM
        };
        unsafe { (*stream).table = &SMALL };
        Status::READY
    }
    unsafe extern "C" fn needs_more(
        _: *mut std::ffi::c_void,
        _: *const abi::Request,
        stream: *mut abi::Stream,
        _: *mut abi::Answer,
    ) -> Status {
        const MORE: abi::StreamTable = abi::StreamTable {
            header: abi::Header {
                features: 1 << 40 | 1,
                ..raw::STREAM.header
            },
            ..raw::STREAM
        };
        unsafe { (*stream).table = &MORE };
        Status::READY
    }
    unsafe extern "C" fn null(
        _: *mut std::ffi::c_void,
        _: *const abi::Request,
        stream: *mut abi::Stream,
        _: *mut abi::Answer,
    ) -> Status {
        unsafe {
            (*stream).table = &abi::StreamTable {
                poll: None,
                ..raw::STREAM
            }
        };
        Status::READY
    }
    let wrong: [(abi::Generate, &str); 5] = [
        (
            pending,
            "answered the status 0, which is none of a generate",
        ),
        (without, "answered a stream without a table"),
        (
            small,
            "answered a stream with a table of version 0.1 and 24 bytes, where 0.1 has 32",
        ),
        (
            needs_more,
            "answered a stream with a table that needs features which this worker does not have: \
             0x0000010000000000",
        ),
        (null, "answered a stream without poll or release"),
    ];
    for (generate, expected) in wrong {
        let engine = take(abi::EngineTable {
            generate: Some(generate),
            ..raw::table()
        })
        .unwrap();
        let error = collect(Arc::new(engine), request([1]), None)
            .await
            .unwrap_err();
        assert_eq!(error.message(), format!("Raw.generate {expected}"));
        assert_eq!(kind(&error), BackendError::Unknown);
    }
}

/// Waits for ever once it has given a token.
struct Waits;

impl Engine for Waits {
    async fn start(&self, _host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
        Ok(EngineConfig::new("waits"))
    }
    async fn generate(&self, _request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        answer.token(1).await?;
        std::future::pending().await
    }
    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test]
async fn an_answer_that_waits_is_cancelled_when_its_client_leaves() {
    let stopped = collect(shared(export(Waits)), request([1]), Some(1));
    let chunks = tokio::time::timeout(Duration::from_secs(10), stopped)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        chunks.last().unwrap().finish_reason,
        Some(FinishReason::Cancelled)
    );
}

/// Ends its answer by itself when the request is stopped.
struct Heeds;

impl Engine for Heeds {
    async fn start(&self, _host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
        Ok(EngineConfig::new("heeds"))
    }
    async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        answer.token(1).await?;
        request.stopped().await;
        Ok(Finish::length())
    }
    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test]
async fn an_engine_that_waits_for_the_stop_sees_it() {
    let stopped = collect(shared(export(Heeds)), request([1]), Some(1));
    let chunks = tokio::time::timeout(Duration::from_secs(10), stopped)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        chunks.last().unwrap().finish_reason,
        Some(FinishReason::Length)
    );
}

/// Gives its tokens from a part of its future that has a waker of its own, and drops a call midway.
struct InParts;

impl Engine for InParts {
    async fn start(&self, _host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
        Ok(EngineConfig::new("in-parts"))
    }
    async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        // Polled once, and dropped: what it has put goes out all the same.
        futures::future::select(Box::pin(answer.token(9)), std::future::ready(())).await;
        let give = async {
            for &token in request.token_ids() {
                answer.token(token).await?;
            }
            Ok::<_, Error>(())
        };
        let parts = futures::stream::FuturesUnordered::new();
        parts.push(give);
        for given in parts.collect::<Vec<_>>().await {
            given?;
        }
        Ok(Finish::stop())
    }
    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test]
async fn a_part_of_a_future_is_woken_when_there_is_room() {
    let answered = collect(shared(export(InParts)), request([1, 2, 3]), None);
    let chunks = tokio::time::timeout(Duration::from_secs(10), answered)
        .await
        .unwrap()
        .unwrap();
    let tokens: Vec<u32> = chunks
        .iter()
        .flat_map(|chunk| chunk.token_ids.clone())
        .collect();
    assert_eq!(tokens, [9, 1, 2, 3]);
}
