#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dynamo_backend_lifecycle::fuzzing::canary(data));
