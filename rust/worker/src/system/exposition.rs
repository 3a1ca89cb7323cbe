//! Several expositions in Prometheus' text format as one: a family's help and type come once, and
//! so does a series that several have.

use std::collections::{HashMap, HashSet};

/// Merges `texts`; of what they have in common the first decides.
pub(super) fn merge(texts: &[String]) -> String {
    let mut merged = Merged::default();
    for text in texts {
        merged.add(text);
    }
    merged.into_text()
}

#[derive(Default)]
struct Merged<'a> {
    families: Vec<Family<'a>>,
    by_name: HashMap<&'a str, usize>,
    series: HashSet<&'a str>,
}

#[derive(Default)]
struct Family<'a> {
    help: Option<&'a str>,
    kind: Option<&'a str>,
    samples: Vec<&'a str>,
}

impl<'a> Merged<'a> {
    fn add(&mut self, text: &'a str) {
        // Samples belong to the family that was named last, as a histogram's `_bucket` does.
        let mut current: Option<(&str, usize)> = None;
        // A family of another type than the first one of its name cannot be shown beside it.
        let mut conflicts = false;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some((keyword, name)) = header(line) {
                let index = self.family(name);
                if current.is_none_or(|(named, _)| named != name) {
                    conflicts = false;
                }
                current = Some((name, index));
                let family = &mut self.families[index];
                if keyword == "HELP" {
                    family.help.get_or_insert(line);
                } else {
                    conflicts = *family.kind.get_or_insert(line) != line;
                }
            } else if !line.starts_with('#') {
                let series = series_of(line);
                let name = series.split('{').next().unwrap_or(series);
                let index = match current {
                    Some((family, index)) if belongs(name, family) => {
                        if conflicts {
                            continue;
                        }
                        index
                    }
                    _ => self.family(name),
                };
                if self.series.insert(series) {
                    self.families[index].samples.push(line);
                }
            }
        }
    }

    fn family(&mut self, name: &'a str) -> usize {
        *self.by_name.entry(name).or_insert_with(|| {
            self.families.push(Family::default());
            self.families.len() - 1
        })
    }

    fn into_text(self) -> String {
        let mut text = String::new();
        for family in self
            .families
            .iter()
            .filter(|family| !family.samples.is_empty())
        {
            for line in family
                .help
                .iter()
                .chain(&family.kind)
                .chain(&family.samples)
            {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

/// The keyword and the family of a `# HELP` or `# TYPE` line.
fn header(line: &str) -> Option<(&str, &str)> {
    let mut words = line.strip_prefix('#')?.split_whitespace();
    let keyword = words
        .next()
        .filter(|word| matches!(*word, "HELP" | "TYPE"))?;
    Some((keyword, words.next()?))
}

fn belongs(sample: &str, family: &str) -> bool {
    sample.strip_prefix(family).is_some_and(|suffix| {
        matches!(
            suffix,
            "" | "_bucket" | "_sum" | "_count" | "_total" | "_created" | "_info"
        )
    })
}

/// Name and labels of a sample's line; a label's value may have spaces and braces.
fn series_of(line: &str) -> &str {
    let Some(open) = line
        .find(['{', ' ', '\t'])
        .filter(|at| line[*at..].starts_with('{'))
    else {
        return line.split_whitespace().next().unwrap_or(line);
    };
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in line.bytes().enumerate().skip(open) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return &line[..=at],
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(texts: &[&str]) -> Vec<String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        merge(&texts).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_family_of_several_workers_has_its_header_once() {
        let first = "# HELP up Whether\n# TYPE up gauge\nup{w=\"1\"} 1\n# TYPE x counter\nx 2\n";
        let second = "# HELP up Whether\n# TYPE up gauge\nup{w=\"2\"} 1\n";
        let wanted = [
            "# HELP up Whether",
            "# TYPE up gauge",
            "up{w=\"1\"} 1",
            "up{w=\"2\"} 1",
            "# TYPE x counter",
            "x 2",
        ];
        assert_eq!(merged(&[first, second]), wanted);
    }

    #[test]
    fn a_series_of_the_whole_process_comes_once() {
        let text = "# TYPE p_seconds gauge\np_seconds 1\n";
        let later = "# TYPE p_seconds gauge\np_seconds 2\n";
        assert_eq!(
            merged(&[text, later]),
            ["# TYPE p_seconds gauge", "p_seconds 1"]
        );
    }

    #[test]
    fn a_histogram_keeps_its_parts_together() {
        let text = |worker: &str| {
            format!(
                "# TYPE h histogram\nh_bucket{{w=\"{worker}\",le=\"+Inf\"}} 3\n\
                 h_sum{{w=\"{worker}\"}} 1.5\nh_count{{w=\"{worker}\"}} 3\n"
            )
        };
        let lines = merged(&[&text("1"), &text("2")]);
        assert_eq!(lines[0], "# TYPE h histogram");
        assert_eq!(lines.len(), 7);
        assert!(lines[4].starts_with("h_bucket{w=\"2\""));
    }

    #[test]
    fn label_values_may_have_anything() {
        let text = "a{x=\"} \\\" {\",y=\"1\"} 1\na{x=\"} \\\" {\",y=\"2\"} 1\n";
        assert_eq!(merged(&[text, text]).len(), 2);
        assert_eq!(series_of("a{x=\"}\"} 1"), "a{x=\"}\"}");
        assert_eq!(series_of("a 1 1700000000000"), "a");
        assert_eq!(series_of("a {x=\"1\"} 1"), "a");
    }

    #[test]
    fn what_has_no_header_or_another_type_does_not_break_the_text() {
        let first = "# EOF\nplain 1\n# TYPE f counter\nf 1\n# a remark\n";
        let second = "plain{w=\"2\"} 1\n# TYPE f gauge\nf{w=\"2\"} 1\n# TYPE empty gauge\n";
        assert_eq!(
            merged(&[first, second]),
            ["plain 1", "plain{w=\"2\"} 1", "# TYPE f counter", "f 1"]
        );
    }
}
