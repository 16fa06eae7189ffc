//! manifest.json: what a model is made of, and which files hold its weights.
//!
//! A component's tensors, in the order listed and each in its stored form (see [`super::TensorInfo`]), make
//! one stream of bytes; the component's shards, in the order listed, are that stream cut into files. So a
//! tensor may span shards, and its place follows from the order alone: there is no offset to get wrong.
//!
//! Everything here comes from a server and is not trusted. [`Manifest::parse`] checks it all before anything
//! is allocated by a size it names.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TensorInfo;
use crate::error::{Error, Result};
use crate::solver;

/// The schema that this version writes and reads.
pub const SCHEMA_VERSION: u64 = 1;
/// The most bytes of a shard.
pub const MAX_SHARD_BYTES: u64 = 4 << 20;
/// The most bytes of all shards together.
pub const MAX_TOTAL_BYTES: u64 = 16 << 30;
/// The longest side of a picture in pixels.
const MAX_SIDE: usize = 8192;
/// The most axes of a tensor.
const MAX_RANK: usize = 8;

/// A model: its networks with their configs, its scheduler, its tokenizer, and how to show its pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u64,
    pub name: String,
    /// Which state of the model this is: a version, or a commit of its repository.
    pub revision: String,
    /// SPDX expression or name of the weights' licence.
    pub licence: String,
    /// The networks. Those that load lazily come last, so that the shards that every load needs are
    /// numbered from 0 without gaps.
    pub components: Vec<Component>,
    /// diffusers' scheduler_config.json.
    pub scheduler: Value,
    /// The tokenizer's files by name, verbatim.
    pub tokenizer: BTreeMap<String, String>,
    /// Words that a prompt may end with to choose a style; may be empty.
    #[serde(default)]
    pub styles: Vec<String>,
    pub defaults: Defaults,
    pub image: ImageFormat,
    /// How latents look, for previews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// Where the weights come from: data, training, conversion. For people; nothing here is interpreted.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub provenance: Value,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// `text_encoder`, `unet`, `vae_decoder`, `vae_encoder`.
    pub name: String,
    /// Not needed to make a picture from a prompt: fetched when something asks for it.
    #[serde(default)]
    pub lazy: bool,
    /// diffusers' config.json of the folder that the component was part of.
    pub config: Value,
    /// None where the config says that there is nothing to learn.
    pub tensors: Vec<TensorInfo>,
    pub shards: Vec<Shard>,
}

/// One file of weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Path relative to manifest.json.
    pub file: String,
    /// Length, a multiple of 4 up to [`MAX_SHARD_BYTES`].
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// What is used where the caller leaves an option out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// Side lengths of a picture in pixels.
    pub width: usize,
    pub height: usize,
    /// `num_inference_steps`.
    pub steps: usize,
    pub guidance_scale: f64,
    /// One of [`solver::names`].
    pub solver: String,
    /// One of [`solver::Spacing::NAMES`].
    pub schedule: String,
}

/// What the decoder's channels mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFormat {
    pub channels: Channels,
    /// How colour and opacity of `rgba` combine; `rgb` has no use for it.
    #[serde(default)]
    pub alpha: Alpha,
}

/// Channels of the decoder's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    Rgb,
    Rgba,
}

/// Whether colours are already multiplied by opacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alpha {
    #[default]
    Straight,
    Premultiplied,
}

/// A linear map from a latent pixel `z [C]` to a pixel as the decoder would give it: `weight · z + bias`, in
/// `[-1, 1]`. Three or four rows: red, green, blue, and opacity if the model has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    pub weight: Vec<Vec<f32>>,
    pub bias: Vec<f32>,
}

impl Channels {
    /// Number of channels.
    pub fn count(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

impl Component {
    /// Number of parameters.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().filter_map(TensorInfo::elements).map(|elements| elements as u64).sum()
    }

    /// Bytes of all shards.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes).sum()
    }
}

