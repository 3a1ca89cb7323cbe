//! An engine that is a wheel of its own: `dynamo-backend serve metronome_engine:Metronome`.

mod cache;
mod engine;
#[cfg(feature = "python")]
mod python;

use std::time::Duration;

use dynamo_engine::{Error, Export};
use tokio::runtime;

use crate::engine::Metronome;

/// The engine, on a tokio runtime of its own, which ends with it.
fn make(beat: Duration) -> Result<Export<Metronome>, Error> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("metronome")
        .enable_time()
        .build()
        .map_err(|error| Error::unknown(format!("no runtime: {error}")))?;
    Ok(Export::new(Metronome::new(beat)).on(runtime))
}

/// The same for hosts that are not Python. `arguments`: the beat in milliseconds, or nothing.
#[cfg(not(feature = "python"))]
mod symbol {
    use super::*;

    dynamo_engine::export_engine!(|arguments: &str| match arguments {
        "" => make(Duration::from_millis(2)),
        beat => match beat.parse() {
            Ok(beat) => make(Duration::from_millis(beat)),
            Err(error) => Err(Error::invalid_argument(format!("beat '{beat}': {error}"))),
        },
    });
}
