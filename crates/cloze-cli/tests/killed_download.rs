//! A download whose process is killed.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::World;

/// Answers a request with the content from the byte asked for up to `until`; returns the byte asked for.
fn answer(stream: &mut TcpStream, content: &[u8], until: usize) -> usize {
    let mut from = 0;
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap().to_lowercase();
        if line.is_empty() {
            break;
        }
        let asked = line.strip_prefix("range: bytes=").and_then(|range| range.strip_suffix('-'));
        from = asked.map_or(from, |from| from.parse().unwrap());
    }
    let (all, left) = (content.len(), content.len() - from);
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let range = format!("Content-Range: bytes {from}-{}/{all}\r\n", all - 1);
    let range = if from > 0 { range.as_str() } else { "" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {left}\r\nConnection: close\r\n{range}\r\n")
        .unwrap();
    stream.write_all(&content[from..until.max(from)]).unwrap();
    from
}

/// Sends half of the content and waits for the other side to go; then serves what the next one asks for.
fn server(content: Vec<u8>) -> (String, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        answer(&mut first, &content, content.len() / 2);
        // Ends, with an error or without, when the process is killed.
        let _ = first.read(&mut [0]);
        let (mut second, _) = listener.accept().unwrap();
        answer(&mut second, &content, content.len())
    });
    (format!("http://{address}/tiny.data"), served)
}

#[test]
fn a_killed_download_leaves_a_part_and_the_next_call_goes_on_from_there() {
    let world = World::new();
    let lines: Vec<_> = (0..4000).map(|row| format!("u{}\ti{}\t{row}\n", row % 100, row % 77)).collect();
    let content = lines.concat();
    std::fs::write(world.path("tiny.tsv"), &content).unwrap();
    // What is prepared here is only the checksum.
    world.ok(&["prepare", "--input", "tiny.tsv", "--user", "1", "--item", "2", "--output", "sum"]);
    let sum = world.json("sum/origin.json")["inputs"][0]["sha256"].as_str().unwrap().to_owned();
    let (url, served) = server(content.clone().into_bytes());
    let manifest = format!(
        "name = \"tiny\"\ntitle = \"Tiny\"\ncitation = \"nobody\"\nlicence = \"none\"\nlicence_url = \"{url}\"\n\
         [[forms]]\nname = \"text\"\n[forms.interactions]\nfiles = [\"tiny.data\"]\n\
         table = {{ separator = \"\\t\" }}\ncolumns = {{ user = 1, item = 2, time = 3 }}\n\
         [[sources]]\nkind = \"https\"\nurl = \"{url}\"\nsize = {}\nsha256 = \"{sum}\"\nform = \"text\"\n",
        content.len()
    );
    std::fs::create_dir(world.path("manifests")).unwrap();
    std::fs::write(world.path("manifests/tiny.toml"), manifest).unwrap();

    let fetch = ["data", "fetch", "manifests/tiny.toml"];
    let mut command = world.command();
    let mut child = command.args(fetch).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (part, whole) = (world.path("cache/raw/tiny/tiny.data.part"), world.path("cache/raw/tiny/tiny.data"));
    let arrived = || std::fs::metadata(&part).map_or(0, |file| file.len() as usize);
    let began = Instant::now();
    while arrived() < content.len() / 2 && began.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(arrived(), content.len() / 2, "a part, under a name of its own");
    assert!(!whole.exists());

    let path = world.ok(&fetch);
    assert_eq!(served.join().unwrap(), content.len() / 2, "only the rest was asked for");
    assert!(path.trim_end().ends_with("tiny.data"), "{path}");
    assert_eq!(std::fs::read_to_string(&whole).unwrap(), content);
    assert!(!part.exists());
}
