//! Messages that were written by vLLM itself; `samples/make.py` says how.

use std::collections::HashMap;

/// What one release of vLLM writes.
#[derive(Debug)]
pub(crate) struct Release {
    /// The fields of its structs, in order.
    pub(crate) fields: HashMap<String, Vec<String>>,
    /// The frames of its messages, by name.
    #[cfg_attr(fuzzing, allow(dead_code))]
    pub(crate) messages: HashMap<String, Vec<Vec<u8>>>,
}

pub(crate) fn releases() -> Vec<Release> {
    let texts = [
        include_str!("../samples/0.31.0.txt"),
        include_str!("../samples/0.32.0.txt"),
    ];
    texts.map(Release::read).into()
}

impl Release {
    fn read(text: &str) -> Self {
        let mut release = Self {
            fields: HashMap::new(),
            messages: HashMap::new(),
        };
        for line in text.lines() {
            let mut words = line.split(' ').map(str::to_owned);
            let (kind, name) = (words.next(), words.next().unwrap_or_default());
            if kind.as_deref() == Some("fields") {
                release.fields.insert(name, words.collect());
            } else {
                let frames = words.map(|frame| bytes(&frame));
                release.messages.insert(name, frames.collect());
            }
        }
        release
    }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().chunks_exact(2);
    digits
        .map(|digits| {
            let digits = str::from_utf8(digits).expect("digits");
            u8::from_str_radix(digits, 16).expect("digits")
        })
        .collect()
}
