use super::*;
use crate::samples;
use crate::step::Message;

/// Calls `look` with the layout and the outputs of a message of each release.
fn each(name: &str, look: impl Fn(&Layout, &[Output<'_>])) {
    for release in samples::releases() {
        let layout = Layout::new(&release.fields).unwrap();
        match layout.read(&release.messages[name][0]) {
            Ok(Message::Step(step)) => look(&layout, &step.outputs),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn first_usual_and_last_outputs_are_read() {
    each("step", |_, outputs| {
        let [first, usual, last] = outputs else {
            panic!("{outputs:?}");
        };
        let body = first.body.as_ref().unwrap();
        assert_eq!(body.tokens.collect::<Vec<_>>(), [7]);
        assert_eq!(body.cached_tokens, Some(96));
        assert!(body.is_eventful);
        let body = usual.body.as_ref().unwrap();
        assert_eq!(body.tokens.collect::<Vec<_>>(), [70000]);
        assert_eq!(body.cached_tokens, None);
        assert!(!body.is_eventful);
        assert_eq!((body.finish, body.stop), (None, None));
        let body = last.body.as_ref().unwrap();
        assert_eq!(body.tokens.len(), 3);
        assert_eq!(body.tokens.collect::<Vec<_>>(), [1, 2, 300]);
        assert_eq!(body.finish, Some(Finish::Stop));
        assert_eq!(body.stop, Some(Stop::Token(300)));
    });
}

#[test]
fn an_output_ends_for_each_of_vllms_reasons() {
    each("ends", |_, outputs| {
        let ends = outputs.iter().map(|output| {
            let body = output.body.as_ref().unwrap();
            assert_eq!(body.tokens.len(), 0);
            (output.request_id, body.finish.unwrap(), body.stop)
        });
        let expected = [
            ("STOP", Finish::Stop, Some(Stop::Text("END"))),
            ("LENGTH", Finish::Length, None),
            ("ABORT", Finish::Abort, None),
            ("ERROR", Finish::Error, None),
            ("REPETITION", Finish::Repetition, None),
        ];
        assert_eq!(ends.collect::<Vec<_>>(), expected);
    });
}

/// What statistics get of an output, and the number of its fields.
fn for_statistics(layout: &Layout, output: &Output<'_>, look: impl Fn(Body<'_>, u32)) {
    let bytes = layout.for_statistics(output);
    let fields = Cursor::at(&bytes).array().unwrap();
    let mut cursor = Cursor::at(&bytes);
    let read = layout.read_output(&mut cursor).unwrap();
    assert!(cursor.is_at_end());
    assert_eq!(read.request_id, output.request_id);
    look(read.body.unwrap(), fields);
}

#[test]
fn statistics_get_no_arrays() {
    each("logprobs", |layout, outputs| {
        for output in outputs {
            assert!(output.body.as_ref().unwrap().logprobs.is_some());
            for_statistics(layout, output, |body, _| assert!(body.logprobs.is_none()));
        }
    });
    each("step", |layout, outputs| {
        for_statistics(layout, &outputs[0], |body, _| {
            assert!(body.is_eventful);
            assert_eq!(body.cached_tokens, Some(96));
        });
    });
}

#[test]
fn statistics_get_no_field_that_is_not_known() {
    for mut release in samples::releases() {
        let names = release.fields.get_mut("EngineCoreOutput").unwrap();
        let nans = names
            .iter()
            .position(|it| it == "num_nans_in_logits")
            .unwrap();
        // The last one, of an array in a frame that statistics do not get.
        names.push("news".into());
        let layout = Layout::new(&release.fields).unwrap();
        let mut raw = vec![0xdc, 0, 19, 0xa1, b'a', 0x91, 7];
        raw.resize(raw.len() + nans - 2, 0xc0);
        raw.push(0);
        raw.resize(raw.len() + 17 - nans, 0xc0);
        raw.extend_from_slice(b"\x93\xa3<f4\x91\x40\x01");
        let output = layout.read_output(&mut Cursor::at(&raw)).unwrap();
        assert!(output.body.is_ok());
        for_statistics(&layout, &output, |_, fields| {
            assert_eq!(fields as usize, nans + 1)
        });
    }
}

#[test]
fn a_field_is_read_where_the_release_has_it() {
    for mut release in samples::releases() {
        let names = release.fields.get_mut("EngineCoreOutput").unwrap();
        let finish = names.iter().position(|it| it == "finish_reason").unwrap();
        names.swap(0, 1);
        names.swap(2, finish);
        let layout = Layout::new(&release.fields).unwrap();
        let raw = [0x93, 0x91, 7, 0xa1, b'a', 1];
        let output = layout.read_output(&mut Cursor::at(&raw)).unwrap();
        assert_eq!(output.request_id, "a");
        let body = output.body.unwrap();
        assert_eq!(body.tokens.collect::<Vec<_>>(), [7]);
        assert_eq!(body.finish, Some(Finish::Length));
    }
}
