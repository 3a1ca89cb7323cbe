//! What `export_engine!` exports.

use dynamo_engine_abi as abi;
use dynamo_engine_abi::Status;

use crate::door::{give, guarded};
use crate::error::Error;
use crate::export::Exported;

/// Makes an engine as `dynamo_engine_new` does.
///
/// # Safety
///
/// As an [`abi::NewEngine`] is called.
#[doc(hidden)]
pub unsafe fn new_engine<T: Into<Exported>>(
    arguments: abi::Str,
    engine: *mut abi::Engine,
    answer: *mut abi::Answer,
    new: impl FnOnce(&str) -> Result<T, Error>,
) -> Status {
    let made = guarded("library", "dynamo_engine_new", || {
        let arguments = unsafe { arguments.get() }.unwrap_or_default();
        let arguments = std::str::from_utf8(arguments)
            .map_err(|error| Error::invalid_argument(format!("the arguments: {error}")))?;
        Ok(new(arguments)?.into())
    });
    match made.and_then(|made: Result<Exported, Error>| made) {
        Ok(exported) => {
            unsafe { engine.write(exported.into_engine()) };
            Status::READY
        }
        Err(error) => give(Err(error), unsafe { &mut *answer }),
    }
}

/// What `export_engine!` takes, said outside of its `unsafe`.
#[doc(hidden)]
pub fn maker<T, F: FnOnce(&str) -> Result<T, Error>>(new: F) -> F {
    new
}

/// Exports a function from the library, `dynamo_engine_new`, for those that load it by name: it makes
/// an engine of arguments, which are text of the library's own choice.
///
/// It is given a function of the arguments that answers an [`Engine`], an [`Export`] or an
/// [`Exported`], or an [`Error`](crate::Error). One such function is in a library.
#[macro_export]
macro_rules! export_engine {
    ($new:expr) => {
        /// # Safety
        ///
        /// As `dynamo_engine_abi::NewEngine` is called.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn dynamo_engine_new(
            arguments: $crate::abi::Str,
            engine: *mut $crate::abi::Engine,
            answer: *mut $crate::abi::Answer,
        ) -> $crate::abi::Status {
            let new = $crate::maker($new);
            unsafe { $crate::new_engine(arguments, engine, answer, new) }
        }
    };
}
