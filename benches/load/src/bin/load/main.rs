//! The load client: keeps a number of streams running at one worker, found by its namespace, and
//! says what it saw in a window of time, and what the worker used in it.
//!
//! The argument is a [`Plan`] as JSON, the output a [`Result`](report::Report) as JSON. The rest is
//! the environment's, as for a frontend (`DYN_DISCOVERY_BACKEND`, `DYN_FILE_KV`, …).

mod histogram;
mod perf;
mod report;
mod streams;
mod tally;
mod usage;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use dynamo_backend_load::Shape;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::pipeline::{PushRouter, RouterMode};
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::{DistributedRuntime, Runtime, distributed::DistributedConfig};
use serde::Deserialize;

use perf::Perf;
use report::Report;
use streams::Streams;
use usage::Usage;

pub(crate) type Router = PushRouter<PreprocessedRequest, Annotated<LLMEngineOutput>>;

/// What to do.
#[derive(Debug, Deserialize)]
pub(crate) struct Plan {
    /// Of the worker; its component and endpoint are the defaults.
    namespace: String,
    /// The worker's process.
    pid: i32,
    /// Requests in flight at any time.
    streams: usize,
    prompt_tokens: usize,
    /// Tokens of each answer.
    output_tokens: u32,
    #[serde(flatten)]
    shape: Shape,
    /// Seconds before the window.
    warm_up: f64,
    /// Seconds of the window.
    window: f64,
    /// Milliseconds from one request of a stream to its next, all streams at once; 0: each when
    /// its last is answered.
    #[serde(default)]
    every: u64,
    /// Whether one of the streams has an engine that never waits and a client that stops reading.
    #[serde(default)]
    stall_one: bool,
    /// Instances of `perf stat` that count in the window: FIFOs for control and acknowledgement.
    #[serde(default)]
    perf: Vec<Perf>,
}

fn main() -> anyhow::Result<()> {
    let plan = std::env::args().nth(1).context("the argument is a plan")?;
    let plan: Plan = serde_json::from_str(&plan).context("the plan")?;
    // The client has one core, and what is counted in one place needs no merging.
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let report = tokio.block_on(measure(plan))?;
    println!("{}", serde_json::to_string(&report)?);
    // Nothing is owed to a stream that stalls, nor to a runtime that would wait for it.
    std::process::exit(0)
}

async fn measure(plan: Plan) -> anyhow::Result<Report> {
    let runtime = Runtime::from_current()?;
    let drt = DistributedRuntime::new(runtime, DistributedConfig::try_from_settings()?).await?;
    let component = drt.namespace(&plan.namespace)?.component("backend")?;
    let client = component.endpoint("generate").client().await?;
    tokio::time::timeout(Duration::from_secs(30), client.wait_for_instances())
        .await
        .with_context(|| format!("no worker in the namespace {}", plan.namespace))??;
    let router = Router::from_client_no_fault_detection(client, RouterMode::RoundRobin).await?;

    usage::forget_peak(plan.pid);
    let streams = Streams::start(&plan, router);
    tokio::time::sleep(Duration::from_secs_f64(plan.warm_up)).await;
    for perf in &plan.perf {
        perf.tell("enable")?;
    }
    let before = Usage::of(plan.pid)?;
    let begin = Instant::now();
    streams.open_window();
    tokio::time::sleep(Duration::from_secs_f64(plan.window)).await;
    streams.close_window();
    let seconds = begin.elapsed().as_secs_f64();
    let used = Usage::of(plan.pid)?.since(&before);
    for perf in &plan.perf {
        perf.tell("disable")?;
    }
    Ok(Report::new(seconds, &streams.finish().await?, used))
}
