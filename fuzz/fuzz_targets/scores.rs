//! No content makes the reader of scores panic, and what it reads is sound.
#![no_main]

use cloze_data::Silent;
use cloze_data::log::{LogFormat, LogOptions, read_scores};
use cloze_data::read::Column;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some((choice, content)) = content.split_first() else { return };
    let formats = [LogFormat::Csv, LogFormat::Tsv, LogFormat::Dat, LogFormat::Text, LogFormat::JsonLines];
    let format = formats[usize::from(*choice) % formats.len()];
    let named = format == LogFormat::JsonLines || *choice & 0x80 != 0;
    let column = |position: usize, name: &str| {
        if named { Column::Name(name.to_owned()) } else { Column::Position(position) }
    };
    let mut log = LogOptions::new(cloze_fuzz::file("scores", content), column(1, "u"), column(2, "i"));
    log.format = Some(format);
    log.value = Some(column(3, "s"));
    log.threads = Some(1);
    log.block_bytes = if *choice & 0x40 != 0 { 7 } else { 1 << 16 };
    let Ok(scores) = read_scores(&log, &mut Silent) else { return };
    for row in &scores.rows {
        assert!((row.user as usize) < scores.users.len() && (row.item as usize) < scores.items.len());
        assert!(row.score.is_finite() && row.line > 0);
    }
});
