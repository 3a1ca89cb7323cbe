//! One sample's line of Prometheus' text format.

/// The metric's name, and name and labels together; `None` where `line` is no sample.
pub(super) fn series_of(line: &str) -> Option<(&str, &str)> {
    let end = line.find(['{', ' ', '\t'])?;
    let name = &line[..end];
    let after = line[end..].trim_start();
    let rest = match after.strip_prefix('{') {
        Some(labels) => after_labels(labels)?,
        None => after,
    };
    let is_sample = is_name(name) && is_value(rest);
    // Without labels, the series is the name.
    let length = if after.starts_with('{') {
        line.len() - rest.len()
    } else {
        end
    };
    is_sample.then(|| (name, &line[..length]))
}

/// Whether it may name a metric.
pub(super) fn is_name(text: &str) -> bool {
    is_word(text, |byte| byte == b':')
}

/// What follows the labels, of a text that begins behind their brace.
fn after_labels(mut text: &str) -> Option<&str> {
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix('}') {
            return Some(rest);
        }
        let (name, value) = text.split_once('=')?;
        if !is_word(name.trim(), |_| false) {
            return None;
        }
        text = after_quotes(value.trim_start())?.trim_start();
        match text.strip_prefix(',') {
            Some(rest) => text = rest,
            None if text.starts_with('}') => {}
            None => return None,
        }
    }
}

/// What follows a quoted value, which may have anything in it.
fn after_quotes(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, byte) in text.strip_prefix('"')?.bytes().enumerate() {
        match byte {
            _ if escaped => {
                if !matches!(byte, b'\\' | b'"' | b'n') {
                    return None;
                }
                escaped = false;
            }
            b'\\' => escaped = true,
            b'"' => return Some(&text[at + 2..]),
            _ => {}
        }
    }
    None
}

/// A number, and perhaps a time in milliseconds.
fn is_value(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words
        .next()
        .is_some_and(|value| value.parse::<f64>().is_ok())
        && words.next().is_none_or(|time| time.parse::<i64>().is_ok())
        && words.next().is_none()
}

fn is_word(text: &str, is_more: impl Fn(u8) -> bool) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || is_more(byte);
    text.bytes().next().is_some_and(letter)
        && text
            .bytes()
            .all(|byte| letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_a_series() {
        let rows = [
            ("a{x=\"}\"} 1", "a{x=\"}\"}"),
            ("a 1 1700000000000", "a"),
            ("a {x=\"1\"} 1", "a {x=\"1\"}"),
            ("a{} +Inf", "a{}"),
            (
                "vllm:b_total{ x = \"\\\\\" , y=\"ü, \\\"\" , } NaN",
                "vllm:b_total{ x = \"\\\\\" , y=\"ü, \\\"\" , }",
            ),
            ("a\t-1.5e-9", "a"),
            ("a{x=\"1\"}2", "a{x=\"1\"}"),
        ];
        for (line, series) in rows {
            assert_eq!(
                series_of(line).map(|(_, found)| found),
                Some(series),
                "{line}"
            );
        }
        assert_eq!(series_of("a:b{x=\"1\"} 1").unwrap().0, "a:b");
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        let rows = [
            "a",
            "a{x=\"1\"}",
            "1a 1",
            "a-b 1",
            "a one",
            "a 1 1.5",
            "a 1 2 3",
            "a{x=1} 1",
            "a{x=\"1} 1",
            "a{x=\"\\x\"} 1",
            "a{x=\"1\" y=\"2\"} 1",
            "a{1=\"1\"} 1",
            "a{,} 1",
            "a{x:y=\"1\"} 1",
            "<html> 1",
        ];
        for line in rows {
            assert_eq!(series_of(line), None, "{line}");
        }
    }
}
