//! Evaluations on disk: `users.parquet` with a row per protocol and user, `evaluation.json` with the rest.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

use crate::difficulty;
use crate::error::EvalError;
use crate::evaluation::{Evaluation, Meta};
use crate::files::{json, read, write_together};
use crate::lists::ListStatistics;
use crate::metrics::Metric;
use crate::protocol::Protocol;
use crate::ranks::ProtocolRanks;

mod reading;

use reading::read_users;

const USER: &str = "user";
const USERS: &str = "users.parquet";
const META: &str = "evaluation.json";
/// Columns that evaluations of earlier versions lack.
const TARGET_COUNT: &str = "target_count";
const HISTORY_LENGTH: &str = "history_length";
/// The same, and those of data without categories. Its cells are missing where a target has none.
const TARGET_FAMILIARITY: &str = "target_familiarity";
/// Raised when the layout changes, so that an old file is refused and not misread.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    meta: Meta,
    protocols: Vec<StoredProtocol>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredProtocol {
    protocol: Protocol,
    candidate_seed: u64,
    exclude_seen: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lists: Option<ListStatistics>,
}

/// What is written beside the ranks.
#[derive(Debug, Clone, Copy)]
struct Columns<'a> {
    metrics: bool,
    /// External ids by dense id, where they are known.
    ids: Option<&'a [String]>,
}

impl Evaluation {
    /// Writes `users.parquet` and `evaluation.json` into a folder, which is made if it is missing.
    ///
    /// The Parquet file has the columns `user`, `target` (dense ids, u32), `protocol` (text), `candidates`,
    /// `rank` (u32), each of [`Metric::ALL`] under its name (f64), and where they are known `target_count` (u64),
    /// `history_length` and `target_familiarity` (u32), and the nine of [`Difficulty`](crate::Difficulty) (f64). Both files are written to temporary names; only then do they replace an older
    /// evaluation, `evaluation.json` last: while it is missing, the evaluation is not complete.
    ///
    /// # Errors
    /// [`EvalError::LengthMismatch`] when the ranks do not match `meta.users`; [`EvalError::Io`],
    /// [`EvalError::Parquet`] or [`EvalError::Json`] when writing fails.
    pub fn save(&self, folder: &Path) -> Result<(), EvalError> {
        self.write(folder, Columns { metrics: true, ids: None })
    }

    /// [`Evaluation::save`] with one column more: `user_id`, the external id (text) of each user; `ids` has them by
    /// dense id.
    ///
    /// # Errors
    /// As [`Evaluation::save`]; [`EvalError::LengthMismatch`] also when a user has no id.
    pub fn save_with_ids(&self, folder: &Path, ids: &[String]) -> Result<(), EvalError> {
        self.write(folder, Columns { metrics: true, ids: Some(ids) })
    }

    fn write(&self, folder: &Path, wanted: Columns<'_>) -> Result<(), EvalError> {
        let (users, meta) = (folder.join(USERS), folder.join(META));
        let bytes = self.to_parquet(&users, wanted)?;
        let protocols = self.protocols.iter().map(|ranks| StoredProtocol {
            protocol: ranks.protocol,
            candidate_seed: ranks.candidate_seed,
            exclude_seen: ranks.exclude_seen,
            lists: ranks.lists.clone(),
        });
        let stored = Stored { format: FORMAT, meta: self.meta.clone(), protocols: protocols.collect() };
        write_together(folder, &[(USERS, bytes), (META, json(&meta, &stored)?)])
    }

    /// Writes what cannot be computed again, in a fraction of the space: an evaluation without its metric columns, which follow
    /// from the ranks, without external ids and without difficulties. [`Evaluation::load`] reads it.
    ///
    /// # Errors
    /// As [`Evaluation::save`].
    pub fn archive(&self, folder: &Path) -> Result<(), EvalError> {
        let mut own = self.clone();
        own.meta.success = None;
        for ranks in &mut own.protocols {
            ranks.difficulties.clear();
        }
        own.write(folder, Columns { metrics: false, ids: None })
    }

