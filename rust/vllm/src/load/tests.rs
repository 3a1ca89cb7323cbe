use super::*;
use crate::layout::Layout;
use crate::samples;
use crate::step::Message;

#[test]
fn a_load_is_what_the_scheduler_says() {
    for release in samples::releases() {
        let layout = Layout::new(&release.fields).unwrap();
        let Ok(Message::Step(step)) = layout.read(&release.messages["statistics"][0]) else {
            panic!();
        };
        let mut load = Load::default();
        assert_eq!((load.used_blocks(100), load.hit_rate()), (0, None));
        load.observe(step.scheduler_stats.unwrap()).unwrap();
        assert_eq!((load.used_blocks(100), load.hit_rate()), (25, Some(0.96)));
        assert_eq!(load.observe(b"\x80"), None);
        assert_eq!(load.used_blocks(1000), 250);
    }
}

#[test]
fn the_hit_rate_is_of_the_latest_requests_since_a_reset() {
    let lookups = |requests, hits| Lookups {
        requests,
        queries: 10 * requests,
        hits,
        reset: false,
    };
    let mut load = Load::default();
    load.add(lookups(600, 6000));
    load.add(lookups(0, 0));
    load.add(lookups(400, 0));
    assert_eq!(load.hit_rate(), Some(0.6));
    load.add(lookups(100, 500));
    assert_eq!(load.hit_rate(), Some(0.1));
    load.add(lookups(5000, 0));
    assert_eq!(load.hit_rate(), Some(0.0));
    load.add(Lookups {
        reset: true,
        ..lookups(1, 10)
    });
    assert_eq!(load.hit_rate(), Some(1.0));
    load.add(Lookups {
        reset: true,
        ..lookups(0, 0)
    });
    assert_eq!(load.hit_rate(), None);
}
