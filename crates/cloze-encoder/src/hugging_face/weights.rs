//! Tensors of a safetensors file by the names of our layout.

use super::error::HuggingFaceError;
use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::BTreeSet;
use std::path::Path;

/// The output layer's bias, which a model without head lacks.
pub(super) const OUTPUT_BIAS: &str = "cls.predictions.bias";

/// The file, and which of its tensors have been asked for.
pub(super) struct Weights<'a> {
    path: &'a Path,
    file: SafeTensors<'a>,
    /// What the file calls the encoder: `bert.`, or nothing where the model is nothing but the encoder.
    prefix: &'static str,
    used: BTreeSet<String>,
}

impl<'a> Weights<'a> {
    pub(super) fn new(path: &'a Path, image: &'a [u8]) -> Result<Self, HuggingFaceError> {
        let file = SafeTensors::deserialize(image)
            .map_err(|source| HuggingFaceError::Weights { path: path.to_owned(), source })?;
        let prefix = if file.iter().any(|(name, _)| name.starts_with("bert.")) { "bert." } else { "" };
        Ok(Self { path, file, prefix, used: BTreeSet::new() })
    }

    /// Number of tensors.
    pub(super) fn len(&self) -> usize {
        self.file.len()
    }

    /// Whether there is a masked-language head.
    pub(super) fn has_head(&self) -> bool {
        self.file.iter().any(|(name, _)| name.starts_with("cls.predictions."))
    }

    /// Whether there is a tensor that our layout calls `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.file.tensor(&self.own(name)).is_ok()
    }

    /// What the file calls the tensor.
    fn own(&self, name: &str) -> String {
        match name.strip_prefix("bert.") {
            Some(rest) => format!("{}{rest}", self.prefix),
            None => name.to_owned(),
        }
    }

    /// The tensor that our layout calls `name`, if it is there and of that shape.
    pub(super) fn check(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<(String, TensorView<'a>), HuggingFaceError> {
        let own = self.own(name);
        // TensorFlow's names, which the oldest models keep.
        let old =
            own.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        let found =
            [&own, &old].into_iter().find_map(|name| Some((name.clone(), self.file.tensor(name).ok()?)));
        let Some((own, view)) = found else {
            return Err(HuggingFaceError::Missing {
                path: self.path.to_owned(),
                name: own,
                present: self.summary(),
            });
        };
        if view.shape() != shape {
            return Err(HuggingFaceError::Shape {
                path: self.path.to_owned(),
                name: own,
                found: view.shape().to_vec(),
                expected: shape.to_vec(),
            });
        }
        self.used.insert(own.clone());
        Ok((own, view))
    }

    /// The values of that tensor.
    pub(super) fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, HuggingFaceError> {
        let (name, view) = self.check(name, shape)?;
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                let found = format!("{other:?}");
                return Err(HuggingFaceError::Type { path: self.path.to_owned(), name, found });
            }
        };
        let values = decode(&view, dtype).map_err(crate::error::EncoderError::from)?;
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(place) => {
                let (path, value) = (self.path.to_owned(), values[place]);
                Err(HuggingFaceError::NotFinite { path, name, place, value })
            }
        }
    }

    /// The tensors that nobody has asked for, in order.
    pub(super) fn unused(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.file.iter().map(|(name, _)| name.to_owned()).collect();
        names.difference(&self.used).cloned().collect()
    }

    fn summary(&self) -> String {
        let mut names = self.file.names();
        names.sort_unstable();
        let more = names.len().saturating_sub(8);
        names.truncate(8);
        let list = names.join(", ");
        if more > 0 { format!("{list} and {more} more") } else { list }
    }
}

fn decode(view: &TensorView<'_>, dtype: DType) -> candle_core::Result<Vec<f32>> {
    let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?;
    tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}
