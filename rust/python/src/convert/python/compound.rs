//! Values that are made of others.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{Failed, Made, Objects, keys};

/// A list that grows.
pub(super) struct Items<'py> {
    list: Bound<'py, PyList>,
}

impl<'py> Items<'py> {
    pub(super) fn new(py: Python<'py>) -> Self {
        Self {
            list: PyList::empty(py),
        }
    }

    fn push(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Failed> {
        let item = value.serialize(Objects(self.list.py()))?;
        Ok(self.list.append(item)?)
    }
}

/// A dict that grows.
pub(super) struct Entries<'py> {
    dict: Bound<'py, PyDict>,
    key: Option<Bound<'py, PyAny>>,
}

impl<'py> Entries<'py> {
    pub(super) fn new(py: Python<'py>) -> Self {
        Self {
            dict: PyDict::new(py),
            key: None,
        }
    }

    fn set(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Result<(), Failed> {
        let py = self.dict.py();
        let value = value.serialize(Objects(py))?;
        Ok(self.dict.set_item(keys::of_program(py, name), value)?)
    }
}

/// A dict whose one key is the name of an enum's variant.
pub(super) struct Variant<'py, T> {
    name: &'static str,
    content: T,
    _python: std::marker::PhantomData<Python<'py>>,
}

impl<'py, T> Variant<'py, T> {
    pub(super) fn new(name: &'static str, content: T) -> Self {
        Self {
            name,
            content,
            _python: std::marker::PhantomData,
        }
    }

    pub(super) fn made(self, content: Bound<'py, PyAny>) -> Made<'py> {
        let py = content.py();
        let dict = PyDict::new(py);
        dict.set_item(keys::of_program(py, self.name), content)?;
        Ok(dict.into_any())
    }
}

macro_rules! sequence {
    ($kind:ident, $add:ident) => {
        impl<'py> $kind for Items<'py> {
            type Ok = Bound<'py, PyAny>;
            type Error = Failed;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
                self.push(value)
            }

            fn end(self) -> Made<'py> {
                Ok(self.list.into_any())
            }
        }
    };
}

sequence!(SerializeSeq, serialize_element);
sequence!(SerializeTuple, serialize_element);
sequence!(SerializeTupleStruct, serialize_field);

impl<'py> SerializeMap for Entries<'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failed> {
        let key = key.serialize(Objects(self.dict.py()))?;
        self.key = Some(keys::of_map(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        let value = value.serialize(Objects(self.dict.py()))?;
        Ok(self.dict.set_item(self.key.take(), value)?)
    }

    fn end(self) -> Made<'py> {
        Ok(self.dict.into_any())
    }
}

impl<'py> SerializeStruct for Entries<'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.set(name, value)
    }

    fn end(self) -> Made<'py> {
        Ok(self.dict.into_any())
    }
}

impl<'py> SerializeTupleVariant for Variant<'py, Items<'py>> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.content.push(value)
    }

    fn end(self) -> Made<'py> {
        let content = self.content.list.clone().into_any();
        self.made(content)
    }
}

impl<'py> SerializeStructVariant for Variant<'py, Entries<'py>> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.content.set(name, value)
    }

    fn end(self) -> Made<'py> {
        let content = self.content.dict.clone().into_any();
        self.made(content)
    }
}