    /// Reads what [`Evaluation::save`] or [`Evaluation::archive`] wrote. Metric columns are not read: they follow from the ranks.
    ///
    /// # Errors
    /// [`EvalError::Io`] for a missing file, [`EvalError::Json`] or [`EvalError::Parquet`] for a file of
    /// another kind or a truncated one, [`EvalError::Content`] for missing columns, for values that no
    /// evaluation has, and when the two files do not belong together.
    pub fn load(folder: &Path) -> Result<Self, EvalError> {
        let path = folder.join(META);
        let stored: Stored = serde_json::from_slice(&read(&path)?)
            .map_err(|source| EvalError::Json { path: path.clone(), source })?;
        if stored.format != FORMAT {
            let problem = format!("format {}, this version reads {FORMAT}", stored.format);
            return Err(EvalError::Content { path, problem });
        }
        let mut protocols: Vec<ProtocolRanks> = stored.protocols.iter().map(StoredProtocol::empty).collect();
        let path = folder.join(USERS);
        read_users(&path, &mut protocols)?;
        for ranks in &mut protocols {
            // Only the full ranking has lists: the cells of the others are empty.
            if ranks.difficulties.iter().all(Option::is_none) {
                ranks.difficulties.clear();
            }
            if ranks.users.len() != stored.meta.users {
                let (found, expected) = (ranks.users.len(), stored.meta.users);
                let problem = format!("{found} users under {}, {META} says {expected}", ranks.protocol);
                return Err(EvalError::Content { path, problem });
            }
        }
        let measured = protocols.iter().any(|ranks| !ranks.difficulties.is_empty());
        if stored.meta.success.is_some() != measured {
            let problem = format!(
                "{META} and the columns \"{}\" and following do not belong together",
                difficulty::NAMES[0]
            );
            return Err(EvalError::Content { path, problem });
        }
        Ok(Self { meta: stored.meta, protocols })
    }

    fn to_parquet(&self, path: &Path, wanted: Columns<'_>) -> Result<Vec<u8>, EvalError> {
        let optional = Optional {
            details: self.protocols.iter().all(|ranks| !ranks.target_counts.is_empty()),
            familiarities: self.protocols.iter().all(|ranks| !ranks.target_familiarities.is_empty()),
            difficulties: self.protocols.iter().any(|ranks| !ranks.difficulties.is_empty()),
        };
        let schema = Arc::new(schema(optional, wanted));
        let failed = |source| EvalError::Parquet { path: path.to_path_buf(), source };
        let properties = properties();
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), Some(properties)).map_err(failed)?;
        for ranks in &self.protocols {
            self.check_lengths(ranks, optional)?;
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns(ranks, optional, wanted)?)
                .map_err(|error| failed(ParquetError::External(Box::new(error))))?;
            writer.write(&batch).map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        Ok(bytes)
    }

    fn check_lengths(&self, ranks: &ProtocolRanks, optional: Optional) -> Result<(), EvalError> {
        let expected = self.meta.users;
        let if_stored = |stored: bool, length: usize| if stored { length } else { expected };
        let lengths = [
            ("target counts", if_stored(optional.details, ranks.target_counts.len())),
            ("history lengths", if_stored(optional.details, ranks.history_lengths.len())),
            ("target familiarities", if_stored(optional.familiarities, ranks.target_familiarities.len())),
            ("difficulties", if_stored(!ranks.difficulties.is_empty(), ranks.difficulties.len())),
            ("user ids", ranks.users.len()),
            ("targets", ranks.targets.len()),
            ("candidate counts", ranks.candidates.len()),
            ("ranks", ranks.ranks.len()),
        ];
        match lengths.into_iter().find(|&(_, found)| found != expected) {
            Some((what, found)) => Err(EvalError::LengthMismatch { what, found, expected }),
            None => Ok(()),
        }
    }
}

