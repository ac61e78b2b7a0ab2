//! No content makes the readers that manifests use panic: interactions of text tables, the typed headers of RecBole and
//! `::` among them, and maps of ids.
#![no_main]

use cloze_data::log::LogFormat;
use cloze_data::read::{
    Column, Cutting, Encoding, IdMapColumns, InteractionColumns, read_id_map, read_interactions,
};
use cloze_data::{Dataset, Filters};

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some((choice, content)) = content.split_first() else { return };
    let formats = [LogFormat::Csv, LogFormat::Tsv, LogFormat::Dat, LogFormat::Text];
    let format = formats[usize::from(choice & 3)];
    let (header, typed) = (choice & 4 != 0, choice & 8 != 0);
    let encoding = if choice & 16 != 0 { Encoding::Latin1 } else { Encoding::Utf8 };
    let Some(table) = cloze_fuzz::table(format, header, encoding) else { return };
    let head: &[u8] = if header && typed { b"u:token\ti:token\tv:float\tt:float\n" } else { b"" };
    let path = cloze_fuzz::file("interactions", &[head, content].concat());
    let column = |position: usize, name: &str| {
        if header { Column::Name(name.to_owned()) } else { Column::Position(position) }
    };
    let columns = InteractionColumns {
        user: column(1, "u"),
        item: column(2, "i"),
        value: (choice & 32 != 0).then(|| column(3, "v")),
        time: (choice & 64 != 0).then(|| column(4, "t")),
    };
    if let Ok(rows) = read_interactions(&path, &table, &columns) {
        assert!(!rows.is_empty());
        let filters = Filters { first_of_pair: choice & 128 != 0, ..Filters::default() };
        let data = Dataset::from_interactions("f", "f", &rows, None, &filters).expect("rows are left");
        assert_eq!(data.users.len(), data.sequences.len());
    }
    let columns = IdMapColumns { id: column(1, "u"), original: column(2, "i") };
    let _ = read_id_map(&path, &Cutting::Table(table), &columns);
    let names = IdMapColumns { id: Column::Name("u".to_owned()), original: Column::Name("i".to_owned()) };
    let _ = read_id_map(&path, &Cutting::JsonLines, &names);
});
