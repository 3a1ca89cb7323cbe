#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dynamo_backend_vllm::fuzzing::message(data));
