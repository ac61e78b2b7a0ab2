//! No archive makes its unpacking panic, or writes outside of its folder.
//!
//! The archive lies where a download that has just arrived lies, so that it is verified and unpacked without a network.
#![no_main]

use std::io::{Cursor, Write as _};
use std::sync::LazyLock;

use cloze_data::{DataOptions, Silent, fetch};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, method) in
        [("set/log.data", CompressionMethod::Deflated), ("set/items.data", CompressionMethod::Stored)]
    {
        zip.start_file(name, SimpleFileOptions::default().compression_method(method))
            .expect("room in memory");
        zip.write_all(b"a\tx\t1\na\ty\t2\nb\tx\t3\n").expect("room in memory");
    }
    zip.finish().expect("room in memory").into_inner()
});

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some((kind, rest)) = content.split_first() else { return };
    let mut bytes = if kind % 2 == 0 { WHOLE.clone() } else { rest.to_vec() };
    if kind % 2 == 0 {
        cloze_fuzz::edit(&mut bytes, rest);
    }
    let member = if kind & 2 == 0 { "set/log.data" } else { "set/../../log.data" };
    let text = format!(
        "name = \"set\"\ntitle = \"t\"\ncitation = \"c\"\nlicence = \"l\"\nlicence_url = \"u\"\n[[forms]]\nname = \"f\"\n\
         [forms.interactions]\nfiles = [\"set/log.data\"]\ntable = {{ separator = \"\\t\" }}\n\
         columns = {{ user = 1, item = 2 }}\n[[sources]]\nkind = \"https\"\nurl = \"http://127.0.0.1:9/set.zip\"\n\
         size = {}\nsha256 = \"{}\"\nform = \"f\"\nmembers = [\"{member}\", \"set/items.data\"]\n",
        bytes.len(),
        cloze_fuzz::sha256(&bytes)
    );
    let manifest = cloze_fuzz::file("archive.toml", text.as_bytes());
    let cache = cloze_fuzz::folder("cache");
    let raw = cloze_fuzz::folder("cache/raw/set");
    std::fs::write(raw.join("set.zip.part"), &bytes).expect("room for a small file");
    let options = DataOptions { data_dir: None, cache: Some(cache.clone()), offline: false };
    if !bytes.is_empty() {
        let _ = fetch(manifest.to_str().expect("a plain path"), &options, &mut Silent);
    }
    let outside = std::fs::read_dir(cache.join("raw")).expect("a folder").count();
    assert_eq!(outside, 1, "nothing but the folder of the set");
    std::fs::remove_dir_all(&raw).expect("a folder of small files");
});
