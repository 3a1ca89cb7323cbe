//! An engine of one's own in a Rust program: with the OpenAI frontend in the same process, or
//! without a port, for the frontends that find it in discovery.
//!
//! ```text
//! cargo run -p dynamo-backend-worker --example reverse -- --http-port 8000 --model-name FOLDER
//! ```

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use dynamo_backend_worker::{
    DynamoError, EngineConfig, EngineStream, Frontend, LLMEngine, LLMEngineOutput,
    PreprocessedRequest, RequestContext, Runtime, Worker, WorkerConfig, is_probe, process,
    process::Scope,
};
use futures::{StreamExt, future::ready, stream};

/// Answers with the prompt's tokens, last first.
struct Reverse;

#[async_trait]
impl LLMEngine for Reverse {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new("reverse"))
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        if is_probe(&request) {
            println!("probed");
        }
        let tokens: Vec<u32> = request.token_ids.iter().rev().copied().collect();
        let chunks = tokens.into_iter().map(|token| LLMEngineOutput {
            token_ids: vec![token],
            ..Default::default()
        });
        let client = context.clone();
        let wanted = stream::iter(chunks).take_while(move |_| ready(!client.is_stopped()));
        let last = stream::once(async move {
            match context.is_stopped() {
                true => LLMEngineOutput::cancelled(),
                false => LLMEngineOutput::stop(),
            }
        });
        Ok(wanted.chain(last).map(Ok).boxed())
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = WorkerConfig::default();
    let mut port = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or(format!("{option} needs a value"))?;
        match option.as_str() {
            "--http-port" => port = Some(value.parse()?),
            "--model-name" => config.model_name = value,
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    match port {
        Some(_) => process::prepare_environment(&config, Scope::Process),
        None => config.runtime.apply_to_env(),
    }
    process::init_logging();
    process::build_tokio_runtime()?.block_on(async {
        let mut worker = Worker::new(Arc::new(Reverse), config);
        if let Some(port) = port {
            worker = worker.with_frontend(Frontend::new(Ipv4Addr::LOCALHOST.into(), port));
        }
        let runtime = Runtime::from_current()?;
        let report = worker.run(runtime.clone()).await?;
        runtime.shutdown();
        println!("{report:?}");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use dynamo_backend_worker::testing::check_engine;

    use super::*;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        check_engine(|| Reverse).await.assert_passed();
    }
}
