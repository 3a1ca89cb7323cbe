//! Engines as authors write them, with `dynamo-engine`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dynamo_engine::serde_json::{Value, json};
use dynamo_engine::{
    Answer, Chunk, Engine, EngineConfig, Error, Export, Finish, Host, KvEventSource, Level,
    Metrics, MetricsContext, Published, Request, RequestKey, Snapshot, StoredBlock, TopLogprob,
    Usage, WorkerSettings,
};

/// One that has everything: a cache of the last prompt's blocks, controls, metrics, a probe.
#[derive(Default)]
pub(super) struct Whole {
    host: Mutex<Option<Host>>,
    cached: Mutex<Vec<u64>>,
    mode: Mutex<String>,
    aborts: AtomicUsize,
}

const BLOCK: usize = 4;

impl Whole {
    fn host(&self) -> Host {
        self.host.lock().unwrap().clone().expect("it was started")
    }

    fn cache(&self, prompt: &[u32]) -> Result<(), Error> {
        let host = self.host();
        let mut cached = self.cached.lock().unwrap();
        let blocks = prompt.chunks_exact(BLOCK);
        let blocks: Vec<_> = blocks
            .scan(0, |behind: &mut u64, token_ids| {
                *behind = behind.wrapping_mul(31).wrapping_add(token_ids[0].into());
                let block_hash = *behind;
                Some(StoredBlock {
                    block_hash,
                    token_ids,
                })
            })
            .collect();
        host.publish_removed(0, &cached);
        *cached = blocks.iter().map(|block| block.block_hash).collect();
        if host.publish_stored(0, None, &blocks)? == Published::Yes {
            let used_blocks = cached.len() as u64;
            host.push_snapshot(
                0,
                Snapshot {
                    total_blocks: 64,
                    used_blocks,
                    kv_cache_hit_rate: None,
                },
            );
        }
        Ok(())
    }
}

impl Engine for Whole {
    fn name(&self) -> String {
        "Whole".into()
    }

    fn configure(&self, settings: &WorkerSettings) {
        *self.mode.lock().unwrap() = settings.disaggregation_mode().to_owned();
    }

    async fn start(&self, host: Host, worker_id: u64) -> Result<EngineConfig, Error> {
        dynamo_engine::log!(
            host,
            Info,
            "worker {worker_id} of Dynamo {}",
            host.dynamo_version()
        );
        *self.host.lock().unwrap() = Some(host);
        Ok(EngineConfig {
            kv_cache_block_size: Some(BLOCK as u32),
            context_length: Some(4096),
            runtime_data: [("kind".to_owned(), json!("whole"))].into_iter().collect(),
            ..EngineConfig::new("whole")
        })
    }

    async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        let prompt = request.token_ids();
        if prompt.is_empty() {
            return Err(Error::invalid_argument("the prompt is empty"));
        }
        if request
            .temperature()
            .is_some_and(|temperature| temperature < 0.0)
        {
            return Err(Error::invalid_argument(
                "temperature: a number from 0 on is accepted",
            ));
        }
        if !request.is_probe() {
            self.cache(prompt)?;
        }
        let most = request.max_tokens().unwrap_or(u32::MAX) as usize;
        let top = request.logprobs();
        for &token_id in prompt.iter().take(most) {
            tokio::task::yield_now().await;
            match top {
                None => answer.token(token_id).await?,
                Some(_) => answer.chunk(certain(token_id)).await?,
            }
        }
        let usage = Usage {
            prompt_tokens: prompt.len() as u32,
            completion_tokens: most.min(prompt.len()) as u32,
            cached_tokens: Some(1),
        };
        match most < prompt.len() {
            true => Ok(Finish::length().with_usage(usage)),
            false => Ok(Finish::stop().with_usage(usage)),
        }
    }

    fn abort(&self, _request: RequestKey) {
        self.aborts.fetch_add(1, Ordering::Relaxed);
    }

    async fn watch(&self) -> Result<(), Error> {
        std::future::pending().await
    }

    async fn is_quiescent(&self) -> Result<Option<bool>, Error> {
        Ok(Some(true))
    }

    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn setup_metrics(&self, context: MetricsContext) -> Result<Metrics, Error> {
        let host = self.host();
        host.log_of("metrics", Level::Debug, &format!("{context:?}"));
        Ok(Metrics {
            dp_ranks: vec![0],
            text: true,
        })
    }

    fn metrics_text(&self) -> Result<String, Error> {
        let aborts = self.aborts.load(Ordering::Relaxed);
        Ok(format!(
            "# TYPE whole_aborts counter\nwhole_aborts {aborts}\n"
        ))
    }

    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, Error> {
        Ok(vec![KvEventSource::Push { dp_rank: 0 }])
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, Error> {
        Ok(Some(
            json!({"token_ids": [1], "stop_conditions": {"max_tokens": 1}}),
        ))
    }

    async fn supported_controls(&self) -> Result<Vec<String>, Error> {
        Ok(vec!["sleep".into(), "wake_up".into(), "mode".into()])
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, Error> {
        match name {
            "sleep" | "wake_up" => Ok(json!({"status": "ok"})),
            "mode" => Ok(json!({"mode": *self.mode.lock().unwrap(), "body": body})),
            _ => Err(Error::invalid_argument(format!(
                "there is no control '{name}'"
            ))),
        }
    }

    async fn validate_engine_control(&self, _name: &str, body: &Value) -> Result<(), Error> {
        match body.get("level") {
            Some(level) if !level.is_u64() => Err(Error::invalid_argument("level: no number")),
            _ => Ok(()),
        }
    }

    async fn supported_updates(&self) -> Result<Vec<String>, Error> {
        Ok(vec!["weights".into()])
    }

    async fn engine_update(&self, name: &str, body: Value) -> Result<Value, Error> {
        match name {
            "weights" => Ok(json!({"loaded": body["path"]})),
            _ => Err(Error::invalid_argument(format!(
                "there is no update '{name}'"
            ))),
        }
    }
}

fn certain(token_id: u32) -> Chunk {
    let likely = TopLogprob {
        rank: 1,
        token_id,
        logprob: 0.0,
        token: Some("é".into()),
    };
    Chunk {
        index: Some(0),
        log_probs: Some(vec![0.0]),
        cum_log_prob: Some(0.0),
        top_logprobs: Some(vec![vec![likely]]),
        ..Chunk::tokens([token_id])
    }
}

/// One that uses tokio, whose timers need a runtime of its own.
pub(super) struct OnTokio;

impl OnTokio {
    pub(super) fn export() -> Export<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        Export::new(Self).on(runtime)
    }
}

