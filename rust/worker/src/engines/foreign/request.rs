//! A request, as an engine is lent it.

use std::ffi::c_void;
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};

use dynamo_engine_abi as abi;
use dynamo_engine_abi::crossing::KeptWaker;
use dynamo_engine_abi::{Header, Status, request_has as has};
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Map, json};

use crate::engine::RequestContext;

/// A request that lives as long as its stream.
pub(super) struct LentRequest {
    request: PreprocessedRequest,
    context: RequestContext,
    stopped: Mutex<Stopped>,
    json: OnceLock<Option<String>>,
    context_json: OnceLock<Option<String>>,
    raw: Raw,
}

struct Raw(abi::Request);

/// Who waits for the stop.
#[derive(Default)]
struct Stopped {
    /// From the first look on.
    waiting: Option<BoxFuture<'static, ()>>,
    waker: KeptWaker,
}

// SAFETY: it points to the request that it is part of, which is not changed.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

impl LentRequest {
    pub(super) fn new(request: PreprocessedRequest, context: RequestContext) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| {
            let raw = abi::Request {
                table: &TABLE,
                data: this.as_ptr().cast_mut().cast(),
                id: abi::Str::lend(context.id()),
                key: context.identity(),
                ..raw(&request)
            };
            Self {
                request,
                context,
                stopped: Mutex::default(),
                json: OnceLock::new(),
                context_json: OnceLock::new(),
                raw: Raw(raw),
            }
        })
    }

    /// Lent for as long as it lives.
    pub(super) fn raw(&self) -> &abi::Request {
        &self.raw.0
    }

    fn context_text(&self) -> Option<String> {
        let mut headers = Map::new();
        if let Some(trace) = self.context.trace_headers() {
            headers.insert("traceparent".into(), json!(trace.traceparent));
            if let Some(state) = &trace.tracestate {
                headers.insert("tracestate".into(), json!(state));
            }
        }
        let text = json!({"metadata": self.context.metadata(), "trace_headers": headers});
        Some(text.to_string())
    }
}

/// What the fields tell. They point into `request`, which may be moved.
fn raw(request: &PreprocessedRequest) -> abi::Request {
    let (sampling, stop) = (&request.sampling_options, &request.stop_conditions);
    let (output, routing) = (&request.output_options, request.routing.as_ref());
    let (mut set, flag) = (0, |bit, is_set: bool| if is_set { bit } else { 0 });
    set |= flag(has::IGNORE_EOS, stop.ignore_eos == Some(true));
    set |= flag(has::PROBE, request.is_probe);
    set |= flag(has::MORE, asks_for_more(request));
    fn field<T: Default>(set: &mut u64, bit: u64, value: Option<T>) -> T {
        *set |= value.as_ref().map_or(0, |_| bit);
        value.unwrap_or_default()
    }
    let list = |ids: &Option<Vec<u32>>| {
        ids.as_deref()
            .map_or(abi::TokenIds::NONE, abi::TokenIds::lend)
    };
    let lora_name = routing.and_then(|routing| routing.lora_name.as_deref());
    abi::Request {
        table: &TABLE,
        data: std::ptr::null_mut(),
        size: size_of::<abi::Request>() as u32,
        key: 0,
        id: abi::Str::NONE,
        model: abi::Str::lend(&request.model),
        lora_name: lora_name.map_or(abi::Str::NONE, abi::Str::lend),
        token_ids: abi::TokenIds::lend(&request.token_ids),
        stop_token_ids: list(&stop.stop_token_ids),
        stop_token_ids_visible: list(&stop.stop_token_ids_visible),
        stop_token_ids_hidden: list(&stop.stop_token_ids_hidden),
        eos_token_ids: abi::TokenIds::lend(&request.eos_token_ids),
        temperature: field(&mut set, has::TEMPERATURE, sampling.temperature),
        top_p: field(&mut set, has::TOP_P, sampling.top_p),
        top_k: field(&mut set, has::TOP_K, sampling.top_k),
        min_p: field(&mut set, has::MIN_P, sampling.min_p),
        frequency_penalty: field(&mut set, has::FREQUENCY_PENALTY, sampling.frequency_penalty),
        presence_penalty: field(&mut set, has::PRESENCE_PENALTY, sampling.presence_penalty),
        repetition_penalty: field(
            &mut set,
            has::REPETITION_PENALTY,
            sampling.repetition_penalty,
        ),
        seed: field(&mut set, has::SEED, sampling.seed),
        max_tokens: field(&mut set, has::MAX_TOKENS, stop.max_tokens),
        min_tokens: field(&mut set, has::MIN_TOKENS, stop.min_tokens),
        logprobs: field(&mut set, has::LOGPROBS, output.logprobs),
        prompt_logprobs: field(&mut set, has::PROMPT_LOGPROBS, output.prompt_logprobs),
        dp_rank: field(
            &mut set,
            has::DP_RANK,
            routing.and_then(|routing| routing.dp_rank),
        ),
        priority: field(
            &mut set,
            has::PRIORITY,
            routing.and_then(|routing| routing.priority),
        ),
        has: set,
    }
}

