//! The Rust engine of the benches, the same for every Rust worker.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use async_stream::stream;
use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use futures::Stream;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::clock::micros;
use crate::shape::{Pace, Shape};

/// The token of an engine that never waits. The others' tokens are the time of their making.
pub const FREE_TOKEN: u32 = 7;

/// The chunks that `request` asks for; `is_stopped` ends them early.
pub fn tokens(
    request: &PreprocessedRequest,
    is_stopped: impl Fn() -> bool + Send + 'static,
) -> impl Stream<Item = LLMEngineOutput> + Send + 'static {
    let shape: Shape = request
        .extra_args
        .as_ref()
        .and_then(|shape| serde_json::from_value(shape.clone()).ok())
        .expect("the request has the shape in extra_args");
    let mut left = request.stop_conditions.max_tokens.unwrap_or(0) as usize;
    let mut steps = match shape.pace {
        Pace::Steps(milliseconds) => Some(steps(milliseconds)),
        Pace::Free | Pace::Turns => None,
    };
    let mut index = 0;
    stream! {
        while left > 0 {
            match shape.pace {
                Pace::Free => {}
                Pace::Turns => tokio::task::yield_now().await,
                Pace::Steps(_) => if let Some(steps) = &mut steps {
                    // The sender is never dropped.
                    let _ = steps.changed().await;
                }
            }
            let token = if shape.pace == Pace::Free { FREE_TOKEN } else { micros() };
            let count = left.min(shape.chunk);
            left -= count;
            let stopped = is_stopped();
            let finish_reason = match (stopped, left) {
                (true, _) => Some(FinishReason::Cancelled),
                (_, 0) => Some(FinishReason::Length),
                _ => None,
            };
            yield LLMEngineOutput {
                token_ids: vec![token; count],
                index: Some(index),
                finish_reason,
                ..Default::default()
            };
            index ^= u32::from(shape.apart);
            if stopped {
                return;
            }
        }
    }
}

/// The steps of an engine that makes one every so many milliseconds.
fn steps(milliseconds: u64) -> watch::Receiver<u64> {
    static STEPS: OnceLock<Mutex<HashMap<u64, watch::Receiver<u64>>>> = OnceLock::new();
    let mut steps = STEPS.get_or_init(Mutex::default).lock().expect("no panic");
    let receiver = steps.entry(milliseconds).or_insert_with(|| {
        let (sender, receiver) = watch::channel(0);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(milliseconds));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                sender.send_modify(|step| *step += 1);
            }
        });
        receiver
    });
    let mut receiver = receiver.clone();
    receiver.mark_unchanged();
    receiver
}

/// Has a thread compute beside the worker for ever, if `BENCH_SPIN` is set, as a Python thread does
/// in the Python workers.
pub fn spin_beside() {
    if std::env::var_os("BENCH_SPIN").is_some() {
        std::thread::spawn(|| {
            let mut turns = 0_u64;
            loop {
                turns = std::hint::black_box(turns.wrapping_add(1));
            }
        });
    }
}
