//! The model deployment card that a frontend reads from discovery.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dynamo_backend_environment::{DYN_DISCOVERY_BACKEND, DYN_SYSTEM_HOST, DYN_SYSTEM_PORT};
use dynamo_llm::local_model::runtime_config::{
    DisaggregatedEndpoint, ModelRuntimeConfig, StructuralTagConfig, StructuralTagMode,
};
use dynamo_llm::local_model::{LocalModel, LocalModelBuilder};
use dynamo_llm::model_card::ModelDeploymentCard;
use dynamo_llm::model_type::{ModelInput, ModelType};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use serde_json::{Value, json};

use super::topology::Domains;
use super::{loading, peers, self_host};
use crate::config::{DisaggregationMode, WorkerConfig};
use crate::engine_config::EngineConfig;
use crate::error::{at_step, cannot_connect, invalid_argument, unknown};

/// In a card's `runtime_data`: what frontends tell a chat template where a request says nothing.
const DEFAULT_THINKING_MODE: &str = "default_thinking_mode";
/// Name of a card that nobody gave one.
const NAMELESS: &str = "dynamo";
/// In a card's `runtime_data`, of a worker that takes what an encode worker made.
const ENCODER_RESULT_HANDOFF: &str = "encoder_result_handoff";

/// The public name of the model: the operator's, the engine's, the model's own, then the place
/// that it is loaded from.
pub(crate) fn served_name(config: &WorkerConfig, engine: &EngineConfig) -> String {
    [
        config.served_model_name.as_deref(),
        engine.served_model_name.as_deref(),
        Some(engine.model.as_str()),
        Some(config.model_name.as_str()),
    ]
    .into_iter()
    .flatten()
    .find(|name| !name.trim().is_empty())
    .unwrap_or(NAMELESS)
    .to_owned()
}

/// Where a model's files are on this machine.
pub(crate) struct Files {
    folder: PathBuf,
    from_hub: bool,
}

impl Files {
    /// The path that the configuration names; `None` where there is none.
    fn local(model_name: &str) -> Option<Self> {
        let folder = PathBuf::from(model_name);
        folder.exists().then_some(Self {
            folder,
            from_hub: false,
        })
    }
}

/// Where the model's files are: the configured path, or the hub's files without the weights.
/// `None` for a card with a name only.
pub(crate) async fn fetch(config: &WorkerConfig) -> Result<Option<Files>, DynamoError> {
    let model_name = &config.model_name;
    if is_name_only(config) {
        return Ok(None);
    }
    if let Some(files) = Files::local(model_name) {
        return Ok(Some(files));
    }
    let fetched = LocalModel::fetch(model_name, true).await.map_err(|error| {
        cannot_connect(format!(
            "fetch '{model_name}': no such path here, and the hub did not give it: {error:#}"
        ))
    })?;
    Ok(Some(Files {
        folder: fetched,
        from_hub: true,
    }))
}

/// A frontend needs no tokenizer for what it hands on as its client sent it.
fn is_name_only(config: &WorkerConfig) -> bool {
    config.model_name.is_empty() || config.model_input != ModelInput::Tokens
}

/// Makes sure that a frontend will load the model in the folder that the configuration names, as
/// long as the engine has not started yet. Whether there is such a folder.
pub(crate) async fn check_folder(config: &WorkerConfig) -> Result<bool, DynamoError> {
    if is_name_only(config) {
        return Ok(false);
    }
    let Some(files) = Files::local(&config.model_name) else {
        return Ok(false);
    };
    // What the engine will say of itself changes nothing about the files.
    let (card, folder) = made_from(config, &EngineConfig::new(""), Some(&files), None).await?;
    check(card, folder).await.map(|()| true)
}

/// Builds the card. `checked`: a frontend is known to load the files; `system` is where the system
/// server listens.
pub(crate) async fn build(
    endpoint: &Endpoint,
    config: &WorkerConfig,
    engine: &EngineConfig,
    files: Option<Files>,
    checked: bool,
    system: Option<SocketAddr>,
    topology: Option<&Domains>,
) -> Result<ModelDeploymentCard, DynamoError> {
    let (mut card, folder) = made_from(config, engine, files.as_ref(), topology).await?;
    if !checked {
        check(card.clone(), folder.clone()).await?;
    }
    if let Some(address) = self_host::reachable(system) {
        self_host::point_at(address, &mut card, &folder, endpoint).map_err(failed)?;
    } else if files.is_some_and(|files| files.from_hub) {
        // A frontend fetches by the source; of these URLs it takes the files' names.
        let hub = format!("hf://{}/", card.source_path());
        card.move_to_url(&hub).map_err(failed)?;
    } else if seen_by_other_machines() {
        tracing::warn!(
            model = config.model_name,
            "the card points at a folder of this machine; a frontend elsewhere finds the model \
             only at the same path, or when {DYN_SYSTEM_HOST} and {DYN_SYSTEM_PORT} make the worker's \
             metadata routes reachable"
        );
    }
    Ok(card)
}

