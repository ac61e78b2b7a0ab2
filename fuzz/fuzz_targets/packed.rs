//! No content makes a reader panic when it comes packed, and packing changes nothing of what is read.
//!
//! The content is packed as gzip or zstd, in one member or two; then, if asked for, it is cut or changed.
#![no_main]

use std::io::Write as _;

use cloze_data::log::{BadRows, LogFormat, LogOptions, read_log};
use cloze_data::read::Column;
use cloze_data::{Filters, Silent};

fn packed(content: &[u8], gzip: bool) -> Vec<u8> {
    if !gzip {
        return zstd::encode_all(content, 1).expect("room in memory");
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("room in memory");
    encoder.finish().expect("room in memory")
}

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let [choice, place, change, content @ ..] = content else { return };
    let formats = [LogFormat::Csv, LogFormat::Dat, LogFormat::Text, LogFormat::JsonLines];
    let format = formats[usize::from(choice & 3)];
    let gzip = choice & 4 != 0;
    let middle = if choice & 8 != 0 { content.len() * usize::from(*place) / 256 } else { content.len() };
    let mut bytes = packed(&content[..middle], gzip);
    if middle < content.len() {
        bytes.extend(packed(&content[middle..], gzip));
    }
    let whole = choice & 0x30 == 0;
    if choice & 0x10 != 0 {
        bytes.truncate(bytes.len() * usize::from(*place) / 256);
    }
    if choice & 0x20 != 0 {
        cloze_fuzz::edit(&mut bytes, &[*place, 0, *change]);
    }
    let read = |name: &str, content: &[u8]| {
        let named = format == LogFormat::JsonLines;
        let column = |position: usize, name: &str| {
            if named { Column::Name(name.to_owned()) } else { Column::Position(position) }
        };
        let mut log = LogOptions::new(cloze_fuzz::file(name, content), column(1, "u"), column(2, "i"));
        log.format = Some(format);
        log.name = Some("same".to_owned());
        log.threads = Some(1);
        read_log(&log, &Filters::default(), &BadRows::Error, &mut Silent)
    };
    let found = read("packed", &bytes);
    // Content that is itself packed is unpacked once only.
    let twice = content.starts_with(&[0x1f, 0x8b]) || content.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    if whole && !twice {
        match (found, read("plain", content)) {
            (Ok(found), Ok(plain)) => assert!(found == plain),
            (Err(_), Err(_)) => {}
            (found, plain) => panic!("packed {:?}, plain {:?}", found.err(), plain.err()),
        }
    }
});
