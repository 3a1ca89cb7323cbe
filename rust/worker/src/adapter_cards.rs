//! The cards of LoRA adapters, by which a frontend serves each as a model of its own.
//!
//! Such a card is the worker's under another name. It counts only beside the worker's, and leaves
//! discovery with it.

mod changes;
mod names;

use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context;
use dynamo_llm::local_model::{LocalModel, register_model_card};
use dynamo_llm::model_card::{LoraInfo, ModelDeploymentCard};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::storage::kv::StoreError;
use dynamo_runtime::traits::DistributedRuntimeProvider;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use crate::error::{BackendError, backend, invalid_argument, unknown};
use crate::tainted_card::TaintedCard;
pub use changes::CardChanges;
use changes::Change;
use names::{Is, Names};

/// How long discovery may take for one card: updates wait for it, and a shutdown.
const ANSWER: Duration = Duration::from_secs(3);

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

impl AdapterCards {
    /// Registers a card of this name; one that is there stays.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` where the name is empty, the model's or an alias of it, or too like another
    /// adapter's, and where the worker's card is one with a name only.
    pub async fn publish(&self, name: &str) -> Result<(), DynamoError> {
        let name = name.to_owned();
        to_its_end(self.published()?, |published| async move {
            let mut names = published.names().await?;
            let put_in = published.put_in(&mut names, &name).await;
            note(&names, put_in, Change::Published(name))
        })
        .await
    }

    /// Takes the card of this name out of discovery; does nothing where there is none.
    pub async fn withdraw(&self, name: &str) -> Result<(), DynamoError> {
        let name = name.to_owned();
        to_its_end(self.published()?, |published| async move {
            let mut names = published.names().await?;
            let taken_out = published.take_out(&mut names, &name).await;
            note(&names, taken_out, Change::Withdrawn(name))
        })
        .await
    }

    fn published(&self) -> Result<Arc<Published>, DynamoError> {
        self.0.upgrade().ok_or_else(ended)
    }
}

fn ended() -> DynamoError {
    backend(BackendError::EngineShutdown, "the worker has ended")
}

/// Does `work` in a task of its own, as a card whose change is dropped midway would be there, or gone,
/// without anybody knowing.
async fn to_its_end<W>(
    published: Arc<Published>,
    work: impl FnOnce(Arc<Published>) -> W,
) -> Result<(), DynamoError>
where
    W: Future<Output = Result<(), DynamoError>> + Send + 'static,
{
    let tasks = published.endpoint.drt().runtime().primary();
    let work = CardChanges::part_of(CardChanges::current(), work(published));
    let task = tasks.spawn(work).await;
    task.unwrap_or_else(|failed| match failed.is_panic() {
        true => Err(unknown(format!("the change of the card crashed: {failed}"))),
        false => Err(ended()),
    })
}

/// Under the lock of the names, so that nothing is missed when the update is undone. What failed may
/// have changed something, too.
fn note(
    names: &Names,
    changed: Result<bool, DynamoError>,
    change: Change,
) -> Result<(), DynamoError> {
    let is_noted = match &changed {
        Ok(is_changed) => *is_changed,
        Err(_) => names.find(change.name()) == Some(Is::Unsure),
    };
    if let Some(changes) = CardChanges::current().filter(|_| is_noted) {
        changes.note(change);
    }
    changed.map(|_| ())
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
        for name in self.names.lock().await.sure() {
            self.register(name).await?;
        }
        Ok(())
    }

    /// Takes all of them out of discovery, for good; what fails goes with the lease.
    pub(crate) async fn withdraw_all(&self) {
        let mut names = self.names.lock().await;
        names.closed = true;
        for name in names.take() {
            if let Err(error) = self.detach(&name).await {
                tracing::debug!(%error, "the card of {name} was out of discovery already");
            }
        }
    }

    /// Brings the cards back to where they were before an update that failed, which then can change
    /// none any more. Answers which adapters' cards are not as they were.
    pub(crate) async fn undo(&self, changes: &CardChanges) -> Vec<String> {
        let mut names = self.names.lock().await;
        let mut failed = Vec::new();
        for change in changes.take() {
            if names.closed {
                break;
            }
            let mut undone = self.undo_one(&mut names, &change).await;
            if undone.is_err() {
                undone = self.undo_one(&mut names, &change).await;
            }
            if let Err(error) = undone {
                tracing::warn!(
                    adapter = change.name(),
                    "the update failed, and its change of the adapter's card could not be undone: {}",
                    error.message()
                );
                failed.push(change.name().to_owned());
            }
        }
        failed
    }

    async fn undo_one(&self, names: &mut Names, change: &Change) -> Result<bool, DynamoError> {
        match change {
            Change::Published(name) => self.take_out(names, name).await,
            Change::Withdrawn(name) => self.put_in(names, name).await,
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
        if names.find(name) == Some(Is::There) {
            return Ok(false);
        }
        if let Some(there) = names.like(name) {
            return Err(invalid_argument(format!(
                "adapter '{name}': to discovery it has the name of '{there}'; rename one"
            )));
        }
        // Before the attempt: one that fails may have got through.
        names.set(name, Is::Unsure);
        let Err(failed) = self.register(name).await else {
            names.set(name, Is::There);
            return Ok(true);
        };
        if self.detach(name).await.is_ok() {
            names.forget(name);
        }
        Err(unknown(format!("adapter '{name}': {failed:#}")))
    }

    /// Answers whether it was there, or may have been.
    async fn take_out(&self, names: &mut Names, name: &str) -> Result<bool, DynamoError> {
        if names.find(name).is_none() {
            return Ok(false);
        }
        names.set(name, Is::Unsure);
        self.detach(name)
            .await
            .map_err(|failed| unknown(format!("adapter '{name}': {failed:#}")))?;
        names.forget(name);
        Ok(true)
    }

    async fn register(&self, name: &str) -> anyhow::Result<()> {
        let card = self.card_of(name);
        answered(register_model_card(&self.endpoint, &card)).await
    }

    async fn detach(&self, name: &str) -> anyhow::Result<()> {
        let detaching = LocalModel::detach_from_endpoint(&self.endpoint, Some(name));
        match answered(detaching).await {
            // So files say it of a card that is not there; others say nothing.
            Err(gone) if matches!(gone.downcast_ref(), Some(StoreError::MissingKey(_))) => Ok(()),
            answered => answered,
        }
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

async fn answered(change: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    timeout(ANSWER, change)
        .await
        .with_context(|| format!("discovery did not answer within {ANSWER:?}"))?
}

#[cfg(test)]
mod tests;
