//! No content makes the readers of files with comma, tab or double colon between cells panic.
#![no_main]

use cloze_data::log::LogFormat;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some((first, rest)) = content.split_first() else { return };
    let formats = [LogFormat::Csv, LogFormat::Tsv, LogFormat::Dat];
    cloze_fuzz::read(rest, formats[usize::from(*first) % 3]);
});
