use dynamo_runtime::discovery::DiscoveryQuery;
use dynamo_runtime::distributed::DistributedConfig;
use dynamo_runtime::{DistributedRuntime, Runtime};
use futures::FutureExt;

use super::*;

async fn published() -> Arc<Published> {
    let runtime = Runtime::from_current().unwrap();
    let drt = DistributedRuntime::new(runtime, DistributedConfig::process_local());
    let drt = drt.await.unwrap();
    let component = drt.namespace("d").and_then(|it| it.component("b"));
    let endpoint = component.unwrap().endpoint("generate");
    let card = ModelDeploymentCard::with_name_only("m");
    Published::new(endpoint, Arc::new(TaintedCard::new(card)))
}

async fn listed(published: &Published) -> usize {
    let discovery = published.endpoint.drt().discovery();
    discovery
        .list(DiscoveryQuery::AllModels)
        .await
        .unwrap()
        .len()
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_is_made_to_its_end_and_belongs_to_its_update() {
    let published = published().await;
    let changes = CardChanges::default();
    let withdrawn = {
        published.register("a").await.unwrap();
        published.names.lock().await.set("a", Is::There);
        let cards = published.cards();
        changes.clone().scope(async move {
            // Polled once, and dropped.
            assert!(cards.withdraw("a").now_or_never().is_none());
        })
    };
    withdrawn.await;
    while published.names.lock().await.find("a").is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(listed(&published).await, 0);
    assert_eq!(changes.take(), [Change::Withdrawn("a".to_owned())]);
}

#[tokio::test]
async fn a_card_that_may_be_there_is_taken_out_and_put_in_anew() {
    let published = published().await;
    let changes = CardChanges::default();
    {
        // As an attempt leaves it that failed and got through.
        published.register("a").await.unwrap();
        let mut names = published.names.lock().await;
        names.set("a", Is::Unsure);
        let failed = changes.clone().scope(async {
            let failed = Err(unknown("no answer"));
            note(&names, failed, Change::Published("a".to_owned()))
        });
        failed.await.unwrap_err();
        // What was refused changed nothing.
        let refused = changes.clone().scope(async {
            note(
                &names,
                Err(unknown("refused")),
                Change::Published("b".to_owned()),
            )
        });
        refused.await.unwrap_err();
        assert_eq!(names.sure().count(), 0);
    }
    assert_eq!(listed(&published).await, 1);
    assert_eq!(published.undo(&changes).await, [""; 0]);
    assert_eq!(listed(&published).await, 0);
    assert_eq!(published.names.lock().await.find("a"), None);
}
