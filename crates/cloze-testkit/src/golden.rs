//! Golden files: arrays that another program computed, with the script that made them beside them.

use cloze_encoder::{PackedBatch, ParameterLayout, Parameters};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;
use std::sync::Arc;

/// An opened golden file.
pub struct Golden(Vec<u8>);

impl Golden {
    /// Opens the file.
    pub fn open(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self(std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn words(&self, name: &str, dtype: Dtype) -> Vec<[u8; 4]> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(view.dtype(), dtype, "{name}");
        view.data().as_chunks().0.to_vec()
    }

    /// A float array.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name, Dtype::F32).into_iter().map(f32::from_le_bytes).collect()
    }

    /// An integer array.
    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.words(name, Dtype::I32).into_iter().map(u32::from_le_bytes).collect()
    }

    /// The batch under `batch.*`.
    pub fn batch(&self) -> PackedBatch {
        let [tokens, positions, ends, outputs, targets] =
            ["tokens", "positions", "cu_seqlens", "outputs", "targets"]
                .map(|name| self.ids(&format!("batch.{name}")));
        let mut batch = PackedBatch::new();
        for ends in ends.windows(2) {
            let (start, end) = (ends[0] as usize, ends[1] as usize);
            let range =
                outputs.partition_point(|&row| row < ends[0])..outputs.partition_point(|&row| row < ends[1]);
            let local: Vec<u32> = outputs[range.clone()].iter().map(|row| row - ends[0]).collect();
            batch.push(&tokens[start..end], positions[start], &local, &targets[range]).unwrap();
        }
        assert_eq!(batch.positions(), positions);
        batch
    }

    /// The parameters, by the layout's names.
    pub fn parameters(&self, layout: &Arc<ParameterLayout>) -> Parameters {
        Parameters::read::<cloze_encoder::EncoderError>(layout.clone(), |name, _| Ok(self.floats(name)))
            .unwrap()
    }

    /// The gradients under `gradient.*`, flat in the layout's order.
    pub fn gradients(&self, layout: &ParameterLayout) -> Vec<f32> {
        layout.entries().iter().flat_map(|entry| self.floats(&format!("gradient.{}", entry.name))).collect()
    }
}
