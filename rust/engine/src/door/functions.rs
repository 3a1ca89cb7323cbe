//! The functions of an engine's table.
//!
//! SAFETY of all of them: a worker calls them as `dynamo-engine-abi` says, with the `data` of an engine
//! of this type that was not released.

use std::ffi::c_void;

use dynamo_engine_abi as abi;
use dynamo_engine_abi::Status;
use serde_json::{Value, json};

use super::calls::{Argument, call};
use super::entered::Entered;
use super::operation::give;
use super::stream;
use crate::config::WorkerSettings;
use crate::engine::Engine;
use crate::error::Error;
use crate::metrics::MetricsContext;
use crate::publish::KvEventSource;
use crate::request::RequestKey;

pub(super) fn table<E: Engine>(name: abi::Str) -> abi::EngineTable {
    abi::EngineTable {
        header: abi::Header::of::<abi::EngineTable>(0),
        name,
        attach: Some(attach::<E>),
        configure: Some(configure::<E>),
        start: Some(start::<E>),
        generate: Some(generate::<E>),
        abort: Some(abort::<E>),
        watch: Some(watch::<E>),
        drain: Some(drain::<E>),
        is_quiescent: Some(is_quiescent::<E>),
        cleanup: Some(cleanup::<E>),
        setup_metrics: Some(setup_metrics::<E>),
        metrics_text: Some(metrics_text::<E>),
        kv_event_sources: Some(kv_event_sources::<E>),
        health_check_payload: Some(health_check_payload::<E>),
        on_adapter_cards: Some(on_adapter_cards::<E>),
        supported_controls: Some(supported_controls::<E>),
        engine_control: Some(engine_control::<E>),
        supported_updates: Some(supported_updates::<E>),
        engine_update: Some(engine_update::<E>),
        release: Some(release::<E>),
    }
}

/// Functions of the type `abi::Begin`.
macro_rules! begins {
    ($($name:ident: |$entered:ident, $argument:ident| $work:expr;)*) => {$(
        unsafe extern "C" fn $name<E: Engine>(
            data: *mut c_void,
            argument: abi::Str,
            operation: *mut abi::Operation,
            answer: *mut abi::Answer,
        ) -> Status {
            let begin = |$entered: std::sync::Arc<Entered<E>>, $argument: Argument| {
                // Not every call has one.
                #[allow(unused_mut, unused_variables)]
                let mut $argument = $argument;
                async move { $work }
            };
            unsafe { call(stringify!($name), data, argument, operation, answer, begin) }
        }
    )*};
}

begins! {
    start: |entered, argument| {
        let worker_id = argument.text("worker_id")?;
        let worker_id = worker_id
            .parse()
            .map_err(|_| Error::unknown(format!("worker_id: '{worker_id}' is no number")))?;
        let config = entered.engine().start(entered.host.clone(), worker_id).await?;
        Ok(Some(config.json()))
    };
    watch: |entered, argument| entered.engine().watch().await.map(|()| None);
    drain: |entered, argument| entered.engine().drain().await.map(|()| None);
    is_quiescent: |entered, argument| {
        let quiescent = entered.engine().is_quiescent().await?;
        Ok(Some(quiescent.map_or(Value::Null, Value::Bool)))
    };
    cleanup: |entered, argument| entered.engine().cleanup().await.map(|()| None);
    setup_metrics: |entered, argument| {
        let context = MetricsContext::of(&argument.object());
        let metrics = entered.engine().setup_metrics(context).await?;
        Ok(Some(metrics.json()))
    };
    kv_event_sources: |entered, argument| {
        let sources = entered.engine().kv_event_sources().await?;
        Ok(Some(sources.into_iter().map(KvEventSource::json).collect()))
    };
    health_check_payload: |entered, argument| entered.engine().health_check_payload().await;
    on_adapter_cards: |entered, argument| {
        entered.engine().on_adapter_cards().await.map(|()| None)
    };
    supported_controls: |entered, argument| {
        let names = entered.engine().supported_controls().await?;
        Ok(Some(json!(names)))
    };
    engine_control: |entered, argument| {
        let (name, body) = (argument.text("name")?, argument.take("body"));
        entered.engine().engine_control(&name, body).await.map(Some)
    };
    supported_updates: |entered, argument| {
        let names = entered.engine().supported_updates().await?;
        Ok(Some(json!(names)))
    };
    engine_update: |entered, argument| {
        let (name, body) = (argument.text("name")?, argument.take("body"));
        entered.engine().engine_update(&name, body).await.map(Some)
    };
}

unsafe extern "C" fn attach<E: Engine>(data: *mut c_void, host: *const abi::Host) {
    let entered = unsafe { Entered::<E>::of(data) };
    if let Some(host) = unsafe { host.as_ref() } {
        unsafe { entered.host.open(*host) };
    }
}

unsafe extern "C" fn configure<E: Engine>(data: *mut c_void, settings: abi::Str) {
    let entered = unsafe { Entered::<E>::of(data) };
    let settings = unsafe { Argument::read(settings) };
    let configured = settings.and_then(|settings| {
        let settings = WorkerSettings::of(settings.object());
        entered.run("configure", || entered.engine().configure(&settings))
    });
    if let Err(error) = configured {
        entered.host.log(crate::Level::Error, error.message());
    }
}

unsafe extern "C" fn generate<E: Engine>(
    data: *mut c_void,
    request: *const abi::Request,
    stream: *mut abi::Stream,
    answer: *mut abi::Answer,
) -> Status {
    let entered = unsafe { Entered::<E>::shared(data) };
    if request.is_null() {
        let refused = Error::unknown("generate was called without a request");
        return give(Err(refused), unsafe { &mut *answer });
    }
    unsafe { stream.write(stream::begin(entered, request)) };
    Status::READY
}

unsafe extern "C" fn abort<E: Engine>(data: *mut c_void, key: u64) {
    let entered = unsafe { Entered::<E>::of(data) };
    if let Err(panicked) = entered.run("abort", || entered.engine().abort(RequestKey(key))) {
        entered.host.log(crate::Level::Error, panicked.message());
    }
}

unsafe extern "C" fn metrics_text<E: Engine>(
    data: *mut c_void,
    answer: *mut abi::Answer,
) -> Status {
    let entered = unsafe { Entered::<E>::of(data) };
    let answer = unsafe { &mut *answer };
    let made = entered.run("metrics_text", || entered.engine().metrics_text());
    match made.and_then(|made| made) {
        Ok(text) => {
            answer.text = abi::Text::give(text);
            Status::READY
        }
        Err(error) => give(Err(error), answer),
    }
}

unsafe extern "C" fn release<E: Engine>(data: *mut c_void) {
    unsafe { Entered::<E>::release(data) }
}