impl Engine for OnTokio {
    async fn start(&self, _host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(EngineConfig::new("on-tokio"))
    }

    async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        let (tokens, mut made) = tokio::sync::mpsc::channel(1);
        let prompt = request.token_ids().to_vec();
        let most = request.max_tokens().unwrap_or(u32::MAX) as usize;
        let task = tokio::spawn(async move {
            for token in prompt.into_iter().take(most) {
                tokio::time::sleep(Duration::from_micros(100)).await;
                if tokens.send(token).await.is_err() {
                    return;
                }
            }
        });
        while let Some(token) = made.recv().await {
            answer.token(token).await?;
        }
        task.await
            .map_err(|error| Error::unknown(error.to_string()))?;
        Ok(Finish::stop())
    }

    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// One that panics in the function of this name.
pub(super) struct Panics(pub(super) &'static str);

impl Panics {
    fn at(&self, function: &str) {
        assert!(self.0 != function, "at {function}");
    }
}

impl Engine for Panics {
    fn name(&self) -> String {
        "Panics".into()
    }
    fn configure(&self, _settings: &WorkerSettings) {
        self.at("configure");
    }
    async fn start(&self, _host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
        self.at("start");
        Ok(EngineConfig::new("panics"))
    }
    async fn generate(&self, _request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        self.at("generate");
        answer.token(1).await?;
        self.at("generate, later");
        Ok(Finish::stop())
    }
    fn abort(&self, _request: RequestKey) {
        self.at("abort");
    }
    async fn watch(&self) -> Result<(), Error> {
        self.at("watch");
        Ok(())
    }
    async fn drain(&self) -> Result<(), Error> {
        self.at("drain");
        Ok(())
    }
    async fn is_quiescent(&self) -> Result<Option<bool>, Error> {
        self.at("is_quiescent");
        Ok(None)
    }
    async fn cleanup(&self) -> Result<(), Error> {
        self.at("cleanup");
        Ok(())
    }
    async fn setup_metrics(&self, _context: MetricsContext) -> Result<Metrics, Error> {
        self.at("setup_metrics");
        Ok(Metrics {
            dp_ranks: Vec::new(),
            text: true,
        })
    }
    fn metrics_text(&self) -> Result<String, Error> {
        self.at("metrics_text");
        Ok(String::new())
    }
    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, Error> {
        self.at("kv_event_sources");
        Ok(Vec::new())
    }
    async fn health_check_payload(&self) -> Result<Option<Value>, Error> {
        self.at("health_check_payload");
        Ok(None)
    }
    async fn supported_controls(&self) -> Result<Vec<String>, Error> {
        self.at("supported_controls");
        Ok(Vec::new())
    }
    async fn engine_control(&self, _name: &str, _body: Value) -> Result<Value, Error> {
        self.at("engine_control");
        Ok(Value::Null)
    }
    async fn validate_engine_control(&self, _name: &str, _body: &Value) -> Result<(), Error> {
        self.at("validate_engine_control");
        Ok(())
    }
    async fn supported_updates(&self) -> Result<Vec<String>, Error> {
        self.at("supported_updates");
        Ok(Vec::new())
    }
    async fn engine_update(&self, _name: &str, _body: Value) -> Result<Value, Error> {
        self.at("engine_update");
        Ok(Value::Null)
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.at("drop");
    }
}
