//! Golden files: arrays that another program computed, with the script that made them beside them.

use crate::compare::{assert_close, assert_gradients_close};
use cloze_encoder::{EncoderConfig, Engine, Mode, PackedBatch, ParameterLayout, Parameters};
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

    /// All golden files of a folder with their names, in order.
    pub fn all(folder: impl AsRef<Path>) -> Vec<(String, Self)> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = entries
            .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "no golden files");
        let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
        paths.iter().map(|path| (name(path), Self::open(path))).collect()
    }

    /// The configuration that the file's encoder has.
    pub fn config(&self) -> EncoderConfig {
        let (_, header) = SafeTensors::read_metadata(&self.0).unwrap();
        let metadata = header.metadata().as_ref().expect("a golden file has metadata");
        serde_json::from_str(&metadata["config"]).unwrap()
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
        let [tokens, positions, types, ends, outputs, targets] =
            ["tokens", "positions", "token_types", "cu_seqlens", "outputs", "targets"]
                .map(|name| self.ids(&format!("batch.{name}")));
        let mut batch = PackedBatch::new();
        for ends in ends.windows(2) {
            let (start, end) = (ends[0] as usize, ends[1] as usize);
            let range =
                outputs.partition_point(|&row| row < ends[0])..outputs.partition_point(|&row| row < ends[1]);
            let local: Vec<u32> = outputs[range.clone()].iter().map(|row| row - ends[0]).collect();
            batch.push(&tokens[start..end], positions[start], &local, &targets[range]).unwrap();
            batch.set_token_types(&types[start..end]).unwrap();
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

    /// Asserts that an engine with the file's parameters computes what the file expects, tensor by tensor.
    #[track_caller]
    pub fn assert_agrees(&self, name: &str, engine: &mut dyn Engine, bound: f64) {
        let (batch, layout) = (self.batch(), engine.layout().clone());
        let close = |what: &str, found: &[f32]| {
            assert_close(&format!("{name}: {what}"), found, &self.floats(&format!("expected.{what}")), bound);
        };
        engine.forward(&batch, Mode::Inference).unwrap();
        close("hidden", &engine.hidden().unwrap());
        close("transformed", &engine.transformed().unwrap());
        close("logits", &engine.logits().unwrap());
        close("loss", &[engine.cloze_step(&batch).unwrap()]);
        assert_gradients_close(&layout, &engine.gradients().unwrap(), &self.gradients(&layout), bound);
    }
}
