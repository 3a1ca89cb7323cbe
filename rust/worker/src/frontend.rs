//! The one-process mode: Dynamo's OpenAI frontend beside the worker, on the same runtime.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use dynamo_llm::entrypoint::{EngineConfig, HttpFrontend};
use dynamo_llm::local_model::LocalModelBuilder;
use dynamo_runtime::DistributedRuntime;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;
use tokio::sync::watch;

use crate::error::{invalid_argument, unknown};
use crate::home;

const POLL: Duration = Duration::from_millis(50);
/// How long the frontend may take to see a model that is already in discovery.
const MODEL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one look at its list may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

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

    /// Finds out before anything starts whether the files of a card can be kept: without them no
    /// model is ever listed.
    pub(crate) fn check_cache(&self) -> Result<(), DynamoError> {
        if home::is_provided() {
            return Ok(());
        }
        Err(invalid_argument(format!(
            "{}: the frontend keeps files in .cache/dynamo below it, and it cannot be written to, nor \
             can the folder of temporary files (TMPDIR); set one of them to a folder that can",
            home::VARIABLE
        )))
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
        let address = self.address;
        let (end, ended) = watch::channel(None);
        // A task within the task, so that a panic is an end like any other.
        let task = tokio::spawn(HttpFrontend::default().run(drt, config));
        tokio::spawn(async move {
            let error = match task.await {
                Ok(Ok(())) => unknown("the http frontend ended"),
                Ok(Err(error)) => {
                    unknown(format!("the http frontend on {address} ended: {error:#}"))
                }
                Err(error) => unknown(format!("the http frontend crashed: {error}")),
            };
            end.send_replace(Some(error));
        });
        Ok(RunningFrontend { address, ended })
    }
}

/// A frontend that was started.
#[derive(Clone)]
pub(crate) struct RunningFrontend {
    address: SocketAddr,
    ended: watch::Receiver<Option<DynamoError>>,
}

impl RunningFrontend {
    /// Resolves when the frontend answers and lists `model`, so that what is announced can be
    /// called; fails where the frontend ends before. `None`: a model that it will not list.
    pub(crate) async fn until_it_serves(&self, model: Option<&str>) -> Result<(), DynamoError> {
        tokio::select! {
            biased;
            error = self.ended() => Err(error),
            listed = tokio::time::timeout(MODEL_TIMEOUT, self.listed(model)) => {
                if listed.is_err() {
                    tracing::warn!(
                        model,
                        "the frontend on {} does not answer, or does not list the model; its log \
                         says why",
                        self.address
                    );
                }
                Ok(())
            }
        }
    }

    async fn listed(&self, model: Option<&str>) {
        // A proxy of the environment is none of the loopback's business.
        let client = reqwest::Client::builder().no_proxy().timeout(LOOK_TIMEOUT);
        let Ok(client) = client.build() else { return };
        let url = format!("http://{}/v1/models", self.address);
        loop {
            let models = async { client.get(&url).send().await?.json::<Value>().await };
            let serves = |models| model.is_none_or(|model| lists(&models, model));
            if models.await.is_ok_and(serves) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for the frontend's end and tells how it ended.
    pub(crate) async fn ended(&self) -> DynamoError {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(error) => error.clone(),
            Err(_) => None,
        }
        .unwrap_or_else(|| unknown("the http frontend was dropped"))
    }
}

fn lists(models: &Value, model: &str) -> bool {
    models["data"]
        .as_array()
        .is_some_and(|list| list.iter().any(|entry| entry["id"] == model))
}
