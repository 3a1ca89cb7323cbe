//! Start and cleanup.

use std::sync::Arc;

use crate::engine::LLMEngine;
use crate::testing::check::Check;
use crate::testing::finding::{Found, problem};
use crate::testing::life::{Life, told};

pub(super) const BEFORE: [Check; 1] = [Check {
    name: "cleanup_after_failed_start",
    rule: "cleanup succeeds even if start failed, at whatever point",
    mend: "have cleanup release only what is there, as with Option::take, and not unwrap what start sets",
    run: |life| Box::pin(half_started(life)),
}];

pub(super) const START: Check = Check {
    name: "start",
    rule: "start returns an EngineConfig, and the hooks that come before serving succeed",
    mend: "fix the error; what a hook needs must be there when start has returned",
    run: |life| Box::pin(life.start()),
};

pub(super) const SERVING: [Check; 2] = [
    Check {
        name: "watch",
        rule: "watch returns Ok, or goes on, as long as the engine can serve",
        mend: "fail in it only if the engine cannot go on: the worker then leaves discovery and ends",
        run: |life| Box::pin(watch(life)),
    },
    Check {
        name: "drain",
        rule: "drain returns, and is_quiescent is Some(true) or None when every request has ended",
        mend: "in drain, wait only for what the engine itself still does",
        run: |life| Box::pin(drain(life)),
    },
];

pub(super) const AFTER: [Check; 2] = [
    Check {
        name: "cleanup",
        rule: "cleanup returns Ok",
        mend: "fix the error; a worker only logs it and goes on",
        run: |life| Box::pin(cleanup(life)),
    },
    Check {
        name: "cleanup_twice",
        rule: "a second cleanup does nothing",
        mend: "take what is released out of its Option or Mutex, and check before releasing",
        run: |life| Box::pin(cleanup(life)),
    },
];

async fn half_started(life: &mut Life) -> Found {
    clean_up(life, life.another()?).await
}

async fn cleanup(life: &mut Life) -> Found {
    clean_up(life, life.engine.clone()).await
}

async fn clean_up(life: &Life, engine: Arc<dyn LLMEngine>) -> Found {
    life.hook("cleanup", async { engine.cleanup().await }).await
}

async fn watch(life: &mut Life) -> Found {
    let Some(watching) = life.watching.take() else {
        return Ok(());
    };
    if !watching.is_finished() {
        watching.abort();
        return Ok(());
    }
    match watching.await {
        Ok(Err(error)) => problem(format!(
            "it failed while the engine served: {}",
            told(&error)
        )),
        _ => Ok(()),
    }
}

async fn drain(life: &mut Life) -> Found {
    let engine = life.engine.clone();
    life.hook("drain", async { engine.drain().await }).await?;
    let asked = async { engine.is_quiescent().await };
    match life.hook("is_quiescent", asked).await? {
        Some(false) => problem("is_quiescent says Some(false) although every request has ended"),
        _ => Ok(()),
    }
}
