use super::*;
use crate::samples;

/// Calls `look` with the layout and a message of each release.
fn each(name: &str, look: impl Fn(&Layout, &[Vec<u8>])) {
    for release in samples::releases() {
        look(
            &Layout::new(&release.fields).unwrap(),
            &release.messages[name],
        );
    }
}

fn step<'a>(layout: &Layout, frame: &'a [u8]) -> Step<'a> {
    match layout.read(frame) {
        Ok(Message::Step(step)) => step,
        other => panic!("{other:?}"),
    }
}

fn ids<'a>(step: &Step<'a>) -> Vec<&'a str> {
    step.outputs.iter().map(|it| it.request_id).collect()
}

#[test]
fn a_step_of_either_release_is_read() {
    each("step", |layout, frames| {
        let step = step(layout, &frames[0]);
        assert_eq!((step.engine_index, step.timestamp), (2, 41.25));
        assert!(step.scheduler_stats.is_some());
        assert!(!step.is_for_client);
        assert_eq!(ids(&step), ["first-1", "usual-2", "several-3"]);
    });
    each("statistics", |layout, frames| {
        let step = step(layout, &frames[0]);
        assert!(step.outputs.is_empty() && step.scheduler_stats.is_some());
    });
}

#[test]
fn what_is_for_vllms_client_is_known() {
    each("utility", |layout, frames| {
        let read = layout.read(&frames[0]);
        assert!(matches!(read, Ok(Message::Utility)), "{read:?}");
    });
    for name in ["finished", "wave"] {
        each(name, |layout, frames| {
            assert!(step(layout, &frames[0]).is_for_client)
        });
    }
    for mut release in samples::releases() {
        let names = release.fields.get_mut("EngineCoreOutputs").unwrap();
        names.push("news".into());
        let layout = Layout::new(&release.fields).unwrap();
        let frame = &mut release.messages.get_mut("statistics").unwrap()[0];
        frame[0] += 1;
        frame.push(0xc0);
        assert!(!step(&layout, frame).is_for_client);
        *frame.last_mut().unwrap() = 7;
        assert!(step(&layout, frame).is_for_client, "what is not known");
    }
    each("step", |layout, _| {
        let read = layout.read(ENGINE_CORE_DEAD).map(|_| ());
        assert_eq!(read, Err("EngineCoreOutputs"));
    });
}

#[test]
fn the_rest_has_the_outputs_that_are_left_and_all_else() {
    each("step", |layout, frames| {
        let whole = step(layout, &frames[0]);
        let rest = layout.rest_of(&whole, &[&whole.outputs[1]], true);
        let rest = step(layout, &rest);
        assert_eq!((rest.engine_index, rest.timestamp), (2, 41.25));
        assert_eq!(rest.scheduler_stats, None);
        assert_eq!(ids(&rest), ["usual-2"]);
        assert_eq!(rest.outputs[0].raw, whole.outputs[1].raw);
        let all: Vec<_> = whole.outputs.iter().collect();
        let all = layout.rest_of(&whole, &all, false);
        let all = step(layout, &all);
        assert_eq!(all.scheduler_stats, whole.scheduler_stats);
        assert_eq!(ids(&all), ids(&whole));
    });
    each("finished", |layout, frames| {
        let whole = step(layout, &frames[0]);
        let rest = layout.rest_of(&whole, &[], true);
        assert!(step(layout, &rest).is_for_client);
    });
}

#[test]
fn an_output_that_cannot_be_read_spoils_no_other() {
    each("step", |layout, frames| {
        let mut frame = frames[0].clone();
        // "usual-2", [70000]: the array of its tokens becomes a map.
        let place = frame
            .windows(8)
            .position(|it| it == b"\xa7usual-2")
            .unwrap();
        assert_eq!(frame[place + 8], 0x91);
        frame[place + 8] = 0xd0;
        let spoilt = layout.read(&frame);
        // The place of all that follows is another now, so here nothing can be read.
        assert!(spoilt.is_err());
        frame[place + 8] = 0x91;
        frame[place + 9] = 0xca;
        let spoilt = step(layout, &frame);
        assert_eq!(ids(&spoilt), ["first-1", "usual-2", "several-3"]);
        let wrong = spoilt.outputs[1].body.as_ref().unwrap_err();
        assert_eq!(*wrong, "new_token_ids");
        assert!(spoilt.outputs[2].body.is_ok());
        assert!(spoilt.outputs[1].raw.starts_with(b"\xdc\0\x12"));
    });
}

#[test]
fn no_message_that_is_cut_or_changed_does_harm() {
    for name in ["step", "logprobs", "ends", "finished"] {
        each(name, |layout, frames| {
            let frame = &frames[0];
            for length in 0..frame.len() {
                let read = layout.read(&frame[..length]);
                assert!(read.is_err(), "{name} {length}");
            }
            for place in 0..frame.len() {
                for byte in [0x00, 0x7f, 0xc1, 0xc0, 0xdd, 0xff] {
                    let mut changed = vec![0];
                    changed.extend_from_slice(frame);
                    changed[place + 1] = byte;
                    crate::fuzzing::message(&changed);
                }
            }
        });
    }
}
