//! No content makes the readers of Parquet files panic.
#![no_main]

use cloze_data::log::LogFormat;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    cloze_fuzz::read(content, LogFormat::Parquet);
});
