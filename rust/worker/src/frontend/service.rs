//! Dynamo's HTTP service and its watcher of models, put together as Dynamo's own frontend does.
//!
//! `HttpFrontend` of `dynamo-llm` ends only with the runtime's last token, with which discovery and
//! transports go, and tells nobody which routes it has enabled. So its public parts are composed
//! here: the service can end before the engine does, and announcing waits for what it serves.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use dynamo_llm::discovery::{ModelUpdate, ModelWatcher};
use dynamo_llm::http::service::service_v2::HttpService;
use dynamo_llm::local_model::LocalModelBuilder;
use dynamo_llm::model_type::ModelType;
use dynamo_llm::namespace::NamespaceFilter;
use dynamo_llm::request_trace;
use dynamo_runtime::DistributedRuntime;
use dynamo_runtime::discovery::DiscoveryQuery;
use dynamo_runtime::metrics::MetricsHierarchy;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Models whose routes answer.
pub(super) type Served = watch::Sender<HashSet<String>>;

/// Builds the service of `address`; it answers while [`run`] is polled, until `stop` flips.
pub(super) async fn build(
    drt: &DistributedRuntime,
    address: SocketAddr,
    stop: &CancellationToken,
    served: Served,
) -> anyhow::Result<HttpService> {
    let model = LocalModelBuilder::default().build().await?;
    let discovery = drt.discovery();
    let http = HttpService::builder()
        .host(address.ip().to_string())
        .port(address.port())
        .cancel_token(Some(stop.clone()))
        .with_request_template(model.request_template())
        .metrics_config(model.metrics_config().clone())
        .frontend_api_config(model.frontend_api_config().clone())
        .drt_metrics(Some(drt.get_metrics_registry().clone()))
        .drt_discovery(Some(discovery.clone()))
        .discovery(Some(discovery.clone()))
        .runtime(Some(Arc::new(drt.clone())))
        .build()?;

    let mut watcher = ModelWatcher::new(
        drt.clone(),
        http.state().manager_clone(),
        model.router_config().clone(),
        model.migration_limit(),
        model.migration_max_seq_len(),
        None,
        None,
        http.state().metrics_clone(),
    );
    watcher.set_tokenizer_backend(model.runtime_config().tokenizer_backend);
    watcher.set_tokenizer_fallback_enabled(model.runtime_config().tokenizer_fallback_enabled);
    let (updates, mut updated) = mpsc::channel(32);
    watcher.set_notify_on_model_update(updates);
    let models = discovery
        .list_and_watch(DiscoveryQuery::AllModels, None)
        .await?;
    let filter =
        NamespaceFilter::from_namespace_and_prefix(model.namespace(), model.namespace_prefix());
    tokio::spawn(Arc::new(watcher).watch(models, filter));
    let of_models = http.clone();
    tokio::spawn(async move {
        while let Some(update) = updated.recv().await {
            if let Err(error) = apply(&of_models, update, &served) {
                tracing::error!(%error, "the frontend's routes could not be changed");
            }
        }
    });
    Ok(http)
}

/// Serves to the end of `stop`, and to the end of the answers that are being written then.
pub(super) async fn run(
    http: HttpService,
    listener: TcpListener,
    drt: DistributedRuntime,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let traced = request_trace::ActiveInput::register();
    if let Err(error) = request_trace::init_from_env_with_shutdown(drt.child_token()).await {
        tracing::warn!(%error, "the frontend records no requests");
    }
    let ended = http.run_with_listener(stop, listener).await;
    traced.release_and_drain().await;
    ended
}

/// Enables the routes of a model that came, and disables those that the last one left.
fn apply(http: &HttpService, update: ModelUpdate, served: &Served) -> anyhow::Result<()> {
    let anthropic = http.anthropic_api_enabled();
    match update {
        ModelUpdate::Added(card) => {
            for route in card.model_type.as_endpoint_types_with_anthropic(anthropic) {
                http.enable_model_endpoint(route, true)?;
            }
            http.state()
                .metrics_clone()
                .update_metrics_from_mdc(&card)?;
            served.send_modify(|served| {
                served.insert(card.display_name.clone());
            });
        }
        ModelUpdate::Removed(card) => {
            let units = card.model_type.units().into_iter();
            let vacated = units
                .filter(|unit| !http.model_manager().has_models_of_type(*unit))
                .fold(ModelType::empty(), |vacated, unit| vacated | unit);
            for route in vacated.as_endpoint_types_with_anthropic(anthropic) {
                http.enable_model_endpoint(route, false)?;
            }
        }
    }
    Ok(())
}
