//! Tensors of a folder's safetensors files, read one at a time.
//!
//! The format: 8 bytes with the length of the header, the header as JSON, then the tensors' bytes. The header
//! is parsed and its offsets are checked by the `safetensors` crate; file lengths are compared before anything
//! is read by them.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde_json::Value;

use super::folder::{io_error, read_json};
use crate::error::{Error, Result};
use crate::model::current_parameter_name;

/// The longest header that the format allows.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The tensors of one part of a diffusers folder.
pub struct Checkpoint {
    files: Vec<Safetensors>,
    /// By their present names: which file, and the name there.
    tensors: BTreeMap<String, (usize, String)>,
    read: HashSet<String>,
}

struct Safetensors {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    /// Where the tensors' bytes begin.
    start: u64,
}

impl Checkpoint {
    /// Finds the safetensors of `folder`: `model` or `diffusion_pytorch_model`, whole, in pieces with an
    /// index, or as the fp16 variant.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for path in weight_files(folder)? {
            files.push(Safetensors::open(path)?);
        }
        let mut tensors = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            for stored in file.metadata.offset_keys() {
                let name = current_parameter_name(&stored).into_owned();
                if tensors.insert(name, (index, stored.clone())).is_some() {
                    return Err(file.error(format!("tensor {stored} is there twice")));
                }
            }
        }
        Ok(Self { files, tensors, read: HashSet::new() })
    }

    /// Of a part that has no weights.
    pub fn empty() -> Self {
        Self { files: Vec::new(), tensors: BTreeMap::new(), read: HashSet::new() }
    }

    /// The tensor's values. A trailing extent of 1 more or less is the same tensor: diffusers stores some
    /// linear maps as convolutions of 1 by 1.
    pub fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let missing = || Error::MissingTensor { tensor: name.to_owned() };
        let (file, stored) = self.tensors.get(name).ok_or_else(missing)?;
        let file = &mut self.files[*file];
        let info = file.metadata.info(stored).ok_or_else(missing)?.clone();
        if squeezed(&info.shape) != squeezed(shape) {
            let (expected, actual) = (shape.to_vec(), info.shape);
            return Err(Error::TensorShape { tensor: name.to_owned(), expected, actual });
        }
        self.read.insert(name.to_owned());
        file.values(name, &info)
    }

    /// Names of the tensors that nobody asked for. Position ids count 0, 1, 2, … and are no parameter.
    pub fn unread(&self) -> impl Iterator<Item = &str> {
        self.tensors
            .keys()
            .filter(|name| !self.read.contains(*name) && !name.ends_with("position_ids"))
            .map(String::as_str)
    }
}

impl Safetensors {
    fn open(path: PathBuf) -> Result<Self> {
        let failed = |error: std::io::Error| io_error(&path, &error);
        let damaged = |message: String| Error::Io { path: path.display().to_string(), message };
        let mut file = File::open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut header_length = [0; 8];
        file.read_exact(&mut header_length).map_err(failed)?;
        let header_length = u64::from_le_bytes(header_length);
        if header_length > MAX_HEADER_BYTES.min(length) {
            return Err(damaged("this is not a safetensors file".to_owned()));
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(failed)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| damaged(format!("the safetensors header is damaged: {error}")))?;
        let start = 8 + header_length;
        let data_length = metadata.data_len() as u64;
        if data_length != length - start {
            return Err(damaged(format!(
                "the file holds {length} bytes, its header says {start} and {data_length}"
            )));
        }
        Ok(Self { file, metadata, start, path })
    }

    fn values(&mut self, name: &str, info: &TensorInfo) -> Result<Vec<f32>> {
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0; to - from];
        let position = SeekFrom::Start(self.start + from as u64);
        let read = self.file.seek(position).and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|error| io_error(&self.path, &error))?;
        Ok(match info.dtype {
            Dtype::F32 => elements(&bytes, f32::from_le_bytes),
            Dtype::F16 => elements(&bytes, |element| half::f16::from_le_bytes(element).to_f32()),
            Dtype::BF16 => elements(&bytes, |element| half::bf16::from_le_bytes(element).to_f32()),
            Dtype::F64 => elements(&bytes, |element| f64::from_le_bytes(element) as f32),
            other => {
                let accepted = "F16, BF16, F32, F64";
                return Err(self.error(format!("tensor {name} is {other:?}; accepted: {accepted}")));
            }
        })
    }

    fn error(&self, message: String) -> Error {
        Error::Io { path: self.path.display().to_string(), message }
    }
}

fn elements<const N: usize>(bytes: &[u8], element: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| element(*chunk)).collect()
}

fn squeezed(shape: &[usize]) -> &[usize] {
    let end = shape.iter().rposition(|&extent| extent != 1).map_or(0, |last| last + 1);
    &shape[..end]
}

fn weight_files(folder: &Path) -> Result<Vec<PathBuf>> {
    for stem in ["diffusion_pytorch_model", "model"] {
        for variant in ["", ".fp16"] {
            let whole = folder.join(format!("{stem}{variant}.safetensors"));
            if whole.is_file() {
                return Ok(vec![whole]);
            }
            let index = folder.join(format!("{stem}.safetensors.index{variant}.json"));
            if index.is_file() {
                return indexed_files(folder, &index);
            }
        }
    }
    let message = "there are no weights; accepted: diffusion_pytorch_model.safetensors, model.safetensors, \
                   or their .safetensors.index.json"
        .to_owned();
    Err(Error::Io { path: folder.display().to_string(), message })
}

fn indexed_files(folder: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    let json = read_json(index)?;
    let malformed = || {
        let message = "weight_map must map names to plain file names".to_owned();
        Error::Io { path: index.display().to_string(), message }
    };
    let map = json.get("weight_map").and_then(Value::as_object).ok_or_else(malformed)?;
    let mut names: Vec<&str> = Vec::new();
    for name in map.values() {
        let name = name.as_str().filter(|name| !name.contains(['/', '\\'])).ok_or_else(malformed)?;
        names.push(name);
    }
    names.sort_unstable();
    names.dedup();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}
