//! Watching over the worker's own records in discovery, and those of its peers, while it serves.
//!
//! Records are lost where the process stood still for longer than they live without a sign of it,
//! and where somebody removes them. What can be registered again is; nobody would find the worker
//! otherwise, which would go on saying that it is ready.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use dynamo_runtime::discovery::{
    DiscoveryEvent, DiscoveryInstance, DiscoveryInstanceId, DiscoveryQuery,
};
use dynamo_runtime::traits::DistributedRuntimeProvider;
use futures::stream::{BoxStream, once, select};
use futures::{StreamExt, future};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{Instance, listed_card, peers, taints};

/// How often it is made sure that the process did not stand still, and a repair is tried again.
const LOOK: Duration = Duration::from_secs(1);
/// How long discovery may take for one answer.
const ANSWER: Duration = Duration::from_secs(3);
/// How long repairs may fail until the worker counts as lost.
const LOST: Duration = Duration::from_secs(5);

const INSTANCE: &str = "its instance";
const CARD: &str = "its model card";

struct Watching<'a> {
    instance: &'a Instance,
    backend: Backend,
    publishes: bool,
}

/// What lists of discovery mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// Lists cost nothing, and one that fails says that nothing is there. Files are better not
    /// watched: their events get lost, and whoever ends a watch has the runtime log an error.
    Local,
    /// A list that fails says nothing: a lease keeps the records meanwhile.
    Leased,
    /// Lists the records of pods that are ready: the worker's own would follow from its readiness.
    OfReadyPods,
}

impl Backend {
    /// How often everything is listed. Where others are watched, as often as frontends do it: a
    /// watch may have missed something.
    fn lists_every(self) -> Duration {
        match self {
            Self::Local => Duration::ZERO,
            Self::Leased => Duration::from_secs(30),
            // It watches by itself, and has the list at hand.
            Self::OfReadyPods => Duration::MAX,
        }
    }
}

/// What discovery has in the endpoint's place.
#[derive(Default, PartialEq)]
struct Records(HashMap<DiscoveryInstanceId, DiscoveryInstance>);

type Changes = BoxStream<'static, anyhow::Result<DiscoveryEvent>>;

impl Instance {
    /// Keeps the worker's records in discovery. Resolves when they are gone and cannot be put back,
    /// with the reason: what makes a worker known that `publishes` cannot be put back from here.
    pub(crate) async fn until_lost(&self, backend: Backend, publishes: bool) -> String {
        let watching = Watching {
            instance: self,
            backend,
            publishes,
        };
        watching.until_lost().await
    }
}

