//! An engine that panics in the function that its arguments name; of requests in every other one.

use std::sync::atomic::{AtomicUsize, Ordering};

use dynamo_engine::serde_json::{Value, json};
use dynamo_engine::{
    Answer, Engine, EngineConfig, Error, Finish, Host, Metrics, MetricsContext, Request,
    RequestKey, WorkerSettings,
};

struct Panicking {
    place: String,
    requests: AtomicUsize,
}

impl Panicking {
    fn passes(&self, place: &str) {
        if self.place == place {
            panic!("on purpose, in {place}");
        }
    }
}

impl Engine for Panicking {
    fn name(&self) -> String {
        "Panicking".to_owned()
    }

    fn configure(&self, _settings: &WorkerSettings) {
        self.passes("configure");
    }

    async fn start(&self, _host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
        self.passes("start");
        Ok(EngineConfig::new("panicking"))
    }

    async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        let panics = self.requests.fetch_add(1, Ordering::Relaxed) % 2 == 0;
        if panics {
            self.passes("generate");
        }
        for &token in request.token_ids() {
            answer.token(token).await?;
            if panics {
                self.passes("stream");
                if self.place == "abort" {
                    std::future::pending::<()>().await;
                }
            }
        }
        Ok(Finish::stop())
    }

    fn abort(&self, _request: RequestKey) {
        self.passes("abort");
    }

    async fn drain(&self) -> Result<(), Error> {
        self.passes("drain");
        Ok(())
    }

    async fn cleanup(&self) -> Result<(), Error> {
        self.passes("cleanup");
        Ok(())
    }

    async fn setup_metrics(&self, _context: MetricsContext) -> Result<Metrics, Error> {
        self.passes("setup_metrics");
        Ok(Metrics {
            text: true,
            ..Metrics::default()
        })
    }

    fn metrics_text(&self) -> Result<String, Error> {
        self.passes("metrics_text");
        Ok(String::new())
    }

    async fn health_check_payload(&self) -> Result<Option<Value>, Error> {
        self.passes("health_check_payload");
        Ok(None)
    }

    async fn supported_controls(&self) -> Result<Vec<String>, Error> {
        self.passes("supported_controls");
        Ok(vec!["poke".to_owned()])
    }

    async fn engine_control(&self, _name: &str, _body: Value) -> Result<Value, Error> {
        self.passes("engine_control");
        Ok(json!({"status": "ok"}))
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        self.passes("drop");
    }
}

dynamo_engine::export_engine!(|place: &str| Ok(Panicking {
    place: place.to_owned(),
    requests: AtomicUsize::new(0),
}));
