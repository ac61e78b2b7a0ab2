//! Difficulties as columns of `users.parquet`: numbers of the full ranking's rows, missing where a user has none.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, Float64Array};
use arrow::datatypes::{DataType, Field};

use crate::difficulty::{Aim, Difficulty};
use crate::error::EvalError;

/// The columns, in the order of [`numbers`].
pub(crate) const NAMES: [&str; 9] = [
    "list_success",
    "list_gap",
    "list_inside",
    "next_success",
    "next_gap",
    "next_inside",
    "random_success",
    "random_gap",
    "random_inside",
];

/// The columns of a file, [`NAMES`].
pub(crate) type Columns<'a> = [&'a Float64Array; 9];

pub(crate) fn fields() -> impl Iterator<Item = Field> {
    NAMES.iter().map(|name| Field::new(*name, DataType::Float64, true))
}

/// The nine columns of a protocol of `users` rows; a protocol that has no difficulties has empty cells.
pub(crate) fn columns(difficulties: &[Option<Difficulty>], users: usize) -> impl Iterator<Item = ArrayRef> {
    (0..NAMES.len()).map(move |at| {
        let cell = |row: usize| difficulties.get(row).copied().flatten().map(|one| numbers(&one)[at]);
        Arc::new((0..users).map(cell).collect::<Float64Array>()) as ArrayRef
    })
}

fn numbers(of: &Difficulty) -> [f64; 9] {
    let Difficulty { list, next, random } = of;
    [
        list.success,
        list.gap,
        list.inside,
        next.success,
        next.gap,
        next.inside,
        random.success,
        random.gap,
        random.inside,
    ]
}

impl Difficulty {
    /// The difficulty of a row of the file.
    ///
    /// # Errors
    /// [`EvalError::Content`] where some of the columns are missing, or a number is none from 0 to 1.
    pub(crate) fn read(path: &Path, columns: &Columns<'_>, row: usize) -> Result<Option<Self>, EvalError> {
        if columns.iter().all(|column| column.is_null(row)) {
            return Ok(None);
        }
        let mut numbers = [0.0; 9];
        for ((number, column), name) in numbers.iter_mut().zip(columns).zip(NAMES) {
            let value = column.is_valid(row).then(|| column.value(row));
            let Some(value) = value.filter(|value| (0.0..=1.0).contains(value)) else {
                let shown = value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
                let problem = format!("row {row} has {shown} as {name}, which is from 0 to 1");
                return Err(EvalError::Content { path: path.to_path_buf(), problem });
            };
            *number = value;
        }
        let aim = |at: usize| Aim { success: numbers[at], gap: numbers[at + 1], inside: numbers[at + 2] };
        Ok(Some(Self { list: aim(0), next: aim(3), random: aim(6) }))
    }
}
