//! Manifests of data that are too large to be at hand, on small files in the layout of the official ones.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::io::{Cursor, Write as _};
use std::path::Path;

use cloze_data::{DataError, Dataset, Silent, load};
use common::{Answer, Server, gzip, options, sha256};
use toml::{Table, Value};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A built-in manifest that expects no numbers and pins no content, with a further change.
fn changed(name: &str, change: impl FnOnce(&mut Table)) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets").join(name).with_extension("toml");
    let mut manifest: Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    manifest.remove("expected");
    manifest.remove("filters");
    for form in manifest["forms"].as_array_mut().unwrap() {
        for (_, file) in form.as_table_mut().unwrap() {
            file.as_table_mut().map(|file| file.remove("sha256"));
        }
    }
    change(&mut manifest);
    toml::to_string(&manifest).unwrap()
}

/// Loads a built-in manifest from these files in a data folder.
fn local(name: &str, files: &[(&str, &[u8])]) -> Result<Dataset, DataError> {
    let world = tempfile::tempdir().unwrap();
    let data = world.path().join("data");
    for (file, content) in files {
        let path = data.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let manifest = world.path().join("changed.toml");
    std::fs::write(&manifest, changed(name, |_| {})).unwrap();
    load(manifest.to_str().unwrap(), &options(Some(&data), &world.path().join("cache")), &mut Silent)
}

const RATINGS: &[u8] =
    b"userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n1,29,3.5,1112484676\n2,2,4.0,974820889\n";
const MOVIES: &[u8] = b"movieId,title,genres\n2,Jumanji (1995),Adventure|Children|Fantasy\n\
    29,\"City of Lost Children, The (Cit\xc3\xa9 des enfants perdus, La) (1995)\",(no genres listed)\n";

#[test]
fn ml_20m_has_times_titles_and_genres() {
    let data = local("ml-20m", &[("ml-20m/ratings.csv", RATINGS), ("ml-20m/movies.csv", MOVIES)]).unwrap();
    assert_eq!(
        (data.users.ids(), data.items.ids()),
        (&["1", "2"].map(String::from)[..], &["2", "29"].map(String::from)[..])
    );
    assert_eq!(data.sequences.get(0), [1, 0], "in the order of time");
    assert_eq!(data.sequences.times(0).unwrap(), [1_112_484_676, 1_112_486_027]);
    assert_eq!(data.items.title(1), Some("City of Lost Children, The (Cité des enfants perdus, La) (1995)"));
    let genres = data.details.genres.unwrap();
    assert_eq!((genres[0].len(), genres[1].len()), (3, 0));
}

#[test]
fn steam_is_sequence_text_plain_or_packed() {
    let text = b"1 1\n1 2\n2 3\n2 1\n2 2\n";
    for (name, content) in [("steam/steam.txt", text.to_vec()), ("steam/steam.txt.gz", gzip(text))] {
        let data = local("steam", &[(name, &content)]).unwrap();
        assert_eq!(data.sequences.iter().collect::<Vec<_>>(), [&[0, 1][..], &[2, 0, 1]], "{name}");
        assert!(!data.sequences.has_times());
    }
    let error = local("steam", &[("steam/steam.txt", b"1 1 2 3\n2 3 1\n")]).unwrap_err().to_string();
    assert!(error.contains("line 2, column 4") && error.contains("Make a row of each item"), "{error}");
}

#[test]
fn amazon_books_are_reviews_as_json() {
    let review = |user: &str, item: &str, time: u32| {
        format!(
            "{{\"reviewerID\": \"{user}\", \"asin\": \"{item}\", \"reviewerName\": \"A \\\"B\\\"\", \"helpful\": [0, 0], \
             \"reviewText\": \"Good.\\nVery.\", \"overall\": 5.0, \"summary\": \"!\", \"unixReviewTime\": {time}, \
             \"reviewTime\": \"12 16, 2012\"}}\n"
        )
    };
    let text = review("A10000012B7CGYKOMPQ4L", "000100039X", 1_355_616_000)
        + &review("A10000012B7CGYKOMPQ4L", "0002051850", 1_071_100_800)
        + &review("A2S166WSCFIFP5", "000100039X", 1_071_100_800);
    let packed = gzip(text.as_bytes());
    for (name, content) in
        [("amazon-books/reviews_Books_5.json.gz", &packed[..]), ("reviews_Books_5.json", text.as_bytes())]
    {
        let data = local("amazon-books", &[(name, content)]).unwrap();
        assert_eq!(data.items.ids(), ["000100039X", "0002051850"]);
        assert_eq!(data.sequences.iter().collect::<Vec<_>>(), [&[1, 0][..], &[0]], "{name}");
        assert_eq!(data.sequences.times(0).unwrap(), [1_071_100_800, 1_355_616_000]);
    }
}

#[test]
fn the_official_archive_of_ml_1m_is_downloaded_unpacked_and_read() {
    let members: [(&str, &[u8]); 4] = [
        ("ml-1m/README", b"SUMMARY"),
        ("ml-1m/users.dat", b"1::F::1::10::48067\n"),
        ("ml-1m/ratings.dat", b"1::1193::5::978300760\n1::661::3::978302109\n2::661::4::978298413\n"),
        (
            "ml-1m/movies.dat",
            b"661::James and the Giant Peach (1996)::Animation|Children's|Musical\n\
            1193::Mis\xe9rables, Les (1995)::Drama\n",
        ),
    ];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    let archive = zip.finish().unwrap().into_inner();
    let (size, sum) = (archive.len(), sha256(&archive));
    let server = Server::start(archive, vec![Answer::Serve]);
    let manifest = changed("ml-1m", |manifest| {
        let source =
            manifest["sources"].as_array_mut().unwrap().iter_mut().find(|one| one.get("url").is_some());
        let source = source.unwrap().as_table_mut().unwrap();
        source.insert("url".to_owned(), Value::from(server.url.clone()));
        source.insert("size".to_owned(), Value::from(size as i64));
        source.insert("sha256".to_owned(), Value::from(sum));
    });
    let world = tempfile::tempdir().unwrap();
    let path = world.path().join("changed.toml");
    std::fs::write(&path, manifest).unwrap();
    let data =
        load(path.to_str().unwrap(), &options(None, &world.path().join("cache")), &mut Silent).unwrap();
    assert_eq!(data.sequences.iter().collect::<Vec<_>>(), [&[0, 1][..], &[1]]);
    assert_eq!(data.items.title(0), Some("Misérables, Les (1995)"));
    assert_eq!(data.details.genres.unwrap()[1], ["Animation", "Children's", "Musical"]);
    assert_eq!(server.ranges().len(), 1, "one request");
}
