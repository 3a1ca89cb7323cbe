//! TensorRT-LLM's server, as the arguments of its sidecar name it.

use std::num::NonZeroUsize;

use clap::Parser;
use dynamo_backend_common::DynamoError;
use dynamo_sidecar_common::{GrpcChannelPool, SidecarArgs, SidecarStartupError};

/// What the sidecar itself reads, which does not show what it read.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    sidecar: SidecarArgs,
    #[command(flatten)]
    _others: Others,
}

/// Options of the sidecar's own: here so that they are no unknown ones.
#[derive(clap::Args)]
struct Others {
    #[arg(long = "model-path")]
    _model_path: Option<String>,
    #[arg(long = "context-length")]
    _context_length: Option<String>,
    #[arg(long = "dyn-default-thinking-mode")]
    _dyn_default_thinking_mode: Option<String>,
}

/// Where the server is, and for how long it is waited for.
pub(crate) struct Server(SidecarArgs);

impl Server {
    /// The one that these arguments name.
    pub(crate) fn named_in(argv: Vec<String>) -> Result<Self, SidecarStartupError> {
        Ok(Self(Arguments::try_parse_from(argv)?.sidecar))
    }

    /// Waits until it takes a connection.
    pub(crate) async fn wait(&self) -> Result<(), DynamoError> {
        let mut transport = self.0.grpc.config();
        transport.connections = NonZeroUsize::MIN;
        GrpcChannelPool::connect("TensorRT-LLM", &self.0.grpc_endpoint, transport, false)
            .await
            .map(drop)
    }
}
