//! The tokens of a prompt as Python sees them: a sequence over Rust's memory.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::{Arc, OnceLock};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PySlice, PyTuple, PyType};

use crate::errors;

/// Tokens that `repr` shows.
const SHOWN: usize = 32;

static STRIDES: [ffi::Py_ssize_t; 1] = [size_of::<c_long>() as ffi::Py_ssize_t];

/// The tokens of a prompt: read-only, and shared with Rust until somebody wants a list.
///
/// No subclass of `list`: what reads a list's own memory in C (`array`, `msgpack`, `orjson`) would
/// take one that is not filled yet for an empty prompt, without a word.
#[pyclass(frozen, sequence, module = "dynamo_backend_common._core")]
pub(crate) struct TokenIds {
    tokens: Arc<Vec<u32>>,
    /// A buffer points to both.
    shape: [ffi::Py_ssize_t; 1],
    signed: OnceLock<Box<[c_long]>>,
}

impl TokenIds {
    pub(crate) fn new(tokens: Arc<Vec<u32>>) -> Self {
        let shape = [tokens.len().cast_signed()];
        Self {
            tokens,
            shape,
            signed: OnceLock::new(),
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<u32> {
        self.tokens.to_vec()
    }

    /// Makes it a `collections.abc.Sequence`.
    pub(crate) fn register(py: Python<'_>) -> PyResult<()> {
        let sequence = py.import("collections.abc")?.getattr("Sequence")?;
        sequence.call_method1("register", (PyType::new::<Self>(py),))?;
        Ok(())
    }

    /// The list that `other` is or stands for.
    fn list_of<'py>(other: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
        if let Ok(tokens) = other.cast::<Self>() {
            return tokens.get().tolist(other.py()).map(Some);
        }
        Ok(other.cast::<PyList>().ok().cloned())
    }
}

#[derive(FromPyObject)]
enum Place<'py> {
    Index(isize),
    Slice(Bound<'py, PySlice>),
}

#[pymethods]
impl TokenIds {
    /// A list of the tokens.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.tokens.iter())
    }

    fn __len__(&self) -> usize {
        self.tokens.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, place: Place<'py>) -> PyResult<Bound<'py, PyAny>> {
        let length = self.tokens.len().cast_signed();
        match place {
            Place::Index(index) => {
                let from_start = if index < 0 { index + length } else { index };
                let token = usize::try_from(from_start)
                    .ok()
                    .and_then(|index| self.tokens.get(index))
                    .ok_or_else(|| errors::no_index("token_ids index out of range"))?;
                Ok(token.into_pyobject(py)?.into_any())
            }
            Place::Slice(slice) => {
                let found = slice.indices(length)?;
                let tokens = (0..found.slicelength.cast_signed())
                    .map(|number| self.tokens[(found.start + number * found.step).cast_unsigned()]);
                Ok(PyList::new(py, tokens)?.into_any())
            }
        }
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.tolist(py)?.try_iter()
    }

    fn __contains__(&self, token: &Bound<'_, PyAny>) -> bool {
        token
            .extract::<u32>()
            .is_ok_and(|token| self.tokens.contains(&token))
    }

    /// Where `token` is first, as `list.index`.
    #[pyo3(signature = (token, *bounds))]
    fn index<'py>(
        &self,
        token: &Bound<'py, PyAny>,
        bounds: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = token.py();
        let arguments = PyTuple::new(py, [token])?
            .as_sequence()
            .concat(bounds.as_sequence())?
            .to_tuple()?;
        self.tolist(py)?.call_method1("index", arguments)
    }

    /// How often `token` is there.
    fn count(&self, token: &Bound<'_, PyAny>) -> usize {
        token.extract::<u32>().map_or(0, |token| {
            self.tokens.iter().filter(|each| **each == token).count()
        })
    }

    /// Equal to a list of the same tokens.
    fn __eq__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        match Self::list_of(other)? {
            Some(list) if list.len() == self.tokens.len() => {
                let equal = self.tolist(py)?.eq(list)?;
                Ok(equal.into_pyobject(py)?.to_owned().into_any())
            }
            Some(_) => Ok(false.into_pyobject(py)?.to_owned().into_any()),
            None => Ok(py.NotImplemented().into_bound(py)),
        }
    }

    fn __add__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        match Self::list_of(other)? {
            Some(list) => self
                .tolist(py)?
                .as_sequence()
                .concat(list.as_sequence())
                .map(Bound::into_any),
            None => Ok(py.NotImplemented().into_bound(py)),
        }
    }

    fn __radd__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        match Self::list_of(other)? {
            Some(list) => list
                .as_sequence()
                .concat(self.tolist(py)?.as_sequence())
                .map(Bound::into_any),
            None => Ok(py.NotImplemented().into_bound(py)),
        }
    }

    fn __mul__<'py>(&self, times: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.tolist(times.py())?.into_any().mul(times)
    }

    fn __rmul__<'py>(&self, times: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.__mul__(times)
    }

    /// Copied and pickled it is a list.
    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyType>, (Bound<'py, PyList>,))> {
        Ok((PyType::new::<PyList>(py), (self.tolist(py)?,)))
    }

    fn __repr__(&self) -> String {
        let shown = &self.tokens[..self.tokens.len().min(SHOWN)];
        if shown.len() == self.tokens.len() {
            format!("TokenIds({shown:?})")
        } else {
            let shown = format!("{shown:?}");
            format!(
                "TokenIds({}, … {} tokens])",
                &shown[..shown.len() - 1],
                self.tokens.len()
            )
        }
    }

    /// A read-only array of native integers of 64 bits, format `l`: numpy asks for nothing else, and
    /// of what it gets of unsigned ones, differences turn out wrong without a word.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
            return Err(errors::no_buffer(
                "token_ids is read-only: copy it to write",
            ));
        }
        let this = slf.get();
        let signed = this.signed.get_or_init(|| {
            this.tokens
                .iter()
                .map(|token| c_long::from(*token))
                .collect()
        });
        let wants = |flag: c_int| flags & flag == flag;
        // SAFETY: `view` is the caller's, to be filled. What it points to belongs to the object,
        // never moves, and lives as long as the reference that the view holds.
        unsafe {
            (*view).buf = signed.as_ptr().cast::<c_void>().cast_mut();
            (*view).len = this.shape[0] * STRIDES[0];
            (*view).readonly = 1;
            (*view).itemsize = STRIDES[0];
            (*view).format = if wants(ffi::PyBUF_FORMAT) {
                c"l".as_ptr().cast_mut()
            } else {
                ptr::null_mut()
            };
            (*view).ndim = 1;
            (*view).shape = if wants(ffi::PyBUF_ND) {
                this.shape.as_ptr().cast_mut()
            } else {
                ptr::null_mut()
            };
            (*view).strides = if wants(ffi::PyBUF_STRIDES) {
                STRIDES.as_ptr().cast_mut()
            } else {
                ptr::null_mut()
            };
            (*view).suboffsets = ptr::null_mut();
            (*view).internal = ptr::null_mut();
            (*view).obj = slf.into_ptr();
        }
        Ok(())
    }
}
