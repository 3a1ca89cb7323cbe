//! Which adapters have a card.

use std::collections::BTreeMap;

use dynamo_runtime::slug::Slug;

/// What is known of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// It is in discovery.
    There,
    /// Its last change failed, and may have got through all the same.
    Unsure,
}

/// The adapters that have a card, or may have one.
#[derive(Default)]
pub(super) struct Names {
    /// By the part of the record's key that is made of each name.
    by_key: BTreeMap<String, (String, Is)>,
    /// The worker leaves: no card may come after it.
    pub(super) closed: bool,
}

impl Names {
    /// `None` where there is no such card.
    pub(super) fn find(&self, name: &str) -> Option<Is> {
        let (there, is) = self.by_key.get(&key(name))?;
        (there == name).then_some(*is)
    }

    /// Another adapter that has the same key.
    pub(super) fn like(&self, name: &str) -> Option<&str> {
        let (there, _) = self.by_key.get(&key(name))?;
        (there != name).then_some(there)
    }

    pub(super) fn set(&mut self, name: &str, is: Is) {
        self.by_key.insert(key(name), (name.to_owned(), is));
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.by_key.remove(&key(name));
    }

    /// Those that belong into discovery.
    pub(super) fn sure(&self) -> impl Iterator<Item = &str> {
        let all = self.by_key.values();
        all.filter(|(_, is)| *is == Is::There)
            .map(|(name, _)| name.as_str())
    }

    /// All of them, and leaves none.
    pub(super) fn take(&mut self) -> Vec<String> {
        let all = std::mem::take(&mut self.by_key).into_values();
        all.map(|(name, _)| name).collect()
    }
}

fn key(name: &str) -> String {
    Slug::slugify(name).to_string()
}
