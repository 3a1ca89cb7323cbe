//! Serves the engine, with the OpenAI frontend in the same process.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;

use dynamo_backend_worker::process::{self, Scope};
use dynamo_backend_worker::{Frontend, Runtime, Worker, WorkerConfig};
use rust_engine::Cycle;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(model_name), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err("usage: rust-engine FOLDER_WITH_TOKENIZER PORT".into());
    };
    let port = port
        .parse()
        .map_err(|error| format!("PORT is '{port}': {error}; accepted: 0 to 65535"))?;
    let config = WorkerConfig {
        model_name,
        ..Default::default()
    };

    process::prepare_environment(&config, Scope::Process);
    process::init_logging();
    process::build_tokio_runtime()?.block_on(async {
        let frontend = Frontend::new(Ipv4Addr::LOCALHOST.into(), port);
        let worker = Worker::new(Arc::new(Cycle), config).with_frontend(frontend);
        let runtime = Runtime::from_current()?;
        worker.run(runtime.clone()).await?;
        runtime.shutdown();
        Ok(())
    })
}
