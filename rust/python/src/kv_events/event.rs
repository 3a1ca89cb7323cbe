//! Changes of a cache as engines write them in Python.

use dynamo_backend_worker::publish::{KvEvent, StoredBlocks};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use super::blocks::{self, refused, shown};
use super::mm_infos;
use super::place::{Argument, Place};

/// What `publish_stored` is given, and a stored event of `publish_batch` has.
#[derive(Default)]
pub(super) struct Stored<'a, 'py> {
    pub(super) token_ids: Option<&'a Bound<'py, PyAny>>,
    pub(super) parent_hash: Option<&'a Bound<'py, PyAny>>,
    pub(super) block_mm_infos: Option<&'a Bound<'py, PyAny>>,
    pub(super) lora_name: Option<&'a Bound<'py, PyAny>>,
    pub(super) cache_salt: Option<&'a Bound<'py, PyAny>>,
    pub(super) is_eagle: Option<&'a Bound<'py, PyAny>>,
}

impl Stored<'_, '_> {
    pub(super) fn read(
        &self,
        place: Place,
        blocks: &Bound<'_, PyAny>,
        block_size: u32,
    ) -> PyResult<StoredBlocks> {
        let parent_hash = self
            .parent_hash
            .map(|hash| blocks::hash(hash, || place.argument("parent_hash").to_string()))
            .transpose()?;
        let is_eagle = flag(self.is_eagle, place.argument("is_eagle"))?;
        Ok(StoredBlocks {
            parent_hash,
            lora_name: text(self.lora_name, place.argument("lora_name"))?,
            cache_salt: text(self.cache_salt, place.argument("cache_salt"))?,
            is_eagle,
            block_mm_infos: match self.block_mm_infos {
                Some(infos) => mm_infos::read(infos, place.argument("block_mm_infos"))?,
                None => Vec::new(),
            },
            blocks: match self.token_ids {
                Some(token_ids) => blocks::of_flat(place, blocks, token_ids, block_size, is_eagle)?,
                None => blocks::of_pairs(place, blocks)?,
            },
        })
    }
}

/// Reads the events of `publish_batch`.
pub(super) fn batch(events: &Bound<'_, PyAny>, block_size: u32) -> PyResult<Vec<KvEvent>> {
    let place = Place::Call("publish_batch").argument("events");
    blocks::items(events, place, "events")?
        .enumerate()
        .map(|(number, event)| {
            let event = event?;
            match event.cast::<PyDict>() {
                Ok(event) => one(Place::Event(number), event, block_size),
                Err(_) => Err(refused(
                    event.py(),
                    format!(
                        "{} is {}; accepted: a dict with a type",
                        Place::Event(number),
                        shown(&event)
                    ),
                )),
            }
        })
        .collect()
}

fn one(place: Place, event: &Bound<'_, PyDict>, block_size: u32) -> PyResult<KvEvent> {
    let py = event.py();
    let keys = Keys { place, event };
    let kind = keys.get(intern!(py, "type"))?;
    let is = |name: &Bound<'_, PyString>| match &kind {
        Some(kind) => kind.eq(name),
        None => Ok(false),
    };
    if is(intern!(py, "stored"))? {
        keys.only(&[
            "type",
            "blocks",
            "token_ids",
            "parent_hash",
            "block_mm_infos",
            "lora_name",
            "cache_salt",
            "is_eagle",
        ])?;
        let [
            token_ids,
            parent_hash,
            block_mm_infos,
            lora_name,
            cache_salt,
            is_eagle,
        ] = [
            keys.get(intern!(py, "token_ids"))?,
            keys.get(intern!(py, "parent_hash"))?,
            keys.get(intern!(py, "block_mm_infos"))?,
            keys.get(intern!(py, "lora_name"))?,
            keys.get(intern!(py, "cache_salt"))?,
            keys.get(intern!(py, "is_eagle"))?,
        ];
        let stored = Stored {
            token_ids: token_ids.as_ref(),
            parent_hash: parent_hash.as_ref(),
            block_mm_infos: block_mm_infos.as_ref(),
            lora_name: lora_name.as_ref(),
            cache_salt: cache_salt.as_ref(),
            is_eagle: is_eagle.as_ref(),
        };
        let blocks = keys.wanted(intern!(py, "blocks"))?;
        Ok(KvEvent::Stored(stored.read(place, &blocks, block_size)?))
    } else if is(intern!(py, "removed"))? {
        keys.only(&["type", "block_hashes"])?;
        let hashes = keys.wanted(intern!(py, "block_hashes"))?;
        let hashes = blocks::hashes(&hashes, place.argument("block_hashes"))?;
        Ok(KvEvent::Removed(hashes))
    } else if is(intern!(py, "cleared"))? {
        keys.only(&["type"])?;
        Ok(KvEvent::Cleared)
    } else {
        let what = match &kind {
            Some(kind) => format!("type is {}", shown(kind)),
            None => "there is no type".into(),
        };
        let accepted = "'stored', 'removed', 'cleared'";
        Err(refused(
            py,
            format!("{place}: {what}; accepted: {accepted}"),
        ))
    }
}

/// The keys of an event.
struct Keys<'a, 'py> {
    place: Place,
    event: &'a Bound<'py, PyDict>,
}

impl<'py> Keys<'_, 'py> {
    /// `None` also where it is there and None.
    fn get(&self, key: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.event.get_item(key)?.filter(|value| !value.is_none()))
    }

    fn wanted(&self, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.get(key)?.ok_or_else(|| {
            let message = format!("{}: there is no {key}", self.place);
            refused(self.event.py(), message)
        })
    }

    /// A typo would leave out what it stands for.
    fn only(&self, known: &[&str]) -> PyResult<()> {
        for (key, _) in self.event.iter() {
            let name = key.extract::<&str>().ok();
            if !name.is_some_and(|name| known.contains(&name)) {
                return Err(refused(
                    key.py(),
                    format!(
                        "{}: {} is unknown; accepted: {}",
                        self.place,
                        shown(&key),
                        known.join(", ")
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn text(value: Option<&Bound<'_, PyAny>>, place: Argument) -> PyResult<Option<String>> {
    value
        .map(|value| {
            let read = value
                .cast::<PyString>()
                .ok()
                .and_then(|text| text.to_str().ok());
            read.map(str::to_owned)
                .ok_or_else(|| wrong(value, place, "a str, or None"))
        })
        .transpose()
}

fn flag(value: Option<&Bound<'_, PyAny>>, place: Argument) -> PyResult<bool> {
    match value {
        None => Ok(false),
        Some(value) => match value.cast::<PyBool>() {
            Ok(flag) => Ok(flag.is_true()),
            Err(_) => Err(wrong(value, place, "True, False")),
        },
    }
}

fn wrong(value: &Bound<'_, PyAny>, place: Argument, accepted: &str) -> PyErr {
    let message = format!("{place} is {}; accepted: {accepted}", shown(value));
    refused(value.py(), message)
}
