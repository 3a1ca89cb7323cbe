use super::*;
use crate::layout::Layout;
use crate::samples;
use crate::step::Message;

/// The log probabilities of an output of the sample, by its place.
fn each(output: usize, tokens: usize, look: impl Fn(Option<Logprobs<'_>>)) {
    for release in samples::releases() {
        let layout = Layout::new(&release.fields).unwrap();
        let frames = &release.messages["logprobs"];
        assert_eq!(frames.len(), 3, "two arrays are too large for the message");
        let Ok(Message::Step(step)) = layout.read(&frames[0]) else {
            panic!();
        };
        let body = step.outputs[output].body.as_ref().unwrap();
        look(Logprobs::read(body.logprobs.unwrap(), frames, tokens));
    }
}

fn candidate(token_id: u32, logprob: f64, rank: u32) -> Candidate {
    Candidate {
        token_id,
        logprob,
        rank,
    }
}

#[test]
fn rows_in_the_message_are_read() {
    each(0, 2, |logprobs| {
        let logprobs = logprobs.unwrap();
        assert_eq!(logprobs.sampled(0), Some(candidate(101, -1.5, 2)));
        let likeliest: Vec<_> = logprobs.likeliest(0, 2).collect();
        let expected = [candidate(100, -0.5, 1), candidate(101, -1.5, 2)];
        assert_eq!(likeliest, expected);
        // There is no infinity.
        let last = logprobs.likeliest(1, usize::MAX).last();
        assert_eq!(last, Some(candidate(102, -9999.0, 3)));
        assert_eq!(logprobs.sampled(2), None);
    });
}

#[test]
fn rows_in_frames_of_their_own_are_read() {
    each(1, 1, |logprobs| {
        let logprobs = logprobs.unwrap();
        assert_eq!(logprobs.sampled(0), Some(candidate(101, -1.5, 2)));
        assert_eq!(logprobs.likeliest(0, 1000).count(), 100);
        let third = logprobs.likeliest(0, 3).last();
        assert_eq!(third, Some(candidate(102, -2.5, 3)));
    });
}

#[test]
fn there_may_be_no_candidates() {
    each(2, 1, |logprobs| {
        let logprobs = logprobs.unwrap();
        let sampled = logprobs.sampled(0).unwrap();
        assert_eq!((sampled.token_id, sampled.rank), (101, 2));
        assert_eq!(logprobs.likeliest(0, 5).count(), 0);
    });
}

#[test]
fn rows_are_as_many_as_tokens_and_arrays_as_long_as_they_say() {
    each(0, 3, |logprobs| assert!(logprobs.is_none()));
    for release in samples::releases() {
        let layout = Layout::new(&release.fields).unwrap();
        let frames = &release.messages["logprobs"];
        let Ok(Message::Step(step)) = layout.read(&frames[0]) else {
            panic!();
        };
        let raw = step.outputs[1].body.as_ref().unwrap().logprobs.unwrap();
        let mut short = frames.clone();
        short[1].pop();
        assert!(Logprobs::read(raw, &short, 1).is_none());
        assert!(Logprobs::read(raw, &frames[..2], 1).is_none());
    }
}
