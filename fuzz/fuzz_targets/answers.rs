#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| curfew::fuzzing::answers(input));
