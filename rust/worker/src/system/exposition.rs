//! Several expositions in Prometheus' text format as one: a family's help and type come once, and
//! so does a series that several have. What would make the whole text unreadable is left out.

mod sample;

use std::collections::{HashMap, HashSet};

use sample::{is_name, series_of};

const KINDS: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];

/// Several texts as one.
pub(super) struct Merge {
    pub(super) text: String,
    /// What is not in it: the metric's name, and why.
    pub(super) left_out: Vec<(String, String)>,
}

/// Merges `texts`; of what they have in common the first decides.
pub(super) fn merge(texts: &[String]) -> Merge {
    let mut merged = Merged::default();
    for text in texts {
        merged.add(text);
    }
    merged.finish()
}

#[derive(Default)]
struct Merged<'a> {
    families: Vec<Family<'a>>,
    by_name: HashMap<&'a str, usize>,
    series: HashSet<&'a str>,
    left_out: Vec<(String, String)>,
}

#[derive(Default)]
struct Family<'a> {
    name: &'a str,
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
            if let Some(header) = Header::parse(line) {
                let index = self.family(header.name);
                if current.is_none_or(|(named, _)| named != header.name) {
                    conflicts = false;
                }
                current = Some((header.name, index));
                let family = &mut self.families[index];
                match header.kind {
                    None => {
                        family.help.get_or_insert(line);
                    }
                    Some(kind) if !KINDS.contains(&kind) => {
                        self.leave_out(header.name, format!("'{kind}' is no type of a metric"));
                        conflicts = true;
                    }
                    Some(kind) => {
                        let first = *family.kind.get_or_insert(kind);
                        conflicts = first != kind;
                        if conflicts {
                            let why = format!("it is a {kind} here, and a {first} before");
                            self.leave_out(header.name, why);
                        }
                    }
                }
            } else if !line.starts_with('#') {
                let Some((name, series)) = series_of(line) else {
                    let name = line.split(['{', ' ']).next().unwrap_or(line);
                    self.leave_out(name, format!("'{line}' is no line of the text format"));
                    continue;
                };
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
            self.families.push(Family {
                name,
                ..Family::default()
            });
            self.families.len() - 1
        })
    }

    fn leave_out(&mut self, name: &str, why: String) {
        self.left_out.push((name.to_owned(), why));
    }

    fn finish(self) -> Merge {
        let mut text = String::new();
        for family in &self.families {
            if family.samples.is_empty() {
                continue;
            }
            let kind = family
                .kind
                .map(|kind| format!("# TYPE {} {kind}", family.name));
            let lines = family.help.into_iter().chain(kind.as_deref());
            for line in lines.chain(family.samples.iter().copied()) {
                text.push_str(line);
                text.push('\n');
            }
        }
        Merge {
            text,
            left_out: self.left_out,
        }
    }
}

/// A `# HELP` or `# TYPE` line.
struct Header<'a> {
    name: &'a str,
    /// That of a `# TYPE` line.
    kind: Option<&'a str>,
}

impl<'a> Header<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.strip_prefix('#')?.split_whitespace();
        let keyword = words.next()?;
        let name = words.next().filter(|name| is_name(name))?;
        let kind = match keyword {
            "HELP" => None,
            "TYPE" => Some(words.next().unwrap_or_default()),
            _ => return None,
        };
        Some(Self { name, kind })
    }
}

fn belongs(sample: &str, family: &str) -> bool {
    sample.strip_prefix(family).is_some_and(|suffix| {
        matches!(
            suffix,
            "" | "_bucket" | "_sum" | "_count" | "_total" | "_created" | "_info"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(texts: &[&str]) -> Vec<String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        merge(&texts).text.lines().map(str::to_owned).collect()
    }

    fn left_out(texts: &[&str]) -> Vec<(String, String)> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        merge(&texts).left_out
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

    #[test]
    fn what_is_left_out_is_named() {
        let first = "# TYPE f counter\nf 1\n# TYPE g gauge\ng 1\n";
        let second = "# TYPE f histogram\nf_bucket{le=\"1\"} 1\nf_sum 1\n# TYPE h rate\nh 1\ng{ 2\ng{x=\"1\"} 1\n";
        assert_eq!(
            merged(&[first, second]),
            [
                "# TYPE f counter",
                "f 1",
                "# TYPE g gauge",
                "g 1",
                "g{x=\"1\"} 1"
            ]
        );
        let wanted = [
            ("f", "it is a histogram here, and a counter before"),
            ("h", "'rate' is no type of a metric"),
            ("g", "'g{ 2' is no line of the text format"),
        ];
        let wanted = wanted.map(|(name, why)| (name.to_owned(), why.to_owned()));
        assert_eq!(left_out(&[first, second]), wanted);
    }
}
