//! What is taken, and what is refused.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use dynamo_engine::{Exported, export};
use dynamo_engine_abi as abi;
use dynamo_engine_abi::{MAJOR, MINOR, REQUIRED_FEATURES, Status};

use super::authors::Whole;
use super::raw::{self, take, take_keeping};
use crate::engine::LLMEngine;
use crate::engines::ForeignEngine;
use crate::error::{BackendError, kind};
use crate::testing::{Client, collect, request};

fn refused(change: impl FnOnce(&mut abi::EngineTable)) -> String {
    let mut table = raw::table();
    change(&mut table);
    let error = take(table).err().expect("it is refused");
    assert_eq!(kind(&error), BackendError::InvalidArgument);
    error.message().to_owned()
}

#[test]
fn an_engine_of_another_version_is_refused_with_what_to_do() {
    let older = refused(|table| table.header.minor = 0);
    let expected = format!(
        "the engine was built for version {MAJOR}.0 of the engine interface; this worker has \
         {MAJOR}.{MINOR}, and takes {MAJOR}.1 and later ones of {MAJOR}: build the engine again, with \
         a newer dynamo-engine"
    );
    assert_eq!(older, expected);
    let newer = refused(|table| table.header.major = MAJOR + 1);
    assert!(newer.ends_with(": update the worker"), "{newer}");
}

#[test]
fn a_table_that_is_too_small_is_refused_with_both_sizes() {
    let least = size_of::<abi::EngineTable>();
    for size in [0, 16, least - 1] {
        let message = refused(|table| table.header.size = size as u32);
        assert!(
            message.contains(&format!("a size of {size} bytes")),
            "{message}"
        );
        assert!(
            message.contains(&format!("interface has {least}")),
            "{message}"
        );
    }
}

#[test]
fn a_feature_that_must_be_understood_is_refused_and_others_are_not() {
    let message = refused(|table| table.header.features = 1 << 40 | 1);
    assert!(
        message.contains("0x0000010000000000 of the engine interface"),
        "{message}"
    );
    let mut table = raw::table();
    table.header.features = !REQUIRED_FEATURES;
    take(table).unwrap();
}

#[test]
fn a_table_without_a_name_or_a_function_is_refused() {
    let invalid: &'static [u8] = b"\xff";
    for name in [
        abi::Str::NONE,
        abi::Str::lend("  "),
        abi::Str {
            ptr: std::ptr::null(),
            len: 3,
        },
        abi::Str {
            ptr: invalid.as_ptr(),
            len: 1,
        },
    ] {
        let message = refused(|table| table.name = name);
        assert!(
            message.starts_with("the engine's table has no name"),
            "{message}"
        );
    }
    type Change = fn(&mut abi::EngineTable);
    let without: [(Change, &str); 5] = [
        (|table| table.attach = None, "attach"),
        (|table| table.start = None, "start"),
        (|table| table.generate = None, "generate"),
        (|table| table.cleanup = None, "cleanup"),
        (|table| table.release = None, "release"),
    ];
    for (change, function) in without {
        let message = refused(change);
        assert!(
            message.starts_with(&format!("the engine Raw has no {function}:")),
            "{message}"
        );
    }
    let message = refused(|table| (table.start, table.release) = (None, None));
    assert!(
        message.starts_with("the engine Raw has no start, no release:"),
        "{message}"
    );
}

/// A table of a later version, which has more behind what is known of it.
#[repr(C)]
struct Newer {
    table: abi::EngineTable,
    more: [Option<unsafe extern "C" fn()>; 2],
}

#[tokio::test]
async fn an_engine_of_a_later_minor_version_is_taken_and_works() {
    unsafe extern "C" fn never() {
        unreachable!("the worker does not know it");
    }
    let newer = Box::leak(Box::new(Newer {
        table: raw::table(),
        more: [Some(never), None],
    }));
    newer.table.header.size = size_of::<Newer>() as u32;
    newer.table.header.minor = MINOR + 5;
    assert!(newer.more[0].is_some());
    let mut engine = abi::Engine {
        table: (&raw const *newer).cast(),
        data: (&raw mut *Box::leak(Box::<raw::Script>::default())).cast(),
    };
    // SAFETY: it is an engine.
    let engine = unsafe { ForeignEngine::take(NonNull::from(&mut engine), Box::new(())) }.unwrap();
    assert_eq!(engine.start(7).await.unwrap().model, "raw");
}

#[test]
fn an_engine_is_taken_once() {
    let raw = export(Whole::default()).into_raw();
    // SAFETY: it is an engine, and nobody else has it.
    let (first, second) = unsafe {
        let take = || ForeignEngine::take(raw, Box::new(()));
        (take(), take())
    };
    assert_eq!(first.unwrap().name(), "Whole");
    let message = second.err().unwrap().message().to_owned();
    assert!(
        message.starts_with("the engine was taken already"),
        "{message}"
    );
    // SAFETY: as above; this is what is left of it.
    drop(unsafe { Exported::from_raw(raw) });
}

#[test]
fn what_it_lives_on_is_dropped_behind_it() {
    struct Keep(Arc<OnceLock<Arc<raw::Script>>>, Arc<AtomicBool>);
    impl Drop for Keep {
        fn drop(&mut self) {
            let released = self
                .0
                .get()
                .map(|script| script.engines_released.load(Ordering::SeqCst));
            self.1.store(released == Some(1), Ordering::SeqCst);
        }
    }
    let (script, is_behind) = (Arc::new(OnceLock::new()), Arc::<AtomicBool>::default());
    let keep = Keep(script.clone(), is_behind.clone());
    let (engine, found) = take_keeping(raw::table(), Vec::new(), keep);
    script.get_or_init(|| found);
    drop(engine);
    assert!(is_behind.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_engine_is_released_behind_its_last_stream_which_may_go_on_another_thread() {
    let step: raw::Step = |chunk| {
        chunk.token_ids = abi::TokenIds::lend(&[5]);
        Status::READY
    };
    let (engine, script) = raw::scripted(vec![step]);
    let context = Client::new("one", Default::default()).1;
    let stream = engine.generate(request([1]), context).await.unwrap();
    drop(engine);
    assert_eq!(script.engines_released.load(Ordering::SeqCst), 0);
    std::thread::spawn(move || drop(stream)).join().unwrap();
    assert_eq!(script.streams_released.load(Ordering::SeqCst), 1);
    assert_eq!(script.engines_released.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_function_that_may_be_null_is_as_if_it_did_nothing() {
    let engine = take(raw::table()).unwrap();
    engine.configure(&Default::default());
    engine.watch().await.unwrap();
    engine.drain().await.unwrap();
    assert_eq!(engine.is_quiescent().await.unwrap(), None);
    assert_eq!(engine.health_check_payload().await.unwrap(), None);
    assert!(engine.kv_event_sources().await.unwrap().is_empty());
    assert!(engine.supported_controls().await.unwrap().is_empty());
    let error = engine
        .engine_control("sleep", Default::default())
        .await
        .unwrap_err();
    assert_eq!(error.message(), "Raw supports no control 'sleep'");
    engine.cleanup().await.unwrap();
    let error = collect(Arc::new(engine), request([1]), None)
        .await
        .unwrap_err();
    assert_eq!(kind(&error), BackendError::StreamIncomplete);
}
