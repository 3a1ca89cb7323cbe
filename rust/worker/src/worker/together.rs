//! Several workers in one process.

use dynamo_backend_lifecycle::Report;
use dynamo_runtime::error::DynamoError;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::config::agree;
use crate::error::unknown;
use crate::run::Run;
use crate::shutdown::Shutdown;
use crate::worker::Worker;

/// What the end of one worker means for those beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenOneEnds {
    /// All shut down.
    #[default]
    All,
    /// The others go on.
    One,
}

/// Runs workers side by side on the current tokio runtime, each with a place in discovery of its
/// own; answers how each ended, in the order given. A signal is for all of them.
///
/// # Errors
///
/// A configuration is wrong, or two set differently what is one for the process; then none of them has started its engine.
pub async fn run_all(
    mut workers: Vec<Worker>,
    when_one_ends: WhenOneEnds,
) -> Result<Vec<Result<Report, DynamoError>>, DynamoError> {
    let configs = workers.iter_mut();
    let configs = configs.map(|worker| &mut worker.assembly.config.runtime);
    agree(&mut configs.collect::<Vec<_>>())?;
    let shutdowns: Vec<_> = workers.iter().map(Worker::shutdown).collect();
    let runs = workers
        .into_iter()
        .map(Worker::begin)
        .collect::<Result<Vec<Run>, _>>()?;
    let mut running: FuturesUnordered<_> = runs.into_iter().enumerate().map(apart).collect();
    let mut ended = Vec::with_capacity(shutdowns.len());
    while let Some(end) = running.next().await {
        if when_one_ends == WhenOneEnds::All {
            shutdowns.iter().for_each(Shutdown::ask);
        }
        ended.push(end);
    }
    ended.sort_by_key(|(number, _)| *number);
    Ok(ended.into_iter().map(|(_, result)| result).collect())
}

/// Runs one in a task of its own: an engine that blocks its thread does not hold up the others. Its
/// deadline goes with its end, having nothing more to keep.
async fn apart((number, run): (usize, Run)) -> (usize, Result<Report, DynamoError>) {
    let run = tokio::spawn(run.to_the_end()).await;
    let crashed = |crash| Err(unknown(format!("the run crashed: {crash}")));
    (number, run.map_or_else(crashed, |(result, _hold)| result))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::WorkerConfig;
    use crate::engines::Echo;

    #[tokio::test]
    async fn workers_that_want_two_system_servers_are_refused() {
        let workers = [1, 2].map(|port| {
            let mut config = WorkerConfig::default();
            config.runtime.system_port = Some(port);
            Worker::new(Arc::new(Echo::new("echo", Default::default())), config)
        });
        let refused = run_all(workers.into(), WhenOneEnds::All).await.unwrap_err();
        let begin = "system_port: 1 of one worker and 2 of another";
        assert!(refused.message().starts_with(begin), "{refused}");
    }
}
