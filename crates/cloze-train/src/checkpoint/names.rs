//! What stands in the folder of an unfinished run.

use super::saved::{STATE_FILE, TENSORS_FILE};
use super::{BEST, CURVE_FILE, DONE, LAST, PREVIOUS, RUN_FILE, STAGED_MODEL};
use crate::events::EVENTS_FILE;
use crate::folder::{METRICS_FILE, is_model_file};

/// Whether the file or folder with these names, from the run's folder down, is one that a run writes, whole or in part.
pub(crate) fn is_ours(names: &[&str], is_folder: bool) -> bool {
    match (names, is_folder) {
        ([name], false) => {
            let whole = name.strip_suffix(".new").unwrap_or(name);
            [RUN_FILE, METRICS_FILE, CURVE_FILE, EVENTS_FILE].contains(&whole)
        }
        ([name], true) => is_checkpoint(name) || *name == STAGED_MODEL,
        ([top, name], false) if is_checkpoint(top) => [STATE_FILE, TENSORS_FILE].contains(name),
        ([top, name], false) => *top == STAGED_MODEL && is_model_file(name),
        _ => false,
    }
}

/// Also one that is being written, or put aside.
fn is_checkpoint(name: &str) -> bool {
    let whole = name.strip_suffix(".new").or_else(|| name.strip_suffix(".old")).unwrap_or(name);
    [LAST, PREVIOUS, BEST].contains(&whole) || whole.starts_with(DONE)
}
