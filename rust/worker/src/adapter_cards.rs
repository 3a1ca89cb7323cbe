//! The cards of LoRA adapters, by which a frontend serves each as a model of its own.
//!
//! Such a card is the worker's under another name. It counts only beside the worker's, and leaves
//! discovery with it.

mod changes;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use dynamo_llm::local_model::{LocalModel, register_model_card};
use dynamo_llm::model_card::{LoraInfo, ModelDeploymentCard};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::slug::Slug;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::error::{BackendError, backend, invalid_argument, unknown};
use crate::tainted_card::TaintedCard;
pub use changes::CardChanges;
use changes::Change;

/// What registers the cards of an engine's LoRA adapters. It does so for as long as the run lasts.
///
/// What an update changes (`engine_update`) is undone where it fails.
#[derive(Clone)]
pub struct AdapterCards(Weak<Published>);

/// The cards of a worker's adapters.
pub(crate) struct Published {
    endpoint: Endpoint,
    /// The worker's own.
    card: Arc<TaintedCard>,
    names: Mutex<Names>,
}

/// The adapters that have a card.
#[derive(Default)]
struct Names {
    /// Their names, by the part of the record's key that is made of each.
    by_key: BTreeMap<String, String>,
    /// The worker leaves: no card may come after it.
    closed: bool,
}

impl AdapterCards {
    /// Registers a card of this name; one that is there stays.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` where the name is empty, the model's or an alias of it, or too like another
    /// adapter's, and where the worker's card is one with a name only.
    pub async fn publish(&self, name: &str) -> Result<(), DynamoError> {
        let published = self.published()?;
        let mut names = published.names().await?;
        if published.put_in(&mut names, name).await? {
            note(Change::Published(name.to_owned()));
        }
        Ok(())
    }

    /// Takes the card of this name out of discovery; does nothing where there is none.
    pub async fn withdraw(&self, name: &str) -> Result<(), DynamoError> {
        let published = self.published()?;
        let mut names = published.names().await?;
        if published.take_out(&mut names, name).await? {
            note(Change::Withdrawn(name.to_owned()));
        }
        Ok(())
    }

    fn published(&self) -> Result<Arc<Published>, DynamoError> {
        self.0.upgrade().ok_or_else(ended)
    }
}

fn ended() -> DynamoError {
    backend(BackendError::EngineShutdown, "the worker has ended")
}

/// Under the lock of the names, so that nothing is missed when the update is undone.
fn note(change: Change) {
    if let Some(changes) = CardChanges::current() {
        changes.note(change);
    }
}

impl Published {
    pub(crate) fn new(endpoint: Endpoint, card: Arc<TaintedCard>) -> Arc<Self> {
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
        for name in self.names.lock().await.by_key.values() {
            register_model_card(&self.endpoint, &self.card_of(name)).await?;
        }
        Ok(())
    }

    /// Takes all of them out of discovery, for good; what fails goes with the lease.
    pub(crate) async fn withdraw_all(&self) {
        let mut names = self.names.lock().await;
        names.closed = true;
        for name in std::mem::take(&mut names.by_key).into_values() {
            if let Err(error) = LocalModel::detach_from_endpoint(&self.endpoint, Some(&name)).await
            {
                tracing::debug!(%error, "the card of {name} was out of discovery already");
            }
        }
    }

    /// Brings the cards back to where they were before an update that failed, which then can change
    /// none any more.
    pub(crate) async fn undo(&self, changes: &CardChanges) {
        let mut names = self.names.lock().await;
        for change in changes.take() {
            if names.closed {
                return;
            }
            let (name, undone) = match &change {
                Change::Published(name) => (name, self.take_out(&mut names, name).await),
                Change::Withdrawn(name) => (name, self.put_in(&mut names, name).await),
            };
            if let Err(error) = undone {
                tracing::warn!(
                    adapter = name,
                    "the update failed, and its change of the adapter's card could not be undone: {}",
                    error.message()
                );
            }
        }
    }

    /// The names, for whoever may still change them.
    async fn names(&self) -> Result<MutexGuard<'_, Names>, DynamoError> {
        let names = self.names.lock().await;
        if names.closed {
            return Err(ended());
        }
        if let Some(changes) = CardChanges::current() {
            changes.check()?;
        }
        Ok(names)
    }

    /// Answers whether it was not there.
    async fn put_in(&self, names: &mut Names, name: &str) -> Result<bool, DynamoError> {
        let base = self.card.untainted();
        let is_the_models = name == base.name() || base.aliases.iter().any(|alias| alias == name);
        if name.trim().is_empty() || is_the_models {
            return Err(invalid_argument(format!(
                "adapter '{name}': it needs a name, and not the model's own"
            )));
        }
        if base.model_info.is_none() {
            return Err(invalid_argument(format!(
                "adapter '{name}': no frontend would serve it, as the worker's card has no model; \
                 configure model_name"
            )));
        }
        let key = Slug::slugify(name).to_string();
        match names.by_key.get(&key) {
            Some(there) if there == name => return Ok(false),
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
        names.by_key.insert(key, name.to_owned());
        Ok(true)
    }

    /// Answers whether it was there.
    async fn take_out(&self, names: &mut Names, name: &str) -> Result<bool, DynamoError> {
        let key = Slug::slugify(name).to_string();
        if names.by_key.get(&key).is_none_or(|there| there != name) {
            return Ok(false);
        }
        LocalModel::detach_from_endpoint(&self.endpoint, Some(name))
            .await
            .map_err(|failed| unknown(format!("adapter '{name}': {failed:#}")))?;
        names.by_key.remove(&key);
        Ok(true)
    }

    fn card_of(&self, name: &str) -> ModelDeploymentCard {
        let mut card = self.card.current();
        card.set_name(name);
        // Those are the model's.
        card.set_aliases(Vec::new());
        card.lora = Some(LoraInfo {
            name: name.to_owned(),
            max_gpu_lora_count: card.runtime_config.max_gpu_lora_count,
        });
        card.user_data = Some(json!({"lora_adapter": true}));
        card
    }
}
