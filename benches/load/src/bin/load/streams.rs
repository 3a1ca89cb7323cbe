//! The streams: each sends one request after the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use dynamo_backend_load::{FREE_TOKEN, Pace, Shape, micros};
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_llm::protocols::common::{OutputOptions, SamplingOptions, StopConditions};
use dynamo_runtime::pipeline::SingleIn;
use futures::StreamExt;
use tokio::task::JoinSet;

use crate::tally::Tally;
use crate::{Plan, Router};

/// Tokens of the answer that nobody reads: more than any buffer holds.
const ENDLESS: u32 = 100_000_000;

pub(crate) struct Streams {
    tasks: JoinSet<anyhow::Result<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    router: Router,
    request: PreprocessedRequest,
    begin: Instant,
    every: u64,
    over: AtomicBool,
    tally: Mutex<Tally>,
}

impl Streams {
    pub(crate) fn start(plan: &Plan, router: Router) -> Self {
        let shared = Arc::new(Shared {
            router,
            request: request(plan, plan.shape, plan.output_tokens),
            begin: Instant::now(),
            every: plan.every,
            over: AtomicBool::new(false),
            tally: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        if plan.stall_one {
            let free = Shape {
                pace: Pace::Free,
                // So that the connection is soon full: joined chunks take less of it.
                apart: true,
                ..plan.shape
            };
            tasks.spawn(shared.clone().stall(request(plan, free, ENDLESS)));
        }
        for _ in usize::from(plan.stall_one)..plan.streams {
            tasks.spawn(shared.clone().run());
        }
        Self { tasks, shared }
    }

    pub(crate) fn open_window(&self) {
        self.shared.tally().counting = true;
    }

    pub(crate) fn close_window(&self) {
        self.shared.tally().counting = false;
        self.shared.over.store(true, Ordering::Relaxed);
    }

    /// Waits for the answers that still come, so that the worker is idle afterwards.
    pub(crate) async fn finish(mut self) -> anyhow::Result<Tally> {
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(std::mem::take(&mut self.shared.tally()))
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) -> anyhow::Result<()> {
        while !self.over.load(Ordering::Relaxed) {
            self.due().await;
            self.ask().await?;
        }
        Ok(())
    }

    /// Waits for the moment of the next requests.
    async fn due(&self) {
        if self.every > 0 {
            let rounds = self.begin.elapsed().as_millis() as u64 / self.every + 1;
            let due = self.begin + Duration::from_millis(rounds * self.every);
            tokio::time::sleep_until(due.into()).await;
        }
    }

    async fn ask(&self) -> anyhow::Result<()> {
        let counts = self.tally().counting;
        let sent = Instant::now();
        let request = SingleIn::new(self.request.clone());
        let mut stream = self.router.round_robin(request).await?;
        let wanted = self.request.stop_conditions.max_tokens.unwrap_or(0) as usize;
        let (mut last, mut received) = (None, 0);
        while let Some(item) = stream.next().await {
            let now = Instant::now();
            let Some(chunk) = item.data else {
                bail!(
                    "the worker answers with an error: {:?} {:?}",
                    item.error,
                    item.comment
                );
            };
            received += chunk.token_ids.len();
            let mut tally = self.tally();
            match last.replace(now) {
                Some(last) if tally.counting => {
                    tally.between_frames.add((now - last).as_micros() as u64, 1);
                }
                None if counts => tally.first_token.add((now - sent).as_micros() as u64, 1),
                _ => {}
            }
            if tally.counting {
                tally.frames += 1;
                tally.tokens += chunk.token_ids.len() as u64;
                let arrived = micros();
                for made in chunk.token_ids {
                    if made != FREE_TOKEN {
                        tally.added.add(arrived.wrapping_sub(made).into(), 1);
                    }
                }
            }
        }
        if received != wanted {
            bail!("the worker answers with {received} tokens, not {wanted}");
        }
        let mut tally = self.tally();
        tally.requests += u64::from(tally.counting);
        Ok(())
    }

    /// Sends a request, and never reads on after its first chunk.
    async fn stall(self: Arc<Self>, request: PreprocessedRequest) -> anyhow::Result<()> {
        let mut stream = self.router.round_robin(SingleIn::new(request)).await?;
        stream.next().await.context("a first chunk")?;
        while !self.over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

fn request(plan: &Plan, shape: Shape, output_tokens: u32) -> PreprocessedRequest {
    PreprocessedRequest::builder()
        .model("bench".to_owned())
        .token_ids(
            (0..plan.prompt_tokens as u32)
                .map(|id| id % 32_000)
                .collect::<Vec<_>>(),
        )
        .stop_conditions(StopConditions {
            max_tokens: Some(output_tokens),
            ..StopConditions::default()
        })
        .sampling_options(SamplingOptions::default())
        .output_options(OutputOptions::default())
        .extra_args(Some(serde_json::to_value(shape).expect("a shape is JSON")))
        .build()
        .expect("every field without a default is given")
}
