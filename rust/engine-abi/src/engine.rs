//! What an engine is.

use core::ffi::c_void;

use crate::call::{Attach, Begin, Generate, Tell};
use crate::header::Header;
use crate::lent::Str;
use crate::operation::Answer;
use crate::status::Status;

/// An engine: a table and what its functions get.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Its functions; null once the engine was taken out of here.
    pub table: *const EngineTable,
    /// Their first argument.
    pub data: *mut c_void,
}

/// The functions of an [`Engine`]. `name`, `attach`, `start`, `generate`, `cleanup` and `release` are
/// required; every other function may be null, and is then as if it did nothing.
///
/// `generate`, `abort`, `engine_control`, `validate_engine_control` and `metrics_text` may be called several at a
/// time; the others are not.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EngineTable {
    /// Size, version, features. No feature of an engine's has a meaning yet.
    pub header: Header,
    /// How messages and logs call the engine. Not empty.
    pub name: Str,
    /// The first call, made once.
    pub attach: Option<Attach>,
    /// How the operator configured the worker, its `disaggregation_mode` for one: an object with
    /// `namespace`, `component`, `endpoint`, `model_name`, `served_model_name`, `endpoint_types`,
    /// `disaggregation_mode` (`aggregated`, `prefill`, `decode`), `enable_kv_routing`,
    /// `enable_local_indexer`, `max_concurrent_requests`. Before `start`.
    pub configure: Option<Tell>,
    /// Loads what `generate` needs. Called once, and never released midway. The argument is
    /// `{"worker_id": "TEXT OF A NUMBER"}`; the answer an object with `model` and, of these, what
    /// the engine has: `served_model_name`, `context_length`, `kv_cache_block_size`,
    /// `total_kv_blocks`, `max_num_seqs`, `max_num_batched_tokens`, `data_parallel_size`,
    /// `data_parallel_start_rank`, `bootstrap_host`, `bootstrap_port`, `max_gpu_lora_count`,
    /// `model_aliases` (a list of texts), `enable_eagle`, `runtime_data` (an object). Other keys are
    /// refused.
    pub start: Option<Begin>,
    /// Serves a request.
    pub generate: Option<Generate>,
    /// The request of this key was stopped or killed. Its stream may be gone by now.
    pub abort: Option<unsafe extern "C" fn(data: *mut c_void, key: u64)>,
    /// Begun after `start`; fails when the engine can serve no more. Released when it is not
    /// needed any more. No argument, no answer.
    pub watch: Option<Begin>,
    /// Once in shutdown, before `cleanup`. No argument, no answer.
    pub drain: Option<Begin>,
    /// Whether nothing is left to hand over, asked after `drain` on a prefill worker: `true`,
    /// `false`, or `null`, which says that the engine cannot tell. No argument.
    pub is_quiescent: Option<Begin>,
    /// Releases everything, also of an engine that is half started. No argument, no answer. It may be
    /// called twice.
    pub cleanup: Option<Begin>,
    /// Called once, after `start`, with `{"model", "component", "model_load_seconds", "labels":
    /// {NAME: TEXT}}`. The answer is none, or `{"dp_ranks": [NUMBER], "text": BOOL}`: the ranks that it
    /// will push snapshots of, and whether `metrics_text` is to be asked.
    pub setup_metrics: Option<Begin>,
    /// The engine's own metrics in Prometheus' text format, when somebody looks. `READY` or
    /// `FAILED`. The one function that may take a while, on a thread of its own. Also while `cleanup`
    /// runs, and behind it until `release`: an engine that freed its metrics answers an empty text.
    pub metrics_text:
        Option<unsafe extern "C" fn(data: *mut c_void, answer: *mut Answer) -> Status>,
    /// Where KV events come from, a source for each rank at most: `[{"dp_rank": NUMBER}]` is one
    /// that the engine pushes to its host, `[{"dp_rank": NUMBER, "endpoint": ZMQ ADDRESS, "topic":
    /// TEXT}]` one that publishes on a socket in vLLM's format. Either may have `image_token_id` and
    /// `video_token_id`, the tokens that stand for images and videos. No argument.
    pub kv_event_sources: Option<Begin>,
    /// The payload of the health canary, an object, or none. No argument.
    pub health_check_payload: Option<Begin>,
    /// From here on `adapter_card` of the host works. No argument, no answer.
    pub on_adapter_cards: Option<Begin>,
    /// Names of the engine's controls, a list of texts. No argument.
    pub supported_controls: Option<Begin>,
    /// Performs a control: `{"name": TEXT, "body": ANY}`. The answer is that of the call.
    pub engine_control: Option<Begin>,
    /// Whether a control could be performed: `{"name": TEXT, "body": ANY}`. Asked before the worker
    /// changes anything for it; `FAILED` refuses it. No answer.
    pub validate_engine_control: Option<Begin>,
    /// Names of the engine's updates, a list of texts. No argument. Only where the host has the
    /// feature.
    pub supported_updates: Option<Begin>,
    /// Performs an update: `{"name": TEXT, "body": ANY}`; one at a time. The answer is that of the call.
    /// Of one that fails, the cards that it registered or took out while it was polled are put back.
    pub engine_update: Option<Begin>,
    /// Ends the engine: the last call, after `cleanup` and when no stream and no operation is
    /// left. An engine that was never taken is released without any other call.
    pub release: Option<unsafe extern "C" fn(data: *mut c_void)>,
}
