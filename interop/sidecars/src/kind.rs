//! Which sidecars there are, and how each is made of its arguments.

use std::pin::Pin;
use std::sync::Arc;

use dynamo_backend_common::{DynamoError, LLMEngine, WorkerConfig};
use dynamo_sglang_sidecar::SglangSidecarEngine;
use dynamo_sidecar_common::{EngineBootstrapResult, SidecarStartupError};
use dynamo_trtllm_sidecar::TrtllmSidecarEngine;
use dynamo_vllm_sidecar::VllmSidecarEngine;

use crate::server::Server;

/// An engine that has found its server, and how it wants to be served.
pub(crate) type Found = (Arc<dyn LLMEngine>, WorkerConfig);

/// Looks for the engine's server, for as long as its arguments allow.
pub(crate) type Looking = Pin<Box<dyn Future<Output = Result<Found, DynamoError>> + Send>>;

/// A sidecar.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Vllm,
    Sglang,
    Trtllm,
}

impl Kind {
    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "vllm" => Some(Self::Vllm),
            "sglang" => Some(Self::Sglang),
            "trtllm" => Some(Self::Trtllm),
            _ => None,
        }
    }

    /// How messages and the log call its engine.
    pub(crate) fn engine_name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm-sidecar",
            Self::Sglang => "sglang-sidecar",
            Self::Trtllm => "trtllm-sidecar",
        }
    }

    /// Reads the arguments, the program's name first; nothing is connected to yet.
    pub(crate) fn look(self, argv: Vec<String>) -> Result<Looking, SidecarStartupError> {
        Ok(match self {
            Self::Vllm => looking(VllmSidecarEngine::try_from_args_async(argv)?.1),
            Self::Sglang => looking(SglangSidecarEngine::try_from_args_async(argv)?.1),
            Self::Trtllm => {
                let found = TrtllmSidecarEngine::try_from_args_async(argv.clone())?.1;
                // This one connects in `start` only, which no signal interrupts.
                let server = Server::named_in(argv)?;
                looking(async move {
                    server.wait().await?;
                    found.await
                })
            }
        })
    }
}

fn looking<E: LLMEngine>(
    found: impl Future<Output = EngineBootstrapResult<E>> + Send + 'static,
) -> Looking {
    Box::pin(async move {
        let (engine, config) = found.await?;
        Ok((Arc::new(engine) as Arc<dyn LLMEngine>, config))
    })
}
