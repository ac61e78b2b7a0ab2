//! Named arrays on their way to and from safetensors.

use crate::folder::FolderError;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// The values of a named array.
#[derive(Debug, Clone)]
pub enum Values<'a> {
    /// 32-bit floats: weights, profiles, similarities.
    F32(Cow<'a, [f32]>),
    /// 32-bit unsigned integers: item ids, sparse column indices.
    U32(Cow<'a, [u32]>),
    /// 64-bit unsigned integers: counts, sparse row offsets.
    U64(Cow<'a, [u64]>),
}

/// An array with its name and shape (row-major).
#[derive(Debug, Clone)]
pub struct NamedTensor<'a> {
    /// Name in the file; Hugging Face BERT's names for encoder weights.
    pub name: String,
    /// Shape; its product is the number of values.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Values<'a>,
}

impl<'a> NamedTensor<'a> {
    /// A float array.
    pub fn f32(name: impl Into<String>, shape: &[usize], values: impl Into<Cow<'a, [f32]>>) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), values: Values::F32(values.into()) }
    }

    /// An array of 32-bit ids.
    pub fn u32(name: impl Into<String>, shape: &[usize], values: impl Into<Cow<'a, [u32]>>) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), values: Values::U32(values.into()) }
    }

    /// An array of counts or offsets.
    pub fn u64(name: impl Into<String>, shape: &[usize], values: impl Into<Cow<'a, [u64]>>) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), values: Values::U64(values.into()) }
    }

    fn bytes(&self) -> (Dtype, Vec<u8>) {
        match &self.values {
            Values::F32(v) => (Dtype::F32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Values::U32(v) => (Dtype::U32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Values::U64(v) => (Dtype::U64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        }
    }
}

/// The safetensors image of `tensors`, with `metadata` in its header. One entry at most gives the same bytes every time. `path` is
/// for the error.
///
/// # Errors
/// [`FolderError::Weights`] for an array that has not as many values as its shape says.
pub fn serialize(
    tensors: &[NamedTensor<'_>],
    metadata: Option<(&str, String)>,
    path: &Path,
) -> Result<Vec<u8>, FolderError> {
    let metadata = metadata.map(|(key, value)| HashMap::from([(key.to_owned(), value)]));
    let bytes: Vec<_> = tensors.iter().map(NamedTensor::bytes).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, (dtype, data))| {
            Ok((tensor.name.as_str(), TensorView::new(*dtype, tensor.shape.clone(), data)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    views
        .and_then(|views| safetensors::serialize(views, metadata))
        .map_err(|source| FolderError::Weights { path: path.to_owned(), reason: source.to_string() })
}

/// Reads one array of element type `dtype`, checking its shape, and that the bytes are of whole elements.
pub(crate) fn read<const SIZE: usize, T>(
    image: &[u8],
    path: &Path,
    name: &str,
    dtype: Dtype,
    shape: Option<&[usize]>,
    decode: impl Fn([u8; SIZE]) -> T,
) -> Result<Vec<T>, FolderError> {
    let weights = |reason: String| FolderError::Weights { path: path.to_owned(), reason };
    let file = SafeTensors::deserialize(image).map_err(|error| weights(error.to_string()))?;
    let view = file.tensor(name).map_err(|_| FolderError::MissingTensor {
        path: path.to_owned(),
        name: name.to_owned(),
        present: list(file.names().into_iter().map(str::to_owned).collect()),
    })?;
    if view.dtype() != dtype {
        return Err(weights(format!(
            "`{name}` has elements of type {:?}, {dtype:?} was expected",
            view.dtype()
        )));
    }
    if let Some(expected) = shape.filter(|expected| *expected != view.shape()) {
        return Err(FolderError::Shape {
            path: path.to_owned(),
            name: name.to_owned(),
            found: view.shape().to_vec(),
            expected: expected.to_vec(),
        });
    }
    let (elements, rest) = view.data().as_chunks::<SIZE>();
    if !rest.is_empty() {
        return Err(weights(format!("`{name}` ends in the middle of an element")));
    }
    Ok(elements.iter().map(|bytes| decode(*bytes)).collect())
}

/// The names of all arrays.
pub(crate) fn names(image: &[u8], path: &Path) -> Result<Vec<String>, FolderError> {
    let (_, header) = header(image, path)?;
    Ok(header.tensors().into_keys().collect())
}

/// An entry of the header's metadata.
pub(crate) fn metadata(image: &[u8], path: &Path, key: &str) -> Result<Option<String>, FolderError> {
    let (_, header) = header(image, path)?;
    Ok(header.metadata().as_ref().and_then(|entries| entries.get(key).cloned()))
}

fn header(image: &[u8], path: &Path) -> Result<(usize, Metadata), FolderError> {
    SafeTensors::read_metadata(image)
        .map_err(|error| FolderError::Weights { path: path.to_owned(), reason: error.to_string() })
}

/// A few names for a message.
pub(crate) fn list(mut names: Vec<String>) -> String {
    names.sort_unstable();
    let more = names.len().saturating_sub(8);
    names.truncate(8);
    let list = names.join(", ");
    if more > 0 { format!("{list} and {more} more") } else { list }
}