/// Registers the card with discovery.
pub(crate) async fn register(
    endpoint: &Endpoint,
    card: &ModelDeploymentCard,
) -> Result<(), DynamoError> {
    peers::register(endpoint, card).await.map_err(failed)
}

fn failed(error: anyhow::Error) -> DynamoError {
    at_step("card", unknown(format!("{error:#}")))
}

/// The card of these files, and their folder.
async fn made_from(
    config: &WorkerConfig,
    engine: &EngineConfig,
    files: Option<&Files>,
    topology: Option<&Domains>,
) -> Result<(ModelDeploymentCard, PathBuf), DynamoError> {
    let name = served_name(config, engine);
    let mut runtime_config = runtime_config(config, engine)?;
    if let Some(domains) = topology {
        domains.write(&mut runtime_config);
    }
    let (decoder, fetcher) = config.media()?;
    let mut builder = LocalModelBuilder::default();
    builder
        .model_name(Some(name.clone()))
        .model_aliases(aliases(&name, engine)?)
        .kv_cache_block_size(engine.kv_cache_block_size)
        .custom_template_path(config.custom_jinja_template.as_deref().map(absolute))
        .media_decoder(decoder)
        .media_fetcher(fetcher)
        .runtime_config(runtime_config)
        .self_host_metadata(false);
    if let Some(files) = files {
        // Part of the card's checksum: the same files are the same model in every folder.
        let source = match files.from_hub {
            true => &config.model_name,
            false => &name,
        };
        builder
            .model_path(files.folder.clone())
            .source_path(PathBuf::from(source));
    }
    let model = builder.build().await.map_err(failed)?;
    let folder = model.path().to_owned();
    let mut card = model.into_card();
    card.model_type = registered_type(config)?;
    card.model_input = config.model_input;
    card.worker_type = Some(config.disaggregation_mode.worker_type());
    card.needs = config.disaggregation_mode.needs(config.route_to_encoder);
    card.user_data = Some(json!({peers::GENERATION_OF: config.namespace}));
    Ok((card, folder))
}

/// The names beside `name`, each once.
fn aliases(name: &str, engine: &EngineConfig) -> Result<Vec<String>, DynamoError> {
    let mut aliases: Vec<String> = Vec::new();
    for alias in &engine.model_aliases {
        if alias.trim().is_empty() {
            return Err(invalid_argument(format!(
                "card: model_aliases: '{alias}' is no name; leave it out"
            )));
        }
        if alias != name && !aliases.contains(alias) {
            aliases.push(alias.clone());
        }
    }
    Ok(aliases)
}

/// For a frontend on this machine, whose current folder is another.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A frontend that cannot load the card would never list the model, and nobody would say why.
async fn check(mut card: ModelDeploymentCard, folder: PathBuf) -> Result<(), DynamoError> {
    // What it takes to decode media is the frontend's to have.
    card.media_decoder = None;
    let loaded = tokio::task::spawn_blocking(move || loading::load(&card)).await;
    loaded
        .context("loading it crashed")
        .flatten()
        .map_err(|error| {
            let folder = folder.display();
            failed(error.context(format!("no frontend could load the model of '{folder}'")))
        })
}

/// Prefill and encode workers have no surface of their own, whatever the operator listed.
fn registered_type(config: &WorkerConfig) -> Result<ModelType, DynamoError> {
    match config.disaggregation_mode {
        DisaggregationMode::Prefill => Ok(ModelType::Prefill),
        DisaggregationMode::Encode => Ok(ModelType::empty()),
        DisaggregationMode::Aggregated | DisaggregationMode::Decode => config.model_type(),
    }
}