impl StoredProtocol {
    fn empty(&self) -> ProtocolRanks {
        ProtocolRanks {
            protocol: self.protocol,
            candidate_seed: self.candidate_seed,
            exclude_seen: self.exclude_seen,
            users: Vec::new(),
            targets: Vec::new(),
            candidates: Vec::new(),
            ranks: Vec::new(),
            target_counts: Vec::new(),
            history_lengths: Vec::new(),
            target_familiarities: Vec::new(),
            difficulties: Vec::new(),
            lists: self.lists.clone(),
        }
    }
}

/// Which of the columns that not every evaluation has are there.
#[derive(Debug, Clone, Copy, Default)]
struct Optional {
    details: bool,
    familiarities: bool,
    difficulties: bool,
}

/// Zstandard; users stand in order, so that differences say more in less than a dictionary of them.
fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_column_dictionary_enabled(ColumnPath::from(USER), false)
        .set_column_encoding(ColumnPath::from(USER), Encoding::DELTA_BINARY_PACKED)
        .build()
}

/// The columns without which nothing is an evaluation.
fn base() -> Vec<Field> {
    vec![
        Field::new(USER, DataType::UInt32, false),
        Field::new("target", DataType::UInt32, false),
        Field::new("protocol", DataType::Utf8, false),
        Field::new("candidates", DataType::UInt32, false),
        Field::new("rank", DataType::UInt32, false),
    ]
}

fn schema(optional: Optional, wanted: Columns<'_>) -> Schema {
    let mut fields = base();
    let metrics = Metric::ALL.iter().filter(|_| wanted.metrics);
    fields.extend(metrics.map(|metric| Field::new(metric.to_string(), DataType::Float64, false)));
    if optional.details {
        fields.push(Field::new(TARGET_COUNT, DataType::UInt64, false));
        fields.push(Field::new(HISTORY_LENGTH, DataType::UInt32, false));
    }
    if optional.familiarities {
        fields.push(Field::new(TARGET_FAMILIARITY, DataType::UInt32, true));
    }
    if optional.difficulties {
        fields.extend(difficulty::fields());
    }
    if wanted.ids.is_some() {
        fields.push(Field::new("user_id", DataType::Utf8, false));
    }
    Schema::new(fields)
}

fn columns(
    ranks: &ProtocolRanks,
    optional: Optional,
    wanted: Columns<'_>,
) -> Result<Vec<ArrayRef>, EvalError> {
    let numbers = |values: &[u32]| Arc::new(UInt32Array::from(values.to_vec())) as ArrayRef;
    let protocol = ranks.protocol.to_string();
    let mut columns = vec![
        numbers(&ranks.users),
        numbers(&ranks.targets),
        Arc::new(StringArray::from(vec![protocol.as_str(); ranks.users.len()])),
        numbers(&ranks.candidates),
        numbers(&ranks.ranks),
    ];
    let metrics = Metric::ALL.iter().filter(|_| wanted.metrics);
    columns.extend(metrics.map(|metric| Arc::new(Float64Array::from(ranks.values(*metric))) as ArrayRef));
    if optional.details {
        columns.push(Arc::new(UInt64Array::from(ranks.target_counts.clone())));
        columns.push(numbers(&ranks.history_lengths));
    }
    if optional.familiarities {
        columns.push(Arc::new(UInt32Array::from(ranks.target_familiarities.clone())));
    }
    if optional.difficulties {
        columns.extend(difficulty::columns(&ranks.difficulties, ranks.users.len()));
    }
    if let Some(ids) = wanted.ids {
        let of = |&user: &u32| ids.get(user as usize).map(String::as_str);
        let named: Option<Vec<&str>> = ranks.users.iter().map(of).collect();
        let expected = ranks.users.iter().max().map_or(0, |&last| last as usize + 1);
        let short = || EvalError::LengthMismatch { what: "external ids", found: ids.len(), expected };
        columns.push(Arc::new(StringArray::from(named.ok_or_else(short)?)));
    }
    Ok(columns)
}
