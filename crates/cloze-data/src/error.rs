//! What can go wrong with data, each case with what a person needs to mend it.

use std::path::PathBuf;

use arrow::error::ArrowError;

pub use crate::error_text::Attempt;
use crate::error_text::{beginning, cells, did_you_mean, separator_hint, unobtainable};

/// An error of this crate. Messages name the file, the line and the value, and say what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "write", "rename".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A cell of a text file is not what its column holds.
    #[error("{}, line {line}, {column}: found {:?}, expected {expected}", file.display(), beginning(value))]
    Cell {
        /// The file.
        file: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The column with its role, such as "column 4 (time)".
        column: String,
        /// The text found.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// A line of a text file has too few cells, or is empty.
    #[error("{}, line {line}: {found} fields, expected at least {expected} separated by {separator} in {text:?}", file.display())]
    Fields {
        /// The file.
        file: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Number of cells found.
        found: usize,
        /// Number of cells needed.
        expected: usize,
        /// The separator, named.
        separator: String,
        /// The beginning of the line.
        text: String,
    },
    /// A row has more cells than the header or first row of its file (or fewer, where runs of spaces tell cells apart).
    #[error(
        "{}, line {line}, column {}: {found} fields, the first row has {expected}: all rows have the same columns (a \
         user and many items in a row? Make a row of each item; a cell with a separator in it needs quotation marks)",
        file.display(), found.min(expected) + 1
    )]
    Ragged {
        /// The file.
        file: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Number of cells found.
        found: usize,
        /// Number of cells of the first row.
        expected: usize,
    },
    /// The header of a text file lacks a column.
    #[error("{}, line 1: no column {column:?} ({role}); the header has {}{}", file.display(), cells(found), separator_hint(found))]
    Header {
        /// The file.
        file: PathBuf,
        /// The column looked for.
        column: String,
        /// What it is for.
        role: &'static str,
        /// The header's cells.
        found: Vec<String>,
    },
    /// A text file has other bytes than its encoding allows.
    #[error("{}, line {line}: byte {byte:#04x} is not UTF-8; if the file is old, set encoding = \"latin-1\"", file.display())]
    Encoding {
        /// The file.
        file: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The first offending byte.
        byte: u8,
    },
    /// A gzip file is truncated or damaged.
    #[error("{}: damaged or truncated gzip data ({source}); obtain the file again", file.display())]
    Gzip {
        /// The file.
        file: PathBuf,
        /// The decoder's reason.
        source: std::io::Error,
    },
    /// A zstd file is truncated or damaged.
    #[error("{}: damaged or truncated zstd data ({source}); obtain the file again", file.display())]
    Zstd {
        /// The file.
        file: PathBuf,
        /// The decoder's reason.
        source: std::io::Error,
    },
    /// A file is not what its format or the options promise.
    #[error("{}: {reason}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The times of a log have two units.
    #[error(
        "{}, line {line}: the time {value:?} is in {found}, those before it in {expected}: a log has one unit in all of \
         its files; convert the times of one unit to the other",
        file.display()
    )]
    MixedTimes {
        /// The file.
        file: PathBuf,
        /// Line, counted from 1 (a row of a Parquet file, counted from 1).
        line: usize,
        /// The time.
        value: String,
        /// Its unit.
        found: &'static str,
        /// The unit of the first time.
        expected: &'static str,
    },
    /// A zip archive is damaged, or lacks a member.
    #[error("{}: {reason}", file.display())]
    Archive {
        /// The archive.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file has no rows.
    #[error("{} has no interactions: expected one a line", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A file is too large to be read as one batch.
    #[error("{}: {bytes} bytes of ids, the limit of one batch is {}; split the file", file.display(), i32::MAX)]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Bytes of ids met so far.
        bytes: usize,
    },
    /// A file is not the one that the manifest pins.
    #[error("{}: sha256 is {found}, expected {expected}; remove the file or replace it by the original", file.display())]
    Checksum {
        /// The file.
        file: PathBuf,
        /// The pinned sha256, hexadecimal.
        expected: String,
        /// The sha256 found.
        found: String,
    },
    /// A download is not as long as the manifest says.
    #[error("{}: {found} bytes, expected {expected}", file.display())]
    Size {
        /// The file.
        file: PathBuf,
        /// The pinned size in bytes.
        expected: u64,
        /// The size found.
        found: u64,
    },
    /// A download failed; what has arrived is kept, so that the next call goes on from there.
    #[error("{url}: {reason}")]
    Download {
        /// The address.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The parsed data set does not have the published numbers.
    #[error("{name}: found {found} {what}, expected {expected} (read from {}): the file is not whole, or another version; replace it by the original", file.display())]
    Counts {
        /// The data set.
        name: String,
        /// "users", "items" or "interactions".
        what: &'static str,
        /// The published number.
        expected: u64,
        /// The number found.
        found: u64,
        /// The file that was read.
        file: PathBuf,
    },
    /// Filters left no interaction.
    #[error("no interaction is left of {rows}: the filters ({filters}) removed all; loosen them")]
    NothingLeft {
        /// Rows before the filters.
        rows: usize,
        /// The filters, as in a manifest.
        filters: String,
    },
    /// A filter is about a column that the data do not have.
    #[error("the filter {filter} needs a column with the {column}: name it, or leave the filter out")]
    FilterNeeds {
        /// The filter.
        filter: &'static str,
        /// What the column holds.
        column: &'static str,
    },
    /// Every row of a file was bad.
    #[error("{}: all {rejected} rows are bad; they stand with their reasons in {}", file.display(), report.display())]
    AllRejected {
        /// The file.
        file: PathBuf,
        /// Number of bad rows.
        rejected: usize,
        /// The file with the bad rows.
        report: PathBuf,
    },
    /// More interactions than 32 bits can number.
    #[error(
        "{found} interactions: at most {} can be read at a time; split the file or filter by value",
        u32::MAX
    )]
    TooManyRows {
        /// Number of interactions.
        found: usize,
    },
    /// An id stands twice in a vocabulary.
    #[error("id {id:?} stands twice in the vocabulary, at {first} and {second}: ids must be distinct")]
    DuplicateId {
        /// The id.
        id: String,
        /// Its first dense id.
        first: usize,
        /// The second position.
        second: usize,
    },
    /// A vocabulary has another number of titles than of ids.
    #[error("the vocabulary has {ids} ids and {titles} titles: expected one title (or null) for each id")]
    TitleCount {
        /// Number of ids.
        ids: usize,
        /// Number of titles.
        titles: usize,
    },
    /// More distinct ids than dense ids can number.
    #[error("{found} distinct ids: dense ids are 32 bits, at most {}", u32::MAX)]
    TooManyIds {
        /// Number of ids.
        found: usize,
    },
    /// Buffers of sequences do not fit together.
    #[error("malformed sequences: {reason}")]
    Sequences {
        /// What does not fit.
        reason: String,
    },
    /// A value of a sequence lies outside the catalogue.
    #[error("sequence {sequence} contains id {value}, the catalogue has {catalogue} (0 to {})", catalogue.saturating_sub(1))]
    OutOfCatalogue {
        /// The sequence.
        sequence: usize,
        /// The value.
        value: u32,
        /// Size of the catalogue.
        catalogue: usize,
    },
    /// No user has enough interactions for leave-one-out.
    #[error(
        "none of the {users} users has 3 interactions: leave-one-out needs one for training, one for validation and one for the test"
    )]
    NothingToHoldOut {
        /// Number of users.
        users: usize,
    },
    /// A text that names no split.
    #[error(
        "split {given:?}: {reason}; known: leave-one-out, global-time, global-time:VALIDATION,TEST with shares \
         (0.8,0.9; 0.9 alone is the same, the validation part being as large as the test part), dates \
         (2000-12-01,2001-01-01) or times of the data"
    )]
    UnknownSplit {
        /// The text.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A split by time of data without times.
    #[error("the data have no times: a split by time needs a time column")]
    NoTimes,
    /// The cuts of a split by time make no sense.
    #[error("cut in time: {reason}")]
    Cut {
        /// What is wrong.
        reason: String,
    },
    /// No user has both a past and a future.
    #[error(
        "none of the {users} users has an interaction before {cut} and another at or after it: choose another cut"
    )]
    NobodyToTest {
        /// Number of users.
        users: usize,
        /// The time at which the test begins.
        cut: i64,
    },
    /// A split lets the future through.
    #[error("the split leaks at user {user}: {reason}")]
    Leak {
        /// The user.
        user: usize,
        /// What does not hold.
        reason: String,
    },
    /// A record batch is not a table of interactions.
    #[error("column `{column}` of the interactions: found {found}, expected {expected}")]
    Schema {
        /// The column.
        column: &'static str,
        /// What the batch has.
        found: String,
        /// What it should have.
        expected: &'static str,
    },
    /// The name is no built-in data set and no manifest file.
    #[error("unknown data set {name:?}{}; known: {}; or give the path of a manifest (.toml) or of a prepared folder", did_you_mean(nearest), known.join(", "))]
    UnknownDataset {
        /// The name given.
        name: String,
        /// Known names that resemble it, best first.
        nearest: Vec<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// A manifest can't be understood.
    #[error("manifest {file}: {reason}")]
    Manifest {
        /// The manifest's file or built-in name.
        file: String,
        /// What is wrong, with line and column where known.
        reason: String,
    },
    /// No source of a data set could be had.
    #[error("{}", unobtainable(name, attempts, wanted, licence_url))]
    Unobtainable {
        /// The data set.
        name: String,
        /// Every source tried, with its reason.
        attempts: Vec<Attempt>,
        /// The file names that would be accepted, any one.
        wanted: Vec<String>,
        /// The page to get the files from and to read the licence on.
        licence_url: String,
    },
    /// An option of the generator makes no sense.
    #[error("synthetic data: {option} = {value}, expected {expected}")]
    Synthetic {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// A prepared data set is truncated, damaged or of another version.
    #[error("prepared data in {}: {reason}", folder.display())]
    Prepared {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A folder is in the way of prepared data.
    #[error("{} exists and holds other things than prepared data: choose another folder", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no folder for the cache.
    #[error("this machine names no cache folder: set CLOZE_CACHE to a writable folder")]
    NoCache,
    /// Arrow refused the data.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}