fn runtime_config(
    config: &WorkerConfig,
    engine: &EngineConfig,
) -> Result<ModelRuntimeConfig, DynamoError> {
    let disaggregated_endpoint = match (&engine.bootstrap_host, engine.bootstrap_port) {
        (Some(host), Some(port)) => Some(DisaggregatedEndpoint {
            bootstrap_host: Some(host.clone()),
            bootstrap_port: Some(port),
        }),
        _ => None,
    };
    let structural_tag =
        (config.structural_tag_mode == StructuralTagMode::On).then_some(StructuralTagConfig {
            scope: config.structural_tag_scope,
            schema: config.structural_tag_schema,
            allow_tool_calls_with_structured_output: config.structural_tag_with_structured_output,
            exclude_special_tokens: config.structural_tag_exclude_special_tokens,
            reasoning_boundary: config.structural_tag_reasoning_boundary,
            tool_arguments_any_order: config.structural_tag_arguments_any_order,
        });
    let mut runtime_data: HashMap<_, _> = engine.runtime_data.clone().into_iter().collect();
    if let Some(mode) = config.default_thinking_mode {
        runtime_data.insert(DEFAULT_THINKING_MODE.to_owned(), json!(mode));
    }
    if config.route_to_encoder {
        runtime_data.insert(ENCODER_RESULT_HANDOFF.to_owned(), Value::Bool(true));
    }
    Ok(ModelRuntimeConfig {
        context_length: engine.context_length,
        total_kv_blocks: engine.total_kv_blocks,
        max_num_seqs: engine.max_num_seqs,
        max_num_batched_tokens: engine.max_num_batched_tokens,
        data_parallel_size: engine.data_parallel_size.unwrap_or(1),
        data_parallel_start_rank: engine.data_parallel_start_rank.unwrap_or(0),
        tool_call_parser: config.tool_call_parser.clone(),
        reasoning_parser: config.reasoning_parser.clone(),
        exclude_tools_when_tool_choice_none: config.exclude_tools_when_tool_choice_none,
        structural_tag,
        structural_tag_mode: config.structural_tag_mode,
        structural_tag_scope: config.structural_tag_scope,
        structural_tag_schema: config.structural_tag_schema,
        max_gpu_lora_count: engine.max_gpu_lora_count,
        enable_eagle: engine.enable_eagle,
        enable_local_indexer: config.effective_local_indexer(),
        kv_state_endpoint: config.kv_state_endpoint()?,
        runtime_data,
        disaggregated_endpoint,
        ..Default::default()
    })
}

fn seen_by_other_machines() -> bool {
    !matches!(
        DYN_DISCOVERY_BACKEND.text().as_deref(),
        Some("mem" | "file")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(operator: Option<&str>, engine: Option<&str>, model: &str, place: &str) -> String {
        served_name(
            &WorkerConfig {
                served_model_name: operator.map(Into::into),
                model_name: place.into(),
                ..Default::default()
            },
            &EngineConfig {
                served_model_name: engine.map(Into::into),
                ..EngineConfig::new(model)
            },
        )
    }

    #[test]
    fn the_served_name_is_the_first_that_is_not_empty() {
        assert_eq!(names(Some("a"), Some("b"), "c", "d"), "a");
        assert_eq!(names(Some(""), Some("b"), "c", "d"), "b");
        assert_eq!(names(None, Some(" "), "c", "d"), "c");
        assert_eq!(names(None, None, "", "d"), "d");
        assert_eq!(names(None, None, "", ""), "dynamo");
    }

    #[test]
    fn a_bootstrap_endpoint_needs_host_and_port() {
        let half = EngineConfig {
            bootstrap_host: Some("127.0.0.1".into()),
            ..EngineConfig::new("m")
        };
        let config = WorkerConfig::default();
        assert!(
            runtime_config(&config, &half)
                .unwrap()
                .disaggregated_endpoint
                .is_none()
        );
        let whole = EngineConfig {
            bootstrap_port: Some(9000),
            ..half
        };
        assert!(
            runtime_config(&config, &whole)
                .unwrap()
                .disaggregated_endpoint
                .is_some()
        );
    }

    #[test]
    fn what_the_engine_left_unset_is_not_advertised() {
        let card = runtime_config(&WorkerConfig::default(), &EngineConfig::new("m")).unwrap();
        assert_eq!(card.context_length, None);
        assert_eq!(card.total_kv_blocks, None);
        assert_eq!(
            (card.data_parallel_size, card.data_parallel_start_rank),
            (1, 0)
        );
    }

    #[test]
    fn prefill_and_encode_workers_have_no_surface_whatever_the_list_says() {
        let config = WorkerConfig {
            disaggregation_mode: DisaggregationMode::Prefill,
            ..Default::default()
        };
        assert_eq!(registered_type(&config).unwrap(), ModelType::Prefill);
        let config = WorkerConfig {
            disaggregation_mode: DisaggregationMode::Encode,
            ..Default::default()
        };
        assert_eq!(registered_type(&config).unwrap(), ModelType::empty());
    }
}