impl Manifest {
    /// Reads and checks manifest.json.
    ///
    /// Errors: [`Error::ManifestVersion`] if another schema's converter wrote it (looked at first),
    /// [`Error::InvalidManifest`] with the field, component, tensor or file that is wrong.
    pub fn parse(json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            schema_version: Option<Value>,
        }
        if json.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
            return invalid("this is HTML, not JSON: the address probably leads to an error page".to_owned());
        }
        let version: Version = serde_json::from_str(json).map_err(|error| not_readable(&error))?;
        match version.schema_version {
            None => return invalid("missing field `schemaVersion`".to_owned()),
            Some(version) if version.as_u64() == Some(SCHEMA_VERSION) => {}
            Some(version) => {
                let found = shortened(&version.to_string());
                return Err(Error::ManifestVersion { found, accepted: SCHEMA_VERSION.to_string() });
            }
        }
        let manifest: Self = serde_json::from_str(json).map_err(|error| not_readable(&error))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// manifest.json, on one line: pages fetch it, and line breaks would be a third of it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise") + "\n"
    }

    /// The component of that name.
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|component| component.name == name)
    }

    /// Number of parameters of all components.
    pub fn parameters(&self) -> u64 {
        self.components.iter().map(Component::parameters).sum()
    }

    /// Bytes of the shards that every load fetches.
    pub fn eager_bytes(&self) -> u64 {
        self.components.iter().filter(|component| !component.lazy).map(Component::bytes).sum()
    }

    fn check(&self) -> Result<()> {
        if self.components.is_empty() {
            return invalid("there are no components".to_owned());
        }
        let mut names = HashSet::new();
        let mut files = HashSet::new();
        let mut total = 0;
        let mut lazy = false;
        for component in &self.components {
            if !names.insert(&component.name) {
                return invalid(format!("component {} is listed twice", component.name));
            }
            if lazy && !component.lazy {
                return invalid(format!("component {} must come before the lazy ones", component.name));
            }
            lazy = component.lazy;
            for shard in &component.shards {
                shard.check()?;
                if !files.insert(&shard.file) {
                    return invalid(format!("shard {} is listed twice", shard.file));
                }
            }
            // No overflow: each is at most 4 MiB, and there are no more than the text has characters.
            total += component.bytes();
            component.check()?;
        }
        if total > MAX_TOTAL_BYTES {
            return invalid(format!("the shards hold {total} bytes; at most {MAX_TOTAL_BYTES} are accepted"));
        }
        self.check_scheduler_and_defaults()?;
        self.check_preview()
    }

    fn check_scheduler_and_defaults(&self) -> Result<()> {
        solver::SchedulerConfig::from_json(&self.scheduler)?;
        let Defaults { width, height, steps, guidance_scale, solver, schedule } = &self.defaults;
        for (field, side) in [("width", width), ("height", height)] {
            if !(1..=MAX_SIDE).contains(side) {
                return invalid(format!("defaults.{field} must be 1 to {MAX_SIDE}, not {side}"));
            }
        }
        if !(1..=1000).contains(steps) {
            return invalid(format!("defaults.steps must be 1 to 1000, not {steps}"));
        }
        if !(0.0..=100.0).contains(guidance_scale) {
            return invalid(format!("defaults.guidanceScale must be 0 to 100, not {guidance_scale}"));
        }
        // What an option may be is what a default may be.
        solver::find(solver)
            .and(solver::Spacing::find(schedule).map(drop))
            .map_err(|error| Error::InvalidManifest { message: format!("defaults: {error}") })
    }

    fn check_preview(&self) -> Result<()> {
        let Some(Preview { weight, bias }) = &self.preview else { return Ok(()) };
        let rows = self.image.channels.count();
        let latent_channels = weight.first().map_or(0, Vec::len);
        let fits = weight.len() == rows
            && bias.len() == rows
            && latent_channels > 0
            && weight.iter().all(|row| row.len() == latent_channels);
        if !fits {
            return invalid(format!("preview must hold {rows} rows of equal length, and {rows} biases"));
        }
        if !weight.iter().flatten().chain(bias).all(|value| value.is_finite()) {
            return invalid("preview holds values that are not finite".to_owned());
        }
        Ok(())
    }
}

impl Component {
    fn check(&self) -> Result<()> {
        let name = &self.name;
        if !self.config.is_object() {
            return invalid(format!("component {name}: config must be an object"));
        }
        let mut names = HashSet::new();
        let mut needed = 0u64;
        for tensor in &self.tensors {
            if !names.insert(&tensor.name) {
                return invalid(format!("component {name}: tensor {} is listed twice", tensor.name));
            }
            let sensible = tensor.shape.len() <= MAX_RANK && tensor.shape.iter().all(|&extent| extent > 0);
            let total =
                tensor.stored_bytes().filter(|_| sensible).and_then(|bytes| needed.checked_add(bytes));
            needed = match total {
                Some(total) if total <= MAX_TOTAL_BYTES => total,
                _ => {
                    let shape = shortened(&format!("{:?}", tensor.shape));
                    return invalid(format!(
                        "component {name}: tensor {} has the impossible shape {shape}",
                        tensor.name
                    ));
                }
            };
        }
        let offered = self.bytes();
        if offered != needed {
            return invalid(format!(
                "component {name}: its tensors take {needed} bytes, its shards hold {offered}"
            ));
        }
        Ok(())
    }
}

impl Shard {
    fn check(&self) -> Result<()> {
        let file = shortened(&self.file);
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let relative = self.file.split('/').all(plain)
            && !self.file.contains(|character: char| {
                character.is_control() || matches!(character, '\\' | ':' | '?' | '#' | '%')
            });
        if !relative || self.file.len() > 200 {
            return invalid(format!("shard {file:?}: the file must be a plain path below manifest.json"));
        }
        if !(1..=MAX_SHARD_BYTES).contains(&self.bytes) || !self.bytes.is_multiple_of(4) {
            return invalid(format!(
                "shard {file}: bytes must be a multiple of 4 from 4 to {MAX_SHARD_BYTES}, not {}",
                self.bytes
            ));
        }
        let hexadecimal = self.sha256.len() == 64
            && self.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !hexadecimal {
            return invalid(format!("shard {file}: sha256 must be 64 lower-case hexadecimal digits"));
        }
        Ok(())
    }
}

fn not_readable(error: &serde_json::Error) -> Error {
    Error::InvalidManifest { message: error.to_string() }
}

fn invalid<T>(message: String) -> Result<T> {
    Err(Error::InvalidManifest { message })
}

/// A text from outside, short enough for a sentence.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
