//! No content makes the readers of files with spaces or tabs between cells, plain or packed panic.
#![no_main]

use cloze_data::log::LogFormat;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    cloze_fuzz::read(content, LogFormat::Text);
});
