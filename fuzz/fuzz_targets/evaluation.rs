//! No folder makes the reader of evaluations panic, and what it reads can be reported.
#![no_main]

use std::sync::LazyLock;

use cloze_eval::{Evaluation, Fit, Meta, Protocol, ProtocolRanks, Target, results};

const FILES: [&str; 2] = ["users.parquet", "evaluation.json"];

static WHOLE: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let users = 6_u32;
    let ranks = |protocol| ProtocolRanks {
        protocol,
        candidate_seed: 0,
        exclude_seen: true,
        users: (0..users).collect(),
        targets: (0..users).map(|user| user * 2).collect(),
        candidates: vec![101; users as usize],
        ranks: (1..=users).collect(),
        target_counts: (0..u64::from(users)).collect(),
        history_lengths: (0..users).collect(),
        target_familiarities: vec![Some(50); users as usize],
        difficulties: Vec::new(),
        lists: None,
    };
    let meta = Meta {
        dataset: "fuzz".to_owned(),
        synthetic: true,
        split: "leave-one-out".to_owned(),
        target: Target::Test,
        split_hash: "0".to_owned(),
        fit: Fit::Train,
        model: "m".to_owned(),
        seed: 0,
        seconds: 1.0,
        users: users as usize,
        coverage: None,
        rating_error: None,
        success: None,
        curve: Vec::new(),
    };
    let evaluation =
        Evaluation { meta, protocols: vec![ranks(Protocol::Full), ranks(Protocol::Uniform(100))] };
    let folder = cloze_fuzz::folder("evaluation");
    evaluation.save(&folder).expect("room for a folder");
    FILES.map(|name| std::fs::read(folder.join(name)).expect("a file just written"))
});

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some((choice, edits)) = content.split_first() else { return };
    let folder = cloze_fuzz::folder("evaluation");
    for (at, (name, mut bytes)) in FILES.into_iter().zip(WHOLE.clone()).enumerate() {
        match choice % 4 {
            // All of the file, or a change of it.
            3 if at == 1 => bytes = edits.to_vec(),
            2 if at == 0 => bytes = edits.to_vec(),
            one if usize::from(one) == at => cloze_fuzz::edit(&mut bytes, edits),
            _ => {}
        }
        std::fs::write(folder.join(name), bytes).expect("room for a small file");
    }
    if let Ok(evaluation) = Evaluation::load(&folder) {
        let _ = results(&[evaluation], &[]);
    }
});
