//! The files of a diffusers folder that are not weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::tokenizer_files::tokenizer_files;
use crate::error::{Error, Result};
use crate::weights::{ImageFormat, Preview};

/// A diffusers folder.
pub struct Folder {
    path: PathBuf,
    /// The folder's own name.
    pub name: String,
    pub scheduler: Value,
    pub tokenizer: BTreeMap<String, String>,
    /// preview.json: the linear map from latents to pixels, `{ weight, bias }`.
    pub preview: Option<Preview>,
    /// image.json: what the decoder's channels mean, `{ channels, alpha }`.
    pub image: Option<ImageFormat>,
    /// Whether there is an autoencoder. A model of pixels has none.
    pub has_vae: bool,
    /// training.json: how the weights came to be; anything.
    pub training: Value,
}

impl Folder {
    /// Reads everything but the networks' configs.
    pub fn open(path: &Path) -> Result<Self> {
        let index = read_json(&path.join("model_index.json"))?;
        check_pipeline(&index)?;
        let name = path.file_name().map_or_else(|| "model".to_owned(), |name| name.display().to_string());
        Ok(Self {
            name,
            scheduler: read_json(&path.join("scheduler/scheduler_config.json"))?,
            tokenizer: tokenizer_files(&path.join("tokenizer"))?,
            preview: optional(&path.join("preview.json"))?,
            image: optional(&path.join("image.json"))?,
            // diffusers writes a part that is left out as [null, null].
            has_vae: index.get("vae").is_none_or(|class| *class != json!([null, null])),
            training: optional(&path.join("training.json"))?.unwrap_or(Value::Null),
            path: path.to_owned(),
        })
    }

    /// The config.json of one part.
    pub fn config(&self, part: &str) -> Result<Value> {
        read_json(&self.path.join(part).join("config.json"))
    }
}

/// Only what Stable Diffusion 1.x and 2.x are made of.
fn check_pipeline(index: &Value) -> Result<()> {
    let class = index.get("_class_name").and_then(Value::as_str).unwrap_or("absent");
    if class == "StableDiffusionPipeline" {
        return Ok(());
    }
    Err(Error::UnsupportedConfig {
        component: "model_index".to_owned(),
        field: "_class_name".to_owned(),
        value: class.chars().take(80).collect(),
        accepted: "StableDiffusionPipeline".to_owned(),
    })
}

fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.is_file() {
        return Ok(None);
    }
    serde_json::from_value(read_json(path)?).map(Some).map_err(|error| malformed(path, &error))
}

/// Reads JSON as Python writes it: with `NaN` and `Infinity`, which come out as texts.
pub fn read_json(path: &Path) -> Result<Value> {
    let text = read_text(path)?;
    serde_json::from_str(&quote_constants(&text)).map_err(|error| malformed(path, &error))
}

fn quote_constants(json: &str) -> String {
    let mut quoted = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let text = &rest[start + 1..];
        let mut escaped = false;
        let end = text.find(|character| {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        });
        let end = start + 1 + end.map_or(text.len(), |end| end + 1);
        quoted.push_str(&quote_bare(&rest[..start]));
        quoted.push_str(&rest[start..end]);
        rest = &rest[end..];
    }
    quoted + &quote_bare(rest)
}

fn quote_bare(outside_texts: &str) -> String {
    outside_texts.replace("NaN", "\"NaN\"").replace("-Infinity", "\"-inf\"").replace("Infinity", "\"inf\"")
}

/// Reads UTF-8 text.
pub fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| io_error(path, &error))
}

fn malformed(path: &Path, error: &serde_json::Error) -> Error {
    Error::Io { path: path.display().to_string(), message: error.to_string() }
}

/// A failure of the file system, with the file.
pub fn io_error(path: &Path, error: &std::io::Error) -> Error {
    Error::Io { path: path.display().to_string(), message: error.to_string() }
}
