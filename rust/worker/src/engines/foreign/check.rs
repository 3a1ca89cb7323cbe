//! Whether an engine's table is one that this worker can use.

use std::mem::offset_of;
use std::ptr::NonNull;

use dynamo_engine_abi as abi;
use dynamo_engine_abi::{Header, MAJOR, MINOR, OLDEST_MINOR, REQUIRED_FEATURES};
use dynamo_runtime::error::DynamoError;

use crate::error::invalid_argument;

/// The table of an engine and its name, if all is well with them.
///
/// # Safety
///
/// `table` points to a table as large as its header says, and to a header at least.
pub(super) unsafe fn checked(
    table: NonNull<abi::EngineTable>,
) -> Result<(abi::EngineTable, String), DynamoError> {
    let header = unsafe { table.cast::<Header>().read() };
    check_version(&header)?;
    check_size(&header)?;
    check_features(&header)?;
    let table = unsafe { table.read() };
    let name = name(&table)?;
    check_functions(&table, &name)?;
    Ok((table, name))
}

fn check_version(header: &Header) -> Result<(), DynamoError> {
    let (major, minor) = (header.major, header.minor);
    let what_to_do = if (major, minor) < (MAJOR, OLDEST_MINOR) {
        "build the engine again, with a newer dynamo-engine"
    } else if major > MAJOR {
        "update the worker"
    } else {
        return Ok(());
    };
    Err(invalid_argument(format!(
        "the engine was built for version {major}.{minor} of the engine interface; this worker has \
         {MAJOR}.{MINOR}, and takes {MAJOR}.{OLDEST_MINOR} and later ones of {MAJOR}: {what_to_do}"
    )))
}

fn check_size(header: &Header) -> Result<(), DynamoError> {
    let (size, least) = (header.size, size_of::<abi::EngineTable>());
    if size as usize >= least {
        return Ok(());
    }
    let (major, minor) = (header.major, header.minor);
    Err(invalid_argument(format!(
        "the engine's table has a size of {size} bytes, and that of version {major}.{minor} of the \
         engine interface has {least}: `size` must be that of the table, and the header that it was \
         compiled with must be whole"
    )))
}

fn check_features(header: &Header) -> Result<(), DynamoError> {
    let unknown = header.features & REQUIRED_FEATURES;
    if unknown == 0 {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "the engine needs features of its worker that this one does not have: {unknown:#018x} of the \
         engine interface {MAJOR}.{MINOR}; update the worker"
    )))
}

fn name(table: &abi::EngineTable) -> Result<String, DynamoError> {
    // SAFETY: a name lives as long as its table.
    let bytes = unsafe { table.name.get() };
    let name = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    match name.filter(|name| !name.trim().is_empty()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(invalid_argument(
            "the engine's table has no name: `name` must be text in UTF-8 that is not empty",
        )),
    }
}

fn check_functions(table: &abi::EngineTable, name: &str) -> Result<(), DynamoError> {
    let required = [
        ("attach", table.attach.is_none()),
        ("start", table.start.is_none()),
        ("generate", table.generate.is_none()),
        ("cleanup", table.cleanup.is_none()),
        ("release", table.release.is_none()),
    ];
    let missing = required.iter().filter(|(_, is_missing)| *is_missing);
    let missing: Vec<&str> = missing.map(|(function, _)| *function).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "the engine {name} has no {}: a function of its table that is required is null",
        missing.join(", no ")
    )))
}

/// What a table of a stream or of an operation needs, or what is wrong with it.
///
/// # Safety
///
/// `table` is null, or points to a table as large as its header says, and to a header at least.
pub(super) unsafe fn whole<T: Copy>(table: *const T) -> Result<T, String> {
    // A header is in front of everything.
    const { assert!(offset_of!(abi::StreamTable, header) == 0) };
    const { assert!(offset_of!(abi::OperationTable, header) == 0) };
    let Some(header) = (unsafe { table.cast::<Header>().as_ref() }) else {
        return Err("without a table".into());
    };
    let least = size_of::<T>();
    if header.major != MAJOR || (header.size as usize) < least {
        return Err(format!(
            "with a table of version {}.{} and {} bytes, where {MAJOR}.{MINOR} has {least}",
            header.major, header.minor, header.size
        ));
    }
    let unknown = header.features & REQUIRED_FEATURES;
    if unknown != 0 {
        return Err(format!(
            "with a table that needs features which this worker does not have: {unknown:#018x}"
        ));
    }
    Ok(unsafe { table.read() })
}
