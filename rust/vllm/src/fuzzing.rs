//! What the fuzz target calls: a message of any bytes, of either release.
//!
//! It panics where something must not be: that is its finding. Only the builds of fuzzing and of
//! tests have this module.

use std::sync::LazyLock;

use crate::layout::Layout;
use crate::load::Load;
use crate::logprobs::Logprobs;
use crate::samples;
use crate::statistics::{Progress, Record};
use crate::step::{Message, Step};

static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| {
    let releases = samples::releases().into_iter();
    let layout = |release: samples::Release| Layout::new(&release.fields);
    releases.map(|it| layout(it).expect("its fields")).collect()
});

/// The first byte chooses the release, the others are the message's only frame.
pub fn message(data: &[u8]) {
    let Some((release, frame)) = data.split_first() else {
        return;
    };
    let layout = &LAYOUTS[usize::from(*release) % LAYOUTS.len()];
    if let Ok(Message::Step(step)) = layout.read(frame) {
        look(layout, &step, frame);
    }
}

/// Looks at all that is in a step.
fn look(layout: &Layout, step: &Step<'_>, frame: &[u8]) {
    if let Some(stats) = step.scheduler_stats {
        let mut load = Load::default();
        load.observe(stats);
        assert!(load.used_blocks(10) <= 10, "{load:?}");
    }
    let mut record = Record::of(step);
    let frames = [frame];
    for output in &step.outputs {
        let Ok(body) = &output.body else { continue };
        assert_eq!(body.tokens.len(), body.tokens.count());
        record.add(layout, output, body, Progress::default());
        let read = |raw| Logprobs::read(raw, &frames, body.tokens.len());
        if let Some(logprobs) = body.logprobs.and_then(read) {
            for row in 0..body.tokens.len() {
                logprobs.sampled(row);
                assert!(logprobs.likeliest(row, usize::MAX).count() < frame.len());
            }
        }
    }
    // What is written anew is read as it was.
    let all: Vec<_> = step.outputs.iter().collect();
    let rest = layout.rest_of(step, &all, false);
    let Ok(Message::Step(again)) = layout.read(&rest) else {
        panic!("{rest:?}");
    };
    assert_eq!(again.outputs.len(), step.outputs.len());
    assert_eq!(again.scheduler_stats, step.scheduler_stats);
}
