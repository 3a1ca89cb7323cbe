//! Whose control or update a path below `/engine/` means.

use crate::controls::OWN;

/// What of an engine's is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Control,
    Update,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Control => "engine control",
            Self::Update => "engine update",
        }
    }

    /// The path below `/engine/` of what is called `name`, and by its short path `path`: a control by
    /// a worker's own name has another one.
    fn path_of(self, name: &str, path: String) -> String {
        match self {
            Self::Update => format!("update/{path}"),
            Self::Control if OWN.contains(&name) => format!("control/{path}"),
            Self::Control => path,
        }
    }
}

/// Why a path means nothing, or nothing certain.
#[derive(Debug)]
pub(super) enum Unresolved {
    Unknown(String),
    Ambiguous(String),
}

/// Chooses among what the workers offer of a kind, as (worker, names): its index, and the name.
pub(super) fn choose<'a>(
    kind: Kind,
    offered: &[(&str, &[String])],
    path: &'a str,
) -> Result<(usize, &'a str), Unresolved> {
    let path = match kind {
        Kind::Control => path.strip_prefix("control/").unwrap_or(path),
        Kind::Update => path,
    };
    let supporting = |name: &str, of: Option<&str>| -> Vec<usize> {
        let supports = |index: &usize| {
            let (worker, names) = offered[*index];
            of.is_none_or(|of| of == worker) && names.iter().any(|known| known == name)
        };
        (0..offered.len()).filter(supports).collect()
    };
    // A control's own name may have a slash.
    let mut name = path;
    let mut found = supporting(path, None);
    if found.is_empty()
        && let Some((worker, rest)) = path.split_once('/')
    {
        name = rest;
        found = supporting(rest, Some(worker));
    }
    match found[..] {
        [index] => Ok((index, name)),
        [] => Err(Unresolved::Unknown(unknown(kind, offered, path))),
        _ => Err(Unresolved::Ambiguous(ambiguous(
            kind, offered, &found, name,
        ))),
    }
}

fn unknown(kind: Kind, offered: &[(&str, &[String])], path: &str) -> String {
    let noun = kind.noun();
    let supported: Vec<String> = offered
        .iter()
        .flat_map(|(worker, names)| {
            names.iter().map(move |name| match offered.len() {
                1 => kind.path_of(name, name.clone()),
                _ => kind.path_of(name, format!("{worker}/{name}")),
            })
        })
        .collect();
    if supported.is_empty() {
        return format!("no {noun} '{path}': no engine here supports any");
    }
    format!("no {noun} '{path}'; supported: {}", supported.join(", "))
}

fn ambiguous(kind: Kind, offered: &[(&str, &[String])], found: &[usize], name: &str) -> String {
    let mut paths: Vec<String> = found
        .iter()
        .map(|index| kind.path_of(name, format!("{}/{name}", offered[*index].0)))
        .map(|path| format!("/engine/{path}"))
        .collect();
    paths.dedup();
    match &paths[..] {
        [path] => format!(
            "several workers of this process are called {path}: give each an endpoint of its own"
        ),
        _ => format!(
            "several workers of this process support '{name}'; call one of them: {}",
            paths.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests;
