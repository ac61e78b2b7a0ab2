//! Downloads from a server on this machine: resumed, verified, renamed when whole.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use cloze_data::{DataError, Dataset, load};
use common::{Answer, Recorder, Server, TINY, manifest, options, sha256};

/// A manifest on disk, the cache it downloads into, and what the download reported.
struct Case {
    folder: tempfile::TempDir,
    manifest: String,
    progress: Recorder,
}

impl Case {
    fn new(server: &Server, size: usize, sha256: &str, members: &str) -> Self {
        let source = format!(
            "[[sources]]\nkind = \"https\"\nurl = \"{}\"\nsize = {size}\nsha256 = \"{sha256}\"\nform = \"text\"\n{members}",
            server.url
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.toml");
        std::fs::write(&path, manifest(&source)).unwrap();
        let manifest = path.to_str().unwrap().to_owned();
        Self { folder, manifest, progress: Recorder::default() }
    }

    fn tiny(server: &Server) -> Self {
        Self::new(server, TINY.len(), &sha256(TINY.as_bytes()), "")
    }

    fn load(&mut self) -> Result<Dataset, DataError> {
        load(&self.manifest, &options(None, &self.cache()), &mut self.progress)
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn raw(&self, name: &str) -> PathBuf {
        self.cache().join("raw/tiny").join(name)
    }

    fn leave_part(&self, content: &[u8]) {
        std::fs::create_dir_all(self.raw("")).unwrap();
        std::fs::write(self.raw("tiny.data.part"), content).unwrap();
    }
}

fn serve(answers: &[Answer]) -> Server {
    Server::start(TINY.as_bytes().to_vec(), answers.to_vec())
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_download_is_verified_renamed_and_reported_and_not_repeated() {
    let server = serve(&[Answer::Serve]);
    let mut case = Case::tiny(&server);
    let data = case.load().unwrap();
    assert_eq!(data.sequences.get(0), [2, 0], "z at time 2, then x at time 3");
    assert_eq!(read(&case.raw("tiny.data")), TINY);
    assert!(!case.raw("tiny.data.part").exists());
    let size = TINY.len() as u64;
    assert_eq!(case.progress.started[0], (format!("Downloading {}", server.url), Some(size)));
    assert_eq!(case.progress.advanced, 2 * size, "downloaded, then read");
    assert_eq!(case.progress.finished, case.progress.started.len());
    assert_eq!(case.progress.abandoned, 0);
    // The server answers no second time.
    assert_eq!(case.load().unwrap(), data);
    assert_eq!(server.ranges(), [""]);
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let server = serve(&[Answer::Serve]);
    let mut case = Case::tiny(&server);
    case.leave_part(&TINY.as_bytes()[..10]);
    case.load().unwrap();
    assert_eq!(server.ranges(), ["bytes=10-"]);
}

#[test]
fn a_server_without_ranges_is_asked_for_the_whole_file() {
    let server = serve(&[Answer::IgnoreRange]);
    let mut case = Case::tiny(&server);
    case.leave_part(b"something");
    case.load().unwrap();
    assert_eq!(read(&case.raw("tiny.data")), TINY);
}

#[test]
fn a_part_longer_than_the_file_is_thrown_away() {
    let server = serve(&[Answer::Serve]);
    let mut case = Case::tiny(&server);
    case.leave_part(&[b'x'; 100]);
    case.load().unwrap();
    assert_eq!(server.ranges(), [""]);
}

#[test]
fn a_cut_connection_is_taken_up_again() {
    let server = serve(&[Answer::Cut(5), Answer::Cut(6), Answer::Serve]);
    let mut case = Case::tiny(&server);
    case.load().unwrap();
    assert_eq!(server.ranges(), ["", "bytes=5-", "bytes=11-"]);
}

#[test]
fn a_connection_cut_for_good_keeps_what_arrived() {
    let server = serve(&[Answer::Cut(5), Answer::Cut(0)]);
    let mut case = Case::tiny(&server);
    let error = case.load().unwrap_err().to_string();
    assert!(error.contains("call again to go on from there"), "{error}");
    assert_eq!(read(&case.raw("tiny.data.part")), TINY[..5]);
}

#[test]
fn a_wrong_checksum_is_an_error_and_leaves_nothing() {
    let server = serve(&[Answer::Serve]);
    let wrong = sha256(b"another file");
    let mut case = Case::new(&server, TINY.len(), &wrong, "");
    let error = case.load().unwrap_err().to_string();
    let found = sha256(TINY.as_bytes());
    assert!(error.contains(&format!("sha256 is {found}, expected {wrong}")), "{error}");
    assert!(!case.raw("tiny.data").exists() && !case.raw("tiny.data.part").exists());
}

#[test]
fn a_file_of_another_size_is_an_error_with_both_sizes() {
    let server = serve(&[Answer::Serve]);
    let mut case = Case::new(&server, 20, &sha256(TINY.as_bytes()), "");
    let error = case.load().unwrap_err().to_string();
    assert!(error.contains(&format!("{} bytes, expected 20", TINY.len())), "{error}");
}

#[test]
fn the_final_error_lists_every_source_the_file_and_the_licence() {
    let server = serve(&[Answer::Status(404)]);
    let mut case = Case::tiny(&server);
    let error = case.load().unwrap_err().to_string();
    for part in
        [&server.url, "the server answered 404", "$CLOZE_DATA_DIR/tiny/tiny.data", "https://example.org/tiny"]
    {
        assert!(error.contains(part), "{part} in {error}");
    }
    let Recorder { finished, abandoned, .. } = case.progress;
    assert_eq!((finished, abandoned), (0, 1), "a failed download is not done");
}

#[test]
fn named_members_are_taken_out_of_an_archive() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in [("tiny/README", "no"), ("tiny/tiny.data", TINY)] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    let archive = zip.finish().unwrap().into_inner();
    let (size, sum) = (archive.len(), sha256(&archive));

    let server = Server::start(archive.clone(), vec![Answer::Serve]);
    // The address ends in the name of the member: the archive must not be taken for it.
    let server = Server { url: server.url.replace("tiny.data", "tiny.zip"), ..server };
    let mut case = Case::new(&server, size, &sum, "members = [\"tiny/tiny.data\"]");
    case.load().unwrap();
    assert!(case.raw("tiny.data").exists() && !case.raw("README").exists() && !case.raw("tiny.zip").exists());

    let server = Server::start(archive, vec![Answer::Serve]);
    let server = Server { url: server.url.replace("tiny.data", "tiny.zip"), ..server };
    let mut case = Case::new(&server, size, &sum, "members = [\"tiny/tiny.data\", \"tiny/other\"]");
    let error = case.load().unwrap_err().to_string();
    assert!(error.contains("member tiny/other"), "{error}");
}
