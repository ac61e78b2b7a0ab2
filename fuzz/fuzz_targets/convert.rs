//! No export makes the converters panic, and what they read of one is sound.
#![no_main]

use cloze_data::convert::{ConvertOptions, Platform, convert};
use cloze_data::read::Encoding;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some((choice, content)) = content.split_first() else { return };
    let platform = if *choice & 1 == 0 { Platform::Moodle } else { Platform::Ilias };
    let encoding = if *choice & 2 == 0 { Encoding::Utf8 } else { Encoding::Latin1 };
    let options = ConvertOptions { encoding, ..ConvertOptions::default() };
    let Ok(converted) = convert(platform, &[cloze_fuzz::file("export.csv", content)], &options) else {
        return;
    };
    for event in &converted.events {
        assert!(
            (0.0..=1.0).contains(&event.score) && !event.learner.is_empty() && !event.exercise.is_empty()
        );
    }
});
