//! What serde knows of a value, as Python objects: what JSON would make of it, without the JSON.

mod keys;

use std::fmt::{self, Display};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyList, PyString};
use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
};

/// Makes `value` a Python object: structs and maps are dicts, sequences are lists.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    value: &(impl Serialize + ?Sized),
) -> PyResult<Bound<'py, PyAny>> {
    value.serialize(Objects(py)).map_err(|failed| failed.0)
}

/// An exception, or what a type's own serialization says, as one.
#[derive(Debug)]
struct Failed(PyErr);

impl From<PyErr> for Failed {
    fn from(error: PyErr) -> Self {
        Self(error)
    }
}

impl Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Failed {}

impl ser::Error for Failed {
    fn custom<T: Display>(message: T) -> Self {
        Self(crate::errors::internal(message.to_string()))
    }
}

type Made<'py> = Result<Bound<'py, PyAny>, Failed>;

#[derive(Clone, Copy)]
struct Objects<'py>(Python<'py>);

macro_rules! numbers {
    ($($method:ident: $number:ty),*) => {
        $(fn $method(self, value: $number) -> Made<'py> {
            Ok(value.into_pyobject(self.0).map_err(PyErr::from)?.into_any())
        })*
    };
}

impl<'py> ser::Serializer for Objects<'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;
    type SerializeSeq = Items<'py>;
    type SerializeTuple = Items<'py>;
    type SerializeTupleStruct = Items<'py>;
    type SerializeTupleVariant = Variant<'py, Items<'py>>;
    type SerializeMap = Entries<'py>;
    type SerializeStruct = Entries<'py>;
    type SerializeStructVariant = Variant<'py, Entries<'py>>;

    numbers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_bool(self, value: bool) -> Made<'py> {
        Ok(PyBool::new(self.0, value).to_owned().into_any())
    }

    /// The number that JSON would have, the shortest one that is no other of 32 bits: 0.7, where
    /// widened it is 0.699999988.
    fn serialize_f32(self, value: f32) -> Made<'py> {
        let shortest = value.to_string().parse();
        self.serialize_f64(shortest.unwrap_or_else(|_| value.into()))
    }

    fn serialize_f64(self, value: f64) -> Made<'py> {
        // JSON has no number for the others.
        if value.is_finite() {
            Ok(PyFloat::new(self.0, value).into_any())
        } else {
            self.serialize_none()
        }
    }

    fn serialize_char(self, value: char) -> Made<'py> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Made<'py> {
        Ok(PyString::new(self.0, value).into_any())
    }

    fn serialize_bytes(self, value: &[u8]) -> Made<'py> {
        Ok(PyList::new(self.0, value)?.into_any())
    }

    fn serialize_none(self) -> Made<'py> {
        Ok(self.0.None().into_bound(self.0))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Made<'py> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Made<'py> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Made<'py> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Made<'py> {
        Ok(keys::of_program(self.0, variant).into_any())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Made<'py> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Made<'py> {
        Variant::new(variant, ()).made(value.serialize(self)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'py>, Failed> {
        Ok(Items::new(self.0))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'py>, Failed> {
        Ok(Items::new(self.0))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'py>, Failed> {
        Ok(Items::new(self.0))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant<'py, Items<'py>>, Failed> {
        Ok(Variant::new(variant, Items::new(self.0)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'py>, Failed> {
        Ok(Entries::new(self.0))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries<'py>, Failed> {
        Ok(Entries::new(self.0))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant<'py, Entries<'py>>, Failed> {
        Ok(Variant::new(variant, Entries::new(self.0)))
    }
}

/// A list that grows.
struct Items<'py> {
    list: Bound<'py, PyList>,
}

impl<'py> Items<'py> {
    fn new(py: Python<'py>) -> Self {
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
struct Entries<'py> {
    dict: Bound<'py, PyDict>,
    key: Option<Bound<'py, PyAny>>,
}

impl<'py> Entries<'py> {
    fn new(py: Python<'py>) -> Self {
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
struct Variant<'py, T> {
    name: &'static str,
    content: T,
    _python: std::marker::PhantomData<Python<'py>>,
}

impl<'py, T> Variant<'py, T> {
    fn new(name: &'static str, content: T) -> Self {
        Self {
            name,
            content,
            _python: std::marker::PhantomData,
        }
    }

    fn made(self, content: Bound<'py, PyAny>) -> Made<'py> {
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
