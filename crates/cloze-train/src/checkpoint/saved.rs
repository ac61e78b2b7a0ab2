//! One checkpoint: a folder with what a phase needs to go on.
//!
//! | file | content |
//! |---|---|
//! | `state.json` | [`Mark`]: phase, step and the loop's own numbers, and the checksum of the other file |
//! | `tensors.safetensors` | `parameters`, and for going on `first` and `second`, the optimizer's moments |
//!
//! There is no generator state: every draw is addressed by seed and step.

use crate::folder::format_of;
use crate::tensors::{self, NamedTensor};
use cloze_encoder::OptimizerState;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Layout of a checkpoint.
const FORMAT: u32 = 1;
pub(super) const STATE_FILE: &str = "state.json";
pub(super) const TENSORS_FILE: &str = "tensors.safetensors";

/// Where a phase stands. Numbers that decide about bits are kept as text, which brings them back exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    format: u32,
    /// Phase of the run.
    pub(crate) phase: String,
    /// Optimizer steps done; the next batch has this number.
    pub(crate) step: u64,
    /// Lines of `metrics.jsonl` that were written by then.
    pub(crate) records: usize,
    /// Seconds of the phase by then.
    pub(crate) seconds: f64,
    /// Losses since the last record.
    #[serde(with = "exact")]
    pub(crate) loss_sum: f64,
    pub(crate) loss_count: u32,
    /// Loss of the phase's first step.
    #[serde(with = "exact")]
    pub(crate) first_loss: f64,
    /// The last validation; of the best checkpoint the best one. Not a number where there was none.
    #[serde(with = "exact")]
    pub(crate) validation: f64,
    sha256: String,
}

impl Mark {
    /// A phase that has not begun.
    pub(crate) fn start(phase: &str) -> Self {
        Self {
            format: FORMAT,
            phase: phase.to_owned(),
            step: 0,
            records: 0,
            seconds: 0.0,
            loss_sum: 0.0,
            loss_count: 0,
            first_loss: f64::NAN,
            validation: f64::NAN,
            sha256: String::new(),
        }
    }

    /// The validation, if there was one.
    pub(crate) fn validated(&self) -> Option<f64> {
        Some(self.validation).filter(|value| !value.is_nan())
    }
}

/// Floats as the shortest text that reads back to the same bits.
mod exact {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("{text:?} is no number")))
    }
}

/// A checkpoint in memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Saved {
    pub(crate) mark: Mark,
    /// The flat buffer of all trained parameters.
    pub(crate) parameters: Vec<f32>,
    /// Absent where nothing is to go on: the best and the finished parameters.
    pub(crate) optimizer: Option<OptimizerState>,
}

impl Saved {
    /// The two files, `state.json` and `tensors.safetensors`.
    pub(super) fn files(&self, path: &Path) -> Result<(Vec<u8>, Vec<u8>), String> {
        let flat = |name: &str, values: &[f32]| NamedTensor::f32(name, &[values.len()], values.to_vec());
        let mut tensors = vec![flat("parameters", &self.parameters)];
        if let Some(optimizer) = &self.optimizer {
            tensors.push(flat("first", &optimizer.first));
            tensors.push(flat("second", &optimizer.second));
            tensors.push(NamedTensor::u64("step", &[1], vec![optimizer.step]));
        }
        let image = tensors::serialize(&tensors, None, path).map_err(|error| error.to_string())?;
        let mark = Mark { sha256: digest(&image), ..self.mark.clone() };
        let state = serde_json::to_vec_pretty(&mark).map_err(|error| error.to_string())?;
        Ok((state, image))
    }

    /// Reads a checkpoint; the error says what is wrong with it.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let mark = read_mark(folder)?;
        let path = folder.join(TENSORS_FILE);
        let image = fs::read(&path).map_err(|error| format!("{TENSORS_FILE}: {error}"))?;
        if digest(&image) != mark.sha256 {
            return Err(format!(
                "{TENSORS_FILE} ({} bytes) does not have the checksum that {STATE_FILE} gives",
                image.len()
            ));
        }
        let floats = |name: &str| -> Result<Vec<f32>, String> {
            let values = tensors::read(&image, &path, name, Dtype::F32, None, f32::from_le_bytes)
                .map_err(|error| error.to_string())?;
            match values.iter().find(|value| !value.is_finite()) {
                Some(value) => Err(format!("`{name}` contains {value}")),
                None => Ok(values),
            }
        };
        let parameters = floats("parameters")?;
        let step = tensors::read(&image, &path, "step", Dtype::U64, Some(&[1]), u64::from_le_bytes);
        let optimizer = match step {
            Ok(step) => {
                Some(OptimizerState { step: step[0], first: floats("first")?, second: floats("second")? })
            }
            Err(_) => None,
        };
        Ok(Self { mark, parameters, optimizer })
    }
}

/// Reads where a checkpoint stands, without its tensors.
pub(super) fn read_mark(folder: &Path) -> Result<Mark, String> {
    let text = fs::read(folder.join(STATE_FILE)).map_err(|error| format!("{STATE_FILE}: {error}"))?;
    if let Some(found) = format_of(&text).filter(|format| *format != FORMAT) {
        return Err(format!("{STATE_FILE}: format {found}, this program reads {FORMAT}"));
    }
    serde_json::from_slice(&text).map_err(|error| format!("{STATE_FILE}: {error}"))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_of_another_format_is_told_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(STATE_FILE), r#"{"format": 9, "since": "then"}"#).unwrap();
        let reason = read_mark(folder.path()).unwrap_err();
        assert_eq!(reason, "state.json: format 9, this program reads 1");
    }
}
