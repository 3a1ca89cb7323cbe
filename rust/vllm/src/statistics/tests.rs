use super::*;
use crate::samples;
use crate::step::Message;

#[test]
fn the_usual_outputs_are_numbers_and_the_others_are_seen() {
    for release in samples::releases() {
        let layout = Layout::new(&release.fields).unwrap();
        let Ok(Message::Step(step)) = layout.read(&release.messages["step"][0]) else {
            panic!();
        };
        let mut requests = [
            Progress::default(),
            Progress {
                tokens: 3,
                timestamp: 41.0,
            },
            Progress {
                tokens: 5,
                timestamp: 40.0,
            },
        ];
        let mut record = Record::of(&step);
        for (output, request) in step.outputs.iter().zip(&mut requests) {
            let body = output.body.as_ref().unwrap();
            let before = request.advance(body.tokens.len(), step.timestamp);
            record.add(&layout, output, body, before);
        }
        assert_eq!(requests.map(|request| request.tokens), [1, 4, 8]);
        assert_eq!((record.engine_index, record.timestamp), (2, 41.25));
        assert_eq!(record.generation_tokens, 1);
        assert_eq!(record.inter_token_latencies, [0.25]);
        let before: Vec<_> = record.notable.iter().map(|it| it.before.tokens).collect();
        assert_eq!(before, [0, 5]);
        assert!(record.notable[0].before.is_nothing());
    }
}

#[test]
fn what_nobody_fetches_is_bounded_and_what_is_empty_is_not_kept() {
    let mut statistics = Statistics::default();
    assert!(!statistics.keep(Record::default()));
    assert!(statistics.take().is_empty());
    let record = |engine_index| Record {
        engine_index,
        scheduler_stats: Some(Vec::new()),
        ..Record::default()
    };
    let first_losses = (0..MOST as u32 + 3).filter(|number| statistics.keep(record(*number)));
    assert_eq!(first_losses.count(), 1);
    let records = statistics.take();
    assert_eq!(records.len(), MOST);
    assert_eq!(records[0].engine_index, 3);
    assert!(statistics.take().is_empty());
}
