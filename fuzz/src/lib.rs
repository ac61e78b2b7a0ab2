//! What the targets share: a file with the content under test, and a log read from it in every way.

use std::path::PathBuf;
use std::sync::LazyLock;

use cloze_data::log::{BadRows, LogFormat, LogOptions, read_log};
use cloze_data::read::{Column, Cutting, Encoding, GenreColumns, ItemColumns, Table, read_items};
use cloze_data::{Filters, Silent};

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    // In memory where there is such a place: a target writes thousands of files a second.
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder for temporary files")
});

/// The file `name` with this content.
pub fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = FOLDER.path().join(name);
    std::fs::write(&path, content).expect("room for a small file");
    path
}

/// A folder for targets that need one.
pub fn folder(name: &str) -> PathBuf {
    let path = FOLDER.path().join(name);
    std::fs::create_dir_all(&path).expect("room for a folder");
    path
}

/// Changes `bytes` by a list of edits: two bytes for the place, one for what it is changed by. Random bytes are hardly
/// ever a file of a binary format.
pub fn edit(bytes: &mut [u8], edits: &[u8]) {
    for edit in edits.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]]));
        if let Some(byte) = place.checked_rem(bytes.len()).and_then(|place| bytes.get_mut(place)) {
            *byte ^= edit[2];
        }
    }
}

/// The sha256 of `bytes`, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The table that a format's text is cut by; none for what is no text.
pub fn table(format: LogFormat, header: bool, encoding: Encoding) -> Option<Table> {
    let (separator, quotes) = match format {
        LogFormat::Csv => (",", true),
        LogFormat::Tsv => ("\t", true),
        LogFormat::Dat => ("::", false),
        LogFormat::Text => ("whitespace", false),
        LogFormat::JsonLines | LogFormat::Parquet => return None,
    };
    Some(Table { separator: separator.to_owned(), header, encoding, quotes: quotes.then_some(true) })
}

/// Reads `content` as a log, and as an item file. The first byte chooses the options.
pub fn read(content: &[u8], format: LogFormat) {
    let Some((choice, content)) = content.split_first() else { return };
    let bit = |at: u32| choice >> at & 1 == 1;
    let named = matches!(format, LogFormat::JsonLines | LogFormat::Parquet) || bit(0);
    let column = |position: usize, name: &str| {
        if named { Column::Name(name.to_owned()) } else { Column::Position(position) }
    };
    let path = file("log", content);
    let mut log = LogOptions::new(&path, column(1, "u"), column(2, "i"));
    log.format = Some(format);
    log.time = bit(1).then(|| column(3, "t"));
    log.value = bit(2).then(|| column(4, "v"));
    log.encoding = if bit(3) { Encoding::Latin1 } else { Encoding::Utf8 };
    log.threads = Some(1);
    log.block_bytes = if bit(4) { 7 } else { 1 << 16 };
    let rejected = FOLDER.path().join("rejected.csv");
    let bad_rows = if bit(5) { BadRows::Skip { rejected } } else { BadRows::Error };
    let filters = Filters {
        drop_without_user: bit(6),
        drop_without_value: bit(2) && bit(6),
        user_core: u64::from(bit(7)) * 2,
        ..Filters::default()
    };
    if let Ok(data) = read_log(&log, &filters, &bad_rows, &mut Silent) {
        // What was read is sound: ids within the catalogue, one sequence a user.
        assert_eq!(data.users.len(), data.sequences.len());
        assert!(data.sequences.values().iter().all(|item| (*item as usize) < data.items.len()));
        cloze_data::describe(&data);
    }
    let genres =
        GenreColumns { column: column(3, "g"), separator: "|".to_owned(), none: None, names: Vec::new() };
    let mut columns = ItemColumns::of(column(1, "i"));
    columns.title = Some(column(2, "t"));
    columns.genres = bit(1).then_some(genres);
    columns.text = bit(2).then(|| column(4, "x"));
    let cutting = match (table(format, named, log.encoding), format) {
        (Some(table), _) => Cutting::Table(table),
        (None, LogFormat::JsonLines) => Cutting::JsonLines,
        (None, _) => Cutting::Parquet,
    };
    let _ = read_items(&path, &cutting, &columns);
}
