//! Manifests of data that are too large to be at hand, on small files in the layout of the official ones.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::Path;

use cloze_data::{DataError, Dataset, Silent, load};
use common::{Answer, Server, gzip, options, sha256};
use toml::{Table, Value};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn built_in(name: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets").join(name).with_extension("toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A built-in manifest that expects no numbers, drops nothing and pins no content, with a further change.
fn changed(name: &str, change: impl FnOnce(&mut Table)) -> String {
    let mut manifest = built_in(name);
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

/// Loads a built-in manifest without its filters from these files in a data folder.
fn local(name: &str, files: &[(&str, &[u8])]) -> Result<Dataset, DataError> {
    read(&changed(name, |_| {}), files)
}

/// The same with its filters.
fn filtered(name: &str, files: &[(&str, &[u8])]) -> Result<Dataset, DataError> {
    let filters = built_in(name)["filters"].clone();
    read(&changed(name, |manifest| drop(manifest.insert("filters".to_owned(), filters))), files)
}

fn read(text: &str, files: &[(&str, &[u8])]) -> Result<Dataset, DataError> {
    let world = tempfile::tempdir().unwrap();
    let data = world.path().join("data");
    for (file, content) in files {
        let path = data.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let manifest = world.path().join("changed.toml");
    std::fs::write(&manifest, text).unwrap();
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

/// Twelve users with the same 21 books, one of them with a book of its own; and one user with 19.
#[test]
fn the_sample_of_books_has_users_and_items_with_enough_reviews() {
    let mut text = String::new();
    let mut add = |user: usize, item: usize| {
        let _ = writeln!(
            text,
            "{{\"reviewerID\": \"U{user}\", \"asin\": \"B{item}\", \"reviewText\": \"Good.\", \"overall\": 4.0, \
             \"unixReviewTime\": {}}}",
            1_300_000_000 + 100 * item
        );
    };
    for user in 0..12 {
        (0..21).for_each(|item| add(user, item));
    }
    add(3, 99);
    (0..19).for_each(|item| add(12, item));
    let data =
        filtered("amazon-books-10k", &[("amazon-books/reviews_Books_5.json", text.as_bytes())]).unwrap();
    assert_eq!((data.users.len(), data.items.len()), (12, 21));
    assert!(data.sequences.iter().all(|items| items.len() == 21));
}

/// Five users with five places each: one more user is not in the core.
#[test]
fn yelp_is_reviews_with_a_file_of_businesses() {
    let review = |user: usize, place: usize| {
        format!(
            "{{\"review_id\":\"r\",\"user_id\":\"u{user}\",\"business_id\":\"b{place}\",\"stars\":4.0,\"useful\":0,\
             \"text\":\"Good.\\nVery.\",\"date\":\"2018-07-0{} 22:09:11\"}}\n",
            9 - place
        )
    };
    let mut text: String = (0..5).flat_map(|user| (0..5).map(move |place| review(user, place))).collect();
    text += &review(5, 0);
    let business = "{\"business_id\":\"b0\",\"name\":\"Abby's\",\"categories\":\"Doctors, Health & Medical\",\"hours\":null}\n\
                    {\"business_id\":\"b1\",\"name\":\"Target\",\"categories\":null}\n";
    let files = [
        ("yelp/yelp_academic_dataset_review.json", text.as_bytes()),
        ("yelp/yelp_academic_dataset_business.json", business.as_bytes()),
    ];
    let data = filtered("yelp", &files).unwrap();
    assert_eq!((data.users.len(), data.items.len()), (5, 5));
    // The last place of the file was visited first.
    let order: Vec<&str> =
        data.sequences.get(0).iter().map(|item| data.items.ids()[*item as usize].as_str()).collect();
    assert_eq!(order, ["b4", "b3", "b2", "b1", "b0"]);
    let first = data.items.get("b0").unwrap() as usize;
    assert_eq!(data.details.genres.as_ref().unwrap()[first].len(), 2);
}

#[test]
fn goodreads_has_its_own_form_of_times() {
    let shelf = |user: usize, book: usize, rating: u32| {
        format!(
            "{{\"user_id\": \"u{user}\", \"book_id\": \"{book}\", \"is_read\": true, \"rating\": {rating}, \
             \"date_added\": \"{} 21:05:16 -0800 2017\", \"read_at\": \"\"}}\n",
            ["Mon Jan 09", "Sun Jan 08", "Sat Jan 07", "Fri Jan 06", "Thu Jan 05", "Wed Jan 04"][book]
        )
    };
    let mut text: String =
        (0..5).flat_map(|user| (0..5).map(move |book| shelf(user, book, 1 + book as u32))).collect();
    text += &shelf(0, 5, 0);
    let packed = gzip(text.as_bytes());
    let data = filtered("goodreads-poetry", &[("goodreads/goodreads_interactions_poetry.json.gz", &packed)])
        .unwrap();
    assert_eq!((data.users.len(), data.items.len()), (5, 5), "what has no rating is left out");
    // 21:05 of the 5th, eight hours behind UTC, is the 6th there: 2017-01-06 05:05:16.
    assert_eq!(data.sequences.times(0).unwrap()[0], 1_483_679_116);
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
