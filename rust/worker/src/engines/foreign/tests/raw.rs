//! An engine of bare tables, as one in C is, that says what a test has it say.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dynamo_engine_abi as abi;
use dynamo_engine_abi::{Header, Status, host_feature};
use dynamo_runtime::error::DynamoError;

use crate::engines::ForeignEngine;

/// What a stream does when it is polled.
pub(super) type Step = fn(&mut abi::Chunk) -> Status;

/// What an engine's streams say, poll by poll, and what was done with them.
#[derive(Default)]
pub(super) struct Script {
    steps: Vec<Step>,
    pub(super) polls: AtomicUsize,
    pub(super) streams_released: AtomicUsize,
    pub(super) engines_released: AtomicUsize,
    /// The keys of requests that were aborted, added up.
    pub(super) aborted: AtomicU64,
}

/// Of an engine that keeps to the rules, but for what is changed.
pub(super) fn table() -> abi::EngineTable {
    abi::EngineTable {
        header: Header::of::<abi::EngineTable>(0),
        name: abi::Str::lend("Raw"),
        attach: Some(attach),
        configure: None,
        start: Some(start),
        generate: Some(generate),
        abort: Some(abort),
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
    }
}

/// Takes an engine with this table, and what lives as long as it does.
pub(super) fn take_keeping<K: Send + Sync + 'static>(
    table: abi::EngineTable,
    steps: Vec<Step>,
    keep: K,
) -> (Result<ForeignEngine, DynamoError>, Arc<Script>) {
    struct Kept<K>(
        #[allow(dead_code)] K,
        #[allow(dead_code)] Box<abi::EngineTable>,
    );
    // SAFETY: of a test's own.
    unsafe impl<K: Send> Send for Kept<K> {}
    // SAFETY: as above.
    unsafe impl<K: Sync> Sync for Kept<K> {}

    let script = Arc::new(Script {
        steps,
        ..Default::default()
    });
    let table = Box::new(table);
    let mut engine = abi::Engine {
        table: &*table,
        data: Arc::as_ptr(&script).cast_mut().cast(),
    };
    let kept = Box::new(Kept((keep, script.clone()), table));
    // SAFETY: the table is one, and all that it points to is kept.
    let taken = unsafe { ForeignEngine::take(NonNull::from(&mut engine), kept) };
    assert_eq!(
        taken.is_ok(),
        engine.table.is_null(),
        "an engine is taken, or left"
    );
    (taken, script)
}

pub(super) fn take(table: abi::EngineTable) -> Result<ForeignEngine, DynamoError> {
    take_keeping(table, Vec::new(), ()).0
}

/// One whose streams take these steps.
pub(super) fn scripted(steps: Vec<Step>) -> (ForeignEngine, Arc<Script>) {
    let (engine, script) = take_keeping(table(), steps, ());
    (engine.unwrap(), script)
}

unsafe extern "C" fn attach(_: *mut c_void, host: *const abi::Host) {
    let host = unsafe { &*host };
    let table = unsafe { &*host.table };
    let features = host_feature::UPDATES | host_feature::KV_LORA_NAME;
    assert_eq!(table.header, Header::of::<abi::HostTable>(features));
}

pub(super) unsafe extern "C" fn nothing(
    _: *mut c_void,
    _: abi::Str,
    _: *mut abi::Operation,
    _: *mut abi::Answer,
) -> Status {
    Status::READY
}

unsafe extern "C" fn start(
    _: *mut c_void,
    argument: abi::Str,
    _: *mut abi::Operation,
    answer: *mut abi::Answer,
) -> Status {
    assert_eq!(
        unsafe { argument.get() },
        Some(&br#"{"worker_id":"7"}"#[..])
    );
    let config = abi::Str::lend(r#"{"model": "raw", "context_length": 128}"#);
    unsafe { (*answer).text = abi::Text::constant(config) };
    Status::READY
}

struct Streaming {
    script: *const Script,
    next: usize,
}

pub(super) unsafe extern "C" fn generate(
    data: *mut c_void,
    _: *const abi::Request,
    stream: *mut abi::Stream,
    _: *mut abi::Answer,
) -> Status {
    let streaming = Box::new(Streaming {
        script: data.cast(),
        next: 0,
    });
    let data = Box::into_raw(streaming).cast();
    unsafe {
        stream.write(abi::Stream {
            table: &STREAM,
            data,
        })
    };
    Status::READY
}

pub(super) const STREAM: abi::StreamTable = abi::StreamTable {
    header: Header::of::<abi::StreamTable>(0),
    poll: Some(poll),
    release: Some(release_stream),
};

unsafe extern "C" fn poll(
    data: *mut c_void,
    waker: *const abi::Waker,
    chunk: *mut abi::Chunk,
) -> Status {
    let streaming = unsafe { &mut *data.cast::<Streaming>() };
    let script = unsafe { &*streaming.script };
    script.polls.fetch_add(1, Ordering::SeqCst);
    let Some(step) = script.steps.get(streaming.next) else {
        return Status::DONE;
    };
    streaming.next += 1;
    let status = step(unsafe { &mut *chunk });
    if status == Status::PENDING {
        let waker = unsafe { &*waker };
        let wake = unsafe { &*waker.table }.wake.unwrap();
        unsafe { wake(waker.data) };
    }
    status
}

unsafe extern "C" fn release_stream(data: *mut c_void) {
    let streaming = unsafe { Box::from_raw(data.cast::<Streaming>()) };
    let script = unsafe { &*streaming.script };
    assert_eq!(
        script.engines_released.load(Ordering::SeqCst),
        0,
        "behind its engine"
    );
    script.streams_released.fetch_add(1, Ordering::SeqCst);
}

unsafe extern "C" fn abort(data: *mut c_void, key: u64) {
    let script = unsafe { &*data.cast::<Script>() };
    script.aborted.fetch_add(key, Ordering::SeqCst);
}

unsafe extern "C" fn release(data: *mut c_void) {
    let script = unsafe { &*data.cast::<Script>() };
    script.engines_released.fetch_add(1, Ordering::SeqCst);
}
