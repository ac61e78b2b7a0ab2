//! No text makes the reader of manifests panic.
#![no_main]

use cloze_data::Manifest;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Manifest::parse("fuzz.toml", text);
});
