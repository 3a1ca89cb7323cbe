//! The one-process mode: Dynamo's OpenAI frontend beside the worker, on the same runtime.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use dynamo_llm::entrypoint::{EngineConfig, HttpFrontend};
use dynamo_llm::local_model::LocalModelBuilder;
use dynamo_runtime::DistributedRuntime;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::error::{invalid_argument, unknown};

const POLL: Duration = Duration::from_millis(20);
/// How long the frontend may take to see a model that is already in discovery.
const MODEL_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the frontend listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontend {
    address: SocketAddr,
}

impl Frontend {
    /// A frontend on `host`, an address of this machine, and `port`.
    pub fn new(host: IpAddr, port: u16) -> Self {
        Self {
            address: SocketAddr::new(host, port),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finds out before anything starts whether the port can be had.
    pub(crate) fn check_port(&self) -> Result<(), DynamoError> {
        TcpListener::bind(self.address).map(drop).map_err(|error| {
            invalid_argument(format!(
                "http_port: cannot listen on {}: {error}; choose another port or stop what uses it",
                self.address
            ))
        })
    }

    pub(crate) async fn start(
        &self,
        drt: DistributedRuntime,
    ) -> Result<RunningFrontend, DynamoError> {
        let model = LocalModelBuilder::default()
            .http_host(Some(self.address.ip().to_string()))
            .http_port(self.address.port())
            .build()
            .await
            .map_err(|error| unknown(format!("http frontend: {error:#}")))?;
        let config = EngineConfig::Dynamic {
            model: Box::new(model),
            chat_engine_factory: None,
            prefill_load_estimator: None,
        };
        Ok(RunningFrontend {
            address: self.address,
            task: tokio::spawn(HttpFrontend::default().run(drt, config)),
        })
    }
}

/// A frontend that was started.
pub(crate) struct RunningFrontend {
    address: SocketAddr,
    task: JoinHandle<anyhow::Result<()>>,
}

impl RunningFrontend {
    /// Resolves when the frontend lists `model`, so that what is announced can be called.
    pub(crate) async fn until_model(&self, model: &str) {
        let listed = async {
            while !self.has_ended() && !self.lists(model).await {
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(MODEL_TIMEOUT, listed).await.is_err() {
            tracing::warn!(
                model,
                "the frontend on {} does not list the model; its log says why",
                self.address
            );
        }
    }

    async fn lists(&self, model: &str) -> bool {
        let models = async {
            // A proxy of the environment is none of the loopback's business.
            let client = reqwest::Client::builder().no_proxy().build()?;
            let url = format!("http://{}/v1/models", self.address);
            client.get(url).send().await?.json::<Value>().await
        };
        models.await.is_ok_and(|models| {
            models["data"]
                .as_array()
                .is_some_and(|list| list.iter().any(|entry| entry["id"] == model))
        })
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for the frontend's end and tells how it ended.
    pub(crate) async fn ended(self) -> DynamoError {
        match self.task.await {
            Ok(Ok(())) => unknown("the http frontend ended"),
            Ok(Err(error)) => unknown(format!("the http frontend ended: {error:#}")),
            Err(error) => unknown(format!("the http frontend crashed: {error}")),
        }
    }
}