impl Watching<'_> {
    async fn until_lost(self) -> String {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes: Option<Changes> = None;
        let mut records = Records::default();
        let mut listed: Option<Instant> = None;
        let mut failing: Option<Instant> = None;
        let mut why_rejected = None;
        loop {
            let mut is_new = true;
            tokio::select! {
                biased;
                _ = looks.tick() => is_new = false,
                change = next(&mut changes) => match change {
                    Ok(change) => records.apply(change),
                    Err(error) => {
                        tracing::debug!("discovery is watched anew: {error:#}");
                        changes = None;
                        continue;
                    }
                },
            }
            if changes.is_none() && self.backend != Backend::Local {
                changes = self.watch().await.ok();
                listed = None;
            }
            // Before the look: who comes back while it is under way is not missed by it.
            let was_wanted = self.instance.readiness.presence().is_wanted();
            let stood_still = self.instance.readiness.has_stood_still();
            if stood_still || listed.is_none_or(|at| at.elapsed() > self.backend.lists_every()) {
                match self.list().await {
                    Ok(found) => {
                        is_new |= found != records;
                        records = found;
                    }
                    Err(_) if self.backend == Backend::Local => records = Records::default(),
                    // What is known may be long out of date.
                    Err(_) if stood_still || listed.is_none() => continue,
                    Err(error) => tracing::debug!("discovery was not listed: {error:#}"),
                }
                listed = Some(Instant::now());
            }
            let missing = self.missing_in(&records);
            let is_wanted = was_wanted && self.instance.readiness.presence().is_wanted();
            if missing.is_empty() || !is_wanted {
                failing = None;
                if is_new {
                    let unlisted = (self.backend == Backend::OfReadyPods)
                        .then_some(self.instance.card.untainted());
                    let found = records.0.values();
                    why_rejected = peers::why_rejected(&self.instance.endpoint, found, unlisted);
                }
                self.say(why_rejected.clone());
                continue;
            }
            // A watch may be behind a worker that has just come back.
            if changes.is_some()
                && let Ok(found) = self.list().await
                && self.missing_in(&found).is_empty()
            {
                records = found;
                continue;
            }
            self.say(Some(format!(
                "not in discovery: {} gone",
                missing.join(" and ")
            )));
            // Seen by a list before anybody is told that the worker is ready.
            listed = None;
            let repaired = timeout(ANSWER, self.repair()).await;
            if let Err(error) = repaired.context("no answer").flatten() {
                tracing::debug!("not registered again: {error:#}");
                if failing.get_or_insert_with(Instant::now).elapsed() > LOST {
                    return format!("{} gone: {error:#}", missing.join(" and "));
                }
            }
        }
    }

    /// Tells readiness and, where it is something new, the log.
    fn say(&self, why_not: Option<String>) {
        if !self.instance.readiness.looked_at_discovery(why_not.clone()) {
            return;
        }
        match why_not {
            Some(why_not) => tracing::warn!("Frontends send nothing here: {why_not}"),
            None => tracing::info!("Frontends find the worker again"),
        }
    }

    /// Puts back what is gone, unless somebody takes it out right now.
    async fn repair(&self) -> anyhow::Result<()> {
        let instance = self.instance;
        let is_wanted = || instance.readiness.presence().is_wanted();
        let Some(_changing) = instance.transitions().begin_repair(is_wanted) else {
            return Ok(());
        };
        let missing = self.missing_in(&self.list().await?);
        anyhow::ensure!(
            !(self.publishes && missing.len() == 2),
            "what makes its KV events and its load known went with it"
        );
        if missing.contains(&INSTANCE) {
            instance.endpoint.register_endpoint_instance().await?;
        }
        if missing.contains(&CARD) {
            if missing.contains(&INSTANCE) {
                instance.is_heard_of().await;
            }
            // The worker's own is the last: as long as it is missing, all are registered again.
            instance.adapters().publish_again().await?;
            taints::register(&instance.endpoint, &instance.card).await?;
        }
        Ok(())
    }

    /// The worker's own records that are not there.
    fn missing_in(&self, records: &Records) -> Vec<&'static str> {
        if self.backend == Backend::OfReadyPods {
            return Vec::new();
        }
        let own = self.instance.endpoint.drt().connection_id();
        let has = |wanted: fn(&DiscoveryInstance) -> bool| {
            let mut all = records.0.values();
            all.any(|record| record.instance_id() == own && wanted(record))
        };
        [
            (
                INSTANCE,
                has(|record| matches!(record, DiscoveryInstance::Endpoint(_))),
            ),
            (CARD, has(listed_card::is_of_the_model)),
        ]
        .into_iter()
        .filter(|(_, there)| !there)
        .map(|(name, _)| name)
        .collect()
    }

    /// What lists the instances and the cards in the endpoint's place.
    fn queries(&self) -> (DiscoveryQuery, DiscoveryQuery) {
        let id = self.instance.endpoint.id();
        let instances = DiscoveryQuery::Endpoint {
            namespace: id.namespace,
            component: id.component,
            endpoint: id.name,
        };
        (instances, peers::cards(&self.instance.endpoint))
    }

    async fn list(&self) -> anyhow::Result<Records> {
        let discovery = self.instance.endpoint.drt().discovery();
        let (instances, cards) = self.queries();
        let lists = future::try_join(discovery.list(instances), discovery.list(cards));
        let (instances, cards) = timeout(ANSWER, lists).await.context("no answer")??;
        let found = instances.into_iter().chain(cards);
        Ok(Records(found.map(|record| (record.id(), record)).collect()))
    }

    async fn watch(&self) -> anyhow::Result<Changes> {
        let discovery = self.instance.endpoint.drt().discovery();
        let (instances, cards) = self.queries();
        let watches = future::try_join(
            discovery.list_and_watch(instances, None),
            discovery.list_and_watch(cards, None),
        );
        let (instances, cards) = timeout(ANSWER, watches).await.context("no answer")??;
        // The end of one is the end of both.
        let end = || once(future::ready(Err(anyhow::anyhow!("a watch ended"))));
        Ok(select(instances.chain(end()), cards.chain(end())).boxed())
    }
}

impl Records {
    fn apply(&mut self, change: DiscoveryEvent) {
        match change {
            DiscoveryEvent::Added(record) => {
                self.0.insert(record.id(), record);
            }
            DiscoveryEvent::Removed(id) => {
                self.0.remove(&id);
            }
            // All that it says was said by the others before it.
            DiscoveryEvent::Resync(_) | DiscoveryEvent::ModelTaintsUpdated(_) => {}
        }
    }
}

async fn next(changes: &mut Option<Changes>) -> anyhow::Result<DiscoveryEvent> {
    match changes {
        Some(changes) => changes.next().await.context("nothing is watched")?,
        None => future::pending().await,
    }
}
