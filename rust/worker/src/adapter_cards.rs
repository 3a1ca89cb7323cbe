//! The cards of LoRA adapters, by which a frontend serves each as a model of its own.
//!
//! Such a card is the worker's under another name. It counts only beside the worker's, and leaves
//! discovery with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use dynamo_llm::local_model::{LocalModel, register_model_card};
use dynamo_llm::model_card::{LoraInfo, ModelDeploymentCard};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::slug::Slug;
use serde_json::json;
use tokio::sync::Mutex;

use crate::error::{BackendError, backend, invalid_argument, unknown};

/// What registers the cards of an engine's LoRA adapters. It does so for as long as the run lasts.
#[derive(Clone)]
pub struct AdapterCards(Weak<Published>);

/// The cards of a worker's adapters.
pub(crate) struct Published {
    endpoint: Endpoint,
    /// The worker's own.
    card: ModelDeploymentCard,
    /// The adapters' names, by the part of the record's key that is made of each.
    names: Mutex<BTreeMap<String, String>>,
}

impl AdapterCards {
    /// Registers a card of this name; one that is there stays.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` where the name is empty, the model's, or too like another adapter's, and
    /// where the worker's card is one with a name only.
    pub async fn publish(&self, name: &str) -> Result<(), DynamoError> {
        self.published()?.publish(name).await
    }

    /// Takes the card of this name out of discovery; does nothing where there is none.
    pub async fn withdraw(&self, name: &str) -> Result<(), DynamoError> {
        self.published()?.withdraw(name).await
    }

    fn published(&self) -> Result<Arc<Published>, DynamoError> {
        self.0
            .upgrade()
            .ok_or_else(|| backend(BackendError::EngineShutdown, "the worker has ended"))
    }
}

impl Published {
    pub(crate) fn new(endpoint: Endpoint, card: ModelDeploymentCard) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            card,
            names: Mutex::default(),
        })
    }

    pub(crate) fn cards(self: &Arc<Self>) -> AdapterCards {
        AdapterCards(Arc::downgrade(self))
    }

    /// Registers the cards again, which a lost lease has taken with it.
    pub(crate) async fn publish_again(&self) -> anyhow::Result<()> {
        for name in self.names.lock().await.values() {
            register_model_card(&self.endpoint, &self.card_of(name)).await?;
        }
        Ok(())
    }

    /// Takes all of them out of discovery; what fails goes with the lease.
    pub(crate) async fn withdraw_all(&self) {
        for name in std::mem::take(&mut *self.names.lock().await).into_values() {
            if let Err(error) = LocalModel::detach_from_endpoint(&self.endpoint, Some(&name)).await
            {
                tracing::debug!(%error, "the card of {name} was out of discovery already");
            }
        }
    }

    async fn publish(&self, name: &str) -> Result<(), DynamoError> {
        if name.trim().is_empty() || name == self.card.name() {
            return Err(invalid_argument(format!(
                "adapter '{name}': it needs a name, and not the model's own"
            )));
        }
        if self.card.model_info.is_none() {
            return Err(invalid_argument(format!(
                "adapter '{name}': no frontend would serve it, as the worker's card has no model; \
                 configure model_name"
            )));
        }
        let mut names = self.names.lock().await;
        let key = Slug::slugify(name).to_string();
        match names.get(&key) {
            Some(there) if there == name => return Ok(()),
            Some(there) => {
                return Err(invalid_argument(format!(
                    "adapter '{name}': to discovery it has the name of '{there}'; rename one"
                )));
            }
            None => {}
        }
        register_model_card(&self.endpoint, &self.card_of(name))
            .await
            .map_err(|failed| unknown(format!("adapter '{name}': {failed:#}")))?;
        names.insert(key, name.to_owned());
        Ok(())
    }

    async fn withdraw(&self, name: &str) -> Result<(), DynamoError> {
        let mut names = self.names.lock().await;
        let key = Slug::slugify(name).to_string();
        if names.get(&key).is_none_or(|there| there != name) {
            return Ok(());
        }
        LocalModel::detach_from_endpoint(&self.endpoint, Some(name))
            .await
            .map_err(|failed| unknown(format!("adapter '{name}': {failed:#}")))?;
        names.remove(&key);
        Ok(())
    }

    fn card_of(&self, name: &str) -> ModelDeploymentCard {
        let mut card = self.card.clone();
        card.set_name(name);
        card.lora = Some(LoraInfo {
            name: name.to_owned(),
            max_gpu_lora_count: self.card.runtime_config.max_gpu_lora_count,
        });
        card.user_data = Some(json!({"lora_adapter": true}));
        card
    }
}
