//! The engine: it needs no model, and answers with the prompt, a token at each beat.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use dynamo_engine::serde_json::{Value, json};
use dynamo_engine::{
    Answer, Engine, EngineConfig, Error, Finish, Host, KvEventSource, Metrics, MetricsContext,
    Request, Usage, log,
};

use crate::cache::{BLOCK_SIZE, BLOCKS, Cache};

/// Tokens of an answer whose request has no limit.
const MOST: u32 = 256;

pub struct Metronome {
    beat: Duration,
    /// Of the worker, once it starts.
    host: OnceLock<Host>,
    cache: Mutex<Cache>,
    tokens: AtomicU64,
}

impl Metronome {
    pub fn new(beat: Duration) -> Self {
        Self {
            beat,
            host: OnceLock::new(),
            cache: Mutex::default(),
            tokens: AtomicU64::new(0),
        }
    }

    fn host(&self) -> Result<&Host, Error> {
        let host = self.host.get();
        host.ok_or_else(|| Error::unknown("the engine has not started"))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Metronome {
    fn name(&self) -> String {
        "Metronome".to_owned()
    }

    async fn start(&self, host: Host, worker_id: u64) -> Result<EngineConfig, Error> {
        log!(
            host,
            Info,
            "a beat of {:?} for worker {worker_id}",
            self.beat
        );
        self.host.get_or_init(|| host);
        Ok(EngineConfig {
            context_length: Some(8192),
            kv_cache_block_size: Some(BLOCK_SIZE as u32),
            total_kv_blocks: Some(BLOCKS as u64),
            ..EngineConfig::new("metronome")
        })
    }

    async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        let prompt = request.token_ids();
        if prompt.is_empty() {
            return Err(Error::invalid_argument(
                "token_ids: an empty prompt has no echo",
            ));
        }
        if request.asks_for_more() {
            return Err(Error::invalid_argument(
                "this engine repeats its prompt: it has one output, no grammar and no images",
            ));
        }
        let cached = self.cache().store(self.host()?, prompt)?;
        let count = request.max_tokens().unwrap_or(MOST);
        for &token in prompt.iter().cycle().take(count as usize) {
            tokio::time::sleep(self.beat).await;
            self.tokens.fetch_add(1, Ordering::Relaxed);
            answer.token(token).await?;
        }
        Ok(Finish::length().with_usage(Usage {
            prompt_tokens: prompt.len() as u32,
            completion_tokens: count,
            cached_tokens: Some(cached),
        }))
    }

    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn setup_metrics(&self, _context: MetricsContext) -> Result<Metrics, Error> {
        Ok(Metrics {
            dp_ranks: vec![0],
            text: true,
        })
    }

    fn metrics_text(&self) -> Result<String, Error> {
        let tokens = self.tokens.load(Ordering::Relaxed);
        Ok(format!(
            "# HELP metronome_tokens_total Tokens that were made.\n\
             # TYPE metronome_tokens_total counter\n\
             metronome_tokens_total {tokens}\n"
        ))
    }

    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, Error> {
        Ok(vec![KvEventSource::Push { dp_rank: 0 }])
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, Error> {
        Ok(Some(json!({
            "token_ids": [1],
            "model": "metronome",
            "stop_conditions": {"max_tokens": 1},
            "sampling_options": {},
            "output_options": {},
        })))
    }

    async fn supported_controls(&self) -> Result<Vec<String>, Error> {
        Ok(vec!["forget".to_owned()])
    }

    async fn engine_control(&self, name: &str, _body: Value) -> Result<Value, Error> {
        match name {
            "forget" => {
                let blocks = self.cache().clear(self.host()?);
                Ok(json!({"status": "ok", "blocks": blocks}))
            }
            _ => Err(Error::invalid_argument(format!(
                "there is no control '{name}'"
            ))),
        }
    }
}