/// Whether something is asked of the answer that no field tells.
fn asks_for_more(request: &PreprocessedRequest) -> bool {
    let (sampling, stop) = (&request.sampling_options, &request.stop_conditions);
    sampling.n.is_some_and(|n| n > 1)
        || sampling.best_of.is_some_and(|best| best > 1)
        || sampling.use_beam_search == Some(true)
        || sampling.length_penalty.is_some_and(|by| by != 1.0)
        || sampling.guided_decoding.is_some()
        || sampling.include_stop_str_in_output == Some(true)
        || stop.stop.as_ref().is_some_and(|texts| !texts.is_empty())
        || stop.max_thinking_tokens.is_some()
        || request.output_options.formatted_prompt == Some(true)
        || request.prompt_embeds.is_some()
        || request
            .multi_modal_data
            .as_ref()
            .is_some_and(|data| !data.is_empty())
        || request.encoder_result.is_some()
        || request.prefill_result.is_some()
        || request.bootstrap_info.is_some()
}

const TABLE: abi::RequestTable = abi::RequestTable {
    header: Header::of::<abi::RequestTable>(0),
    is_stopped: Some(is_stopped),
    poll_stopped: Some(poll_stopped),
    notify_first_token: Some(notify_first_token),
    json: Some(json),
    context: Some(context),
};

/// What `work` does with the request; `otherwise` where it panics, which is printed where it happens.
///
/// SAFETY of this and all below: `data` is that of a request that is lent.
unsafe fn within<T>(data: *mut c_void, otherwise: T, work: impl FnOnce(&LentRequest) -> T) -> T {
    let request = unsafe { &*data.cast::<LentRequest>() };
    catch_unwind(AssertUnwindSafe(|| work(request))).unwrap_or(otherwise)
}

unsafe extern "C" fn is_stopped(data: *mut c_void) -> bool {
    unsafe { within(data, true, |request| request.context.may_abort()) }
}

unsafe extern "C" fn poll_stopped(data: *mut c_void, waker: *const abi::Waker) -> Status {
    let poll = |request: &LentRequest| {
        if request.context.may_abort() {
            return Status::READY;
        }
        let mut stopped = request.stopped.lock();
        let Stopped {
            waiting,
            waker: kept,
        } = &mut *stopped;
        let Some(waker) = (unsafe { kept.of(waker) }) else {
            return Status::FAILED;
        };
        let waiting = waiting.get_or_insert_with(|| {
            let context = request.context.clone();
            async move { context.abortable().await }.boxed()
        });
        match waiting.poll_unpin(&mut Context::from_waker(waker)) {
            Poll::Ready(()) => Status::READY,
            Poll::Pending => Status::PENDING,
        }
    };
    unsafe { within(data, Status::FAILED, poll) }
}

unsafe extern "C" fn notify_first_token(data: *mut c_void) {
    unsafe { within(data, (), |request| request.context.notify_first_token()) }
}

unsafe extern "C" fn json(data: *mut c_void, json: *mut abi::Str) -> Status {
    let make = |request: &LentRequest| serde_json::to_string(&request.request).ok();
    unsafe { lend(data, json, |request| (&request.json, make)) }
}

unsafe extern "C" fn context(data: *mut c_void, json: *mut abi::Str) -> Status {
    unsafe {
        lend(data, json, |request| {
            (&request.context_json, LentRequest::context_text)
        })
    }
}

/// Lends a text that is made once.
unsafe fn lend<M: FnOnce(&LentRequest) -> Option<String>>(
    data: *mut c_void,
    json: *mut abi::Str,
    text: impl FnOnce(&LentRequest) -> (&OnceLock<Option<String>>, M),
) -> Status {
    let made = |request: &LentRequest| {
        let (made, make) = text(request);
        let text = made.get_or_init(|| make(request)).as_deref();
        text.map(abi::Str::lend)
    };
    match (unsafe { within(data, None, made) }, unsafe {
        json.as_mut()
    }) {
        (Some(text), Some(json)) => {
            *json = text;
            Status::READY
        }
        _ => Status::FAILED,
    }
}
