//! What a step of the engine core does to the requests that are expected.

use std::collections::HashMap;

use dynamo_backend_vllm::requests::Whose;
use dynamo_backend_vllm::statistics::Record;
use dynamo_backend_vllm::{Layout, Load, Requests, Statistics, Step};
use dynamo_backend_worker::publish::{Snapshot, SnapshotPublisher};

use super::chunk::{Request, unreadable};
use crate::chunk::Item;
use crate::step::{Push, Shared};

/// What a reader keeps between two steps. One lock for all of it.
#[derive(Default)]
pub(super) struct State {
    pub(super) requests: Requests<Request>,
    pub(super) statistics: Option<Statistics>,
    pub(super) snapshots: Option<Snapshots>,
}

/// Publishes the load of each data-parallel rank.
pub(super) struct Snapshots {
    pub(super) publisher: SnapshotPublisher,
    /// By rank, with the blocks that it has.
    pub(super) ranks: HashMap<u32, (u64, Load)>,
}

impl State {
    /// Hands a step's outputs over to their streams. Answers the message's first frame as it goes on
    /// to vLLM's own client; `None`: nothing is left for it.
    pub(super) fn take_step(
        &mut self,
        layout: &Layout,
        step: &Step<'_>,
        frames: &[zmq::Message],
        steps: &Shared,
    ) -> Option<Vec<u8>> {
        let mut record = self.statistics.as_ref().map(|_| Record::of(step));
        let mut items: Vec<(u64, Item)> = Vec::with_capacity(step.outputs.len());
        let mut has_failed = false;
        let mut others = Vec::new();
        for output in &step.outputs {
            let request = match self.requests.whose(output.request_id, step.timestamp) {
                Whose::Live(request) => request,
                Whose::Gone => {
                    if matches!(&output.body, Ok(body) if body.finish.is_some()) {
                        self.requests.finish(output.request_id);
                    }
                    continue;
                }
                Whose::Other => {
                    others.push(output);
                    continue;
                }
            };
            let stream = request.stream;
            let mut is_last = false;
            let item = match &output.body {
                Ok(body) => {
                    is_last = body.finish.is_some();
                    let before = request.advance(body, step.timestamp);
                    if let Some(record) = &mut record {
                        record.add(layout, output, body, before);
                    }
                    request.item(output, body, frames, before.is_nothing())
                }
                Err(field) => Err(unreadable(field)),
            };
            if let Err(error) = &item {
                tracing::error!(vllm_request_id = output.request_id, "{}", error.message());
                has_failed |= !is_last;
            }
            if is_last {
                self.requests.finish(output.request_id);
            }
            items.push((stream, item));
        }
        let mut push = Push::new(steps, Vec::new());
        for (stream, item) in items {
            push.item(stream, item);
        }
        if !push.handed_over().is_empty() || has_failed {
            self.give_up();
        }
        self.publish(step);
        let counts = record.is_some();
        if let (Some(statistics), Some(record)) = (&mut self.statistics, record)
            && statistics.keep(record)
        {
            tracing::warn!(
                "vLLM's statistics are not fetched, for a minute or so: the oldest are lost"
            );
        }
        (step.is_for_client || !others.is_empty()).then(|| layout.rest_of(step, &others, counts))
    }

    /// Fails all that is expected: nobody knows whose tokens a message has that cannot be read.
    pub(super) fn fail(&mut self, field: &str, steps: &Shared) {
        let mut push = Push::new(steps, Vec::new());
        for request in self.requests.live() {
            push.item(request.stream, Err(unreadable(field)));
        }
        push.handed_over();
        self.give_up();
    }

    /// Has the requests aborted whose streams nobody reads any more.
    pub(super) fn give_up(&mut self) {
        self.requests.give_up(|request| !request.is_wanted());
    }

    fn publish(&mut self, step: &Step<'_>) {
        if let Some(snapshots) = &mut self.snapshots
            && let Some(scheduler_stats) = step.scheduler_stats
            && let Some((total, load)) = snapshots.ranks.get_mut(&step.engine_index)
            && load.observe(scheduler_stats).is_some()
        {
            let snapshot = Snapshot {
                total_blocks: *total,
                used_blocks: load.used_blocks(*total),
                kv_cache_hit_rate: load.hit_rate(),
            };
            snapshots.publisher.push(step.engine_index, snapshot);
        }
    }
}
