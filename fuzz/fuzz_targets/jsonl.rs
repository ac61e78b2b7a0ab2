//! No content makes the readers of files of JSON objects panic.
#![no_main]

use cloze_data::log::LogFormat;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    cloze_fuzz::read(content, LogFormat::JsonLines);
});
