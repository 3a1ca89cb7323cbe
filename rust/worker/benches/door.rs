//! What a token costs more that comes through the door: the same engine compiled in, by the author's
//! crate, and as bare tables, in turns.
//!
//! ```text
//! cargo bench -p dynamo-backend-worker --bench door
//! ```
//!
//! Printed are nanoseconds a token, medians of the turns, and the difference to the engine that is
//! compiled in. Each answer has 10,000 tokens, a chunk each, and is read as fast as it comes: what is
//! measured is all that a stream does which never waits, and nothing of what sends its chunks. One that
//! waits asks at each wait to be woken by a stop, too.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use dynamo_backend_worker::engines::ForeignEngine;
use dynamo_backend_worker::testing::{Client, request};
use dynamo_backend_worker::{
    DynamoError, EngineConfig, EngineStream, LLMEngine, LLMEngineOutput, PreprocessedRequest,
    RequestContext,
};
use dynamo_engine::{Answer, Engine, Error, Exported, Finish, Host, Request, export};
use futures::StreamExt;

const TOKENS: u32 = 10_000;
const TURNS: usize = 101;

/// Compiled in.
struct Inside;

#[async_trait]
impl LLMEngine for Inside {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new("inside"))
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        Ok(Box::pin(async_stream::stream! {
            for &token in request.token_ids.iter() {
                if context.is_stopped() {
                    yield Ok(LLMEngineOutput::cancelled());
                    return;
                }
                yield Ok(LLMEngineOutput { token_ids: vec![token], ..Default::default() });
            }
            yield Ok(LLMEngineOutput::stop());
        }))
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

/// The same, from elsewhere.
struct Outside;

impl Engine for Outside {
    async fn start(
        &self,
        _host: Host,
        _worker_id: u64,
    ) -> Result<dynamo_engine::EngineConfig, Error> {
        Ok(dynamo_engine::EngineConfig::new("outside"))
    }

    async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        for &token in request.token_ids() {
            answer.token(token).await?;
        }
        Ok(Finish::stop())
    }

    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// As one in C is.
mod bare {
    use std::ffi::c_void;

    use dynamo_engine::abi::{
        Answer, Chunk, Engine, EngineTable, FinishReason, Header, Host, Operation, Request, Status,
        Str, Stream, StreamTable, TokenIds, Waker,
    };

    pub const ENGINE: Engine = Engine {
        table: &TABLE,
        data: std::ptr::null_mut(),
    };

    const TABLE: EngineTable = EngineTable {
        header: Header::of::<EngineTable>(0),
        name: Str::lend("bare"),
        attach: Some(attach),
        configure: None,
        start: Some(nothing),
        generate: Some(generate),
        abort: None,
        watch: None,
        drain: None,
        is_quiescent: None,
        cleanup: Some(nothing),
        setup_metrics: None,
        metrics_text: None,
        kv_event_sources: None,
        health_check_payload: None,
        on_adapter_cards: None,
        supported_controls: None,
        engine_control: None,
        validate_engine_control: None,
        supported_updates: None,
        engine_update: None,
        release: Some(release),
    };

    const STREAM: StreamTable = StreamTable {
        header: Header::of::<StreamTable>(0),
        poll: Some(poll),
        release: Some(release_stream),
    };

    struct Streaming {
        request: *const Request,
        next: usize,
    }

    unsafe extern "C" fn attach(_: *mut c_void, _: *const Host) {}

    unsafe extern "C" fn nothing(
        _: *mut c_void,
        _: Str,
        _: *mut Operation,
        _: *mut Answer,
    ) -> Status {
        Status::READY
    }

    unsafe extern "C" fn generate(
        _: *mut c_void,
        request: *const Request,
        stream: *mut Stream,
        _: *mut Answer,
    ) -> Status {
        let data = Box::into_raw(Box::new(Streaming { request, next: 0 })).cast();
        unsafe {
            stream.write(Stream {
                table: &STREAM,
                data,
            })
        };
        Status::READY
    }

    unsafe extern "C" fn poll(data: *mut c_void, _: *const Waker, chunk: *mut Chunk) -> Status {
        let streaming = unsafe { &mut *data.cast::<Streaming>() };
        let (request, chunk) = unsafe { (&*streaming.request, &mut *chunk) };
        let is_stopped = unsafe { &*request.table }.is_stopped;
        if is_stopped.is_some_and(|is_stopped| unsafe { is_stopped(request.data) }) {
            chunk.finish_reason = FinishReason::CANCELLED;
            streaming.next = usize::MAX;
            return Status::READY;
        }
        let prompt = request.token_ids;
        if streaming.next < prompt.len {
            let ptr = unsafe { prompt.ptr.add(streaming.next) };
            chunk.token_ids = TokenIds { ptr, len: 1 };
        } else if streaming.next == prompt.len {
            chunk.finish_reason = FinishReason::STOP;
        } else {
            return Status::DONE;
        }
        streaming.next += 1;
        Status::READY
    }

    unsafe extern "C" fn release_stream(data: *mut c_void) {
        drop(unsafe { Box::from_raw(data.cast::<Streaming>()) });
    }

    unsafe extern "C" fn release(_: *mut c_void) {}
}

/// Nanoseconds a token of one answer.
async fn answer(engine: &dyn LLMEngine) -> f64 {
    let (_client, context) = Client::new("bench", Default::default());
    let asked = request(0..TOKENS);
    let begun = Instant::now();
    let mut stream = engine.generate(asked, context).await.expect("it answers");
    let mut tokens = 0;
    while let Some(chunk) = stream.next().await {
        tokens += chunk.expect("it is a chunk").token_ids.len();
    }
    drop(stream);
    let took = begun.elapsed();
    assert_eq!(tokens, TOKENS as usize);
    took.as_nanos() as f64 / f64::from(TOKENS)
}

fn entered(mut engine: dynamo_engine::abi::Engine) -> ForeignEngine {
    // SAFETY: it is an engine, whose table lives as long as the process.
    unsafe { ForeignEngine::take(std::ptr::NonNull::from(&mut engine), Box::new(())) }
        .expect("it is taken")
}

fn by_the_authors_crate() -> ForeignEngine {
    let raw = export(Outside).into_raw();
    // SAFETY: it is an engine, and nobody else has it.
    let taken = unsafe { ForeignEngine::take(raw, Box::new(())) };
    // SAFETY: it comes from `into_raw`; its engine was taken out of it.
    drop(unsafe { Exported::from_raw(raw) });
    taken.expect("it is taken")
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let engines: [(&str, Arc<dyn LLMEngine>); 3] = [
        ("compiled in", Arc::new(Inside)),
        ("the author's crate", Arc::new(by_the_authors_crate())),
        ("bare tables", Arc::new(entered(bare::ENGINE))),
    ];
    let mut taken = vec![Vec::with_capacity(TURNS); engines.len()];
    for turn in 0..TURNS {
        for place in 0..engines.len() {
            let number = (turn + place) % engines.len();
            taken[number].push(runtime.block_on(answer(&*engines[number].1)));
        }
    }
    let medians: Vec<f64> = taken
        .iter_mut()
        .map(|times| {
            times.sort_by(f64::total_cmp);
            times[TURNS / 2]
        })
        .collect();
    println!("{:<20} {:>9} {:>9}", "", "ns/token", "more");
    for ((name, _), median) in engines.iter().zip(&medians) {
        println!("{name:<20} {median:>9.1} {:>+9.1}", median - medians[0]);
    }
}
