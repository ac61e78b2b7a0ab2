//! No prepared folder makes its reader panic, even if its checksums are right.
//!
//! A checksum would refuse every change, so that it is made anew after the edits of one file.
#![no_main]

use std::sync::LazyLock;

use cloze_data::{SyntheticOptions, read_prepared, write_prepared};
use serde_json::{Value, json};

const FILES: [(&str, &str); 3] =
    [("sequences.arrow", "sequences"), ("users.json", "users"), ("items.json", "items")];

/// The files of a small prepared folder, and its metadata.
static WHOLE: LazyLock<([Vec<u8>; 3], Value)> = LazyLock::new(|| {
    let options =
        SyntheticOptions { users: 4, items: 8, groups: 2, mean_length: 3, ..SyntheticOptions::default() };
    let data = options.generate().expect("sensible options");
    let folder = cloze_fuzz::folder("whole").join("set");
    write_prepared(&folder, &data).expect("room for a folder");
    let read = |name: &str| std::fs::read(folder.join(name)).expect("a file just written");
    (FILES.map(|(name, _)| read(name)), serde_json::from_slice(&read("metadata.json")).expect("JSON"))
});

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some((choice, edits)) = content.split_first() else { return };
    let folder = cloze_fuzz::folder("changed");
    let (files, mut metadata) = WHOLE.clone();
    for (at, ((name, key), mut bytes)) in FILES.into_iter().zip(files).enumerate() {
        if at == usize::from(*choice) % 4 {
            cloze_fuzz::edit(&mut bytes, edits);
            metadata[key] = json!({ "size": bytes.len(), "sha256": cloze_fuzz::sha256(&bytes) });
        }
        // Replaced, not changed in place: an earlier one may still be mapped.
        let _ = std::fs::remove_file(folder.join(name));
        std::fs::write(folder.join(name), bytes).expect("room for a small file");
    }
    let mut text = metadata.to_string().into_bytes();
    if *choice % 4 == 3 {
        cloze_fuzz::edit(&mut text, edits);
    }
    std::fs::write(folder.join("metadata.json"), text).expect("room for a small file");
    if let Ok(data) = read_prepared(&folder) {
        assert_eq!(data.users.len(), data.sequences.len());
        assert!(data.sequences.values().iter().all(|item| (*item as usize) < data.items.len()));
        cloze_data::describe(&data);
    }
});
