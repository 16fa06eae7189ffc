//! A diffusers folder to manifest.json and shards (native).
//!
//! ```text
//! model_index.json                       StableDiffusionPipeline
//! scheduler/scheduler_config.json        any scheduler's
//! text_encoder/ unet/ vae/               config.json, *.safetensors (one file, or several with an index); no vae/
//!                                        where model_index.json has "vae": [null, null]: a model of pixels
//! tokenizer/                             tokenizer_config.json; vocab.json and merges.txt, tokenizer.json, or
//!                                        words.json
//! preview.json image.json training.json  optional, of our own: see `folder`
//! ```
//!
//! The configs are read as the engine will read them, the networks' graphs are built, and every parameter of
//! a graph must be there in its shape: what would fail in a browser fails here, with its name. The same folder
//! and options give the same bytes.

mod checkpoint;
mod folder;
mod networks;
mod shard_writer;
mod storage;
mod tokenizer_files;

pub use storage::Storage;

use std::path::Path;

use serde_json::json;

use crate::error::{Error, Result};
use crate::weights::{Component, DType, Defaults, Manifest, SCHEMA_VERSION, quantise, sha256_hex};
use checkpoint::Checkpoint;
use folder::Folder;
use networks::Networks;
use shard_writer::ShardWriter;

/// What a conversion may be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// How matrices and convolutions are stored.
    pub storage: Storage,
    /// Default: the folder's name.
    pub name: Option<String>,
    /// Default: a hash of the weights and configs.
    pub revision: Option<String>,
    /// SPDX expression. Default: `NOASSERTION`, SPDX's word for not knowing.
    pub licence: Option<String>,
    /// Words that choose a style.
    pub styles: Vec<String>,
    pub steps: usize,
    pub guidance_scale: f64,
    pub solver: String,
    pub schedule: String,
}

/// What a conversion made.
#[derive(Debug, Clone)]
pub struct Conversion {
    pub manifest: Manifest,
    /// Tensors of the checkpoint that no network reads, `component/name`.
    pub unused: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            storage: Storage::new(DType::F16),
            name: None,
            revision: None,
            licence: None,
            styles: Vec::new(),
            steps: 10,
            guidance_scale: 4.0,
            solver: "dpmpp-2m".to_owned(),
            schedule: "karras".to_owned(),
        }
    }
}

/// Converts the diffusers folder `source` into `out`: a new or empty folder, or one that holds an earlier
/// conversion, which is replaced.
pub fn convert(source: &Path, out: &Path, options: &Options) -> Result<Conversion> {
    let folder = Folder::open(source)?;
    let networks = Networks::new(&folder)?;
    let mut writer = ShardWriter::new(out)?;
    let mut components = Vec::new();
    let mut unused = Vec::new();
    for part in ["text_encoder", "unet", "vae"] {
        let mut checkpoint = match part == "vae" && !folder.has_vae {
            true => Checkpoint::empty(),
            false => Checkpoint::open(&source.join(part))?,
        };
        for network in networks.of_part(part) {
            components.push(Component {
                name: network.name.to_owned(),
                lazy: network.lazy,
                config: network.config.clone(),
                tensors: Vec::new(),
                shards: Vec::new(),
            });
            let component = components.last_mut().expect("just pushed");
            write_tensors(component, &network.parameters, &mut checkpoint, &options.storage, &mut writer)?;
        }
        unused.extend(checkpoint.unread().map(|name| format!("{part}/{name}")));
    }
    components.sort_by_key(|component| component.lazy);
    refuse_unknown_choices(&options.storage, &components)?;

    let mut manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        name: options.name.clone().unwrap_or_else(|| folder.name.clone()),
        revision: String::new(),
        licence: options.licence.clone().unwrap_or_else(|| "NOASSERTION".to_owned()),
        components,
        scheduler: folder.scheduler.clone(),
        tokenizer: folder.tokenizer.clone(),
        styles: options.styles.clone(),
        defaults: Defaults {
            width: networks.default_size[1],
            height: networks.default_size[0],
            steps: options.steps,
            guidance_scale: options.guidance_scale,
            solver: options.solver.clone(),
            schedule: options.schedule.clone(),
        },
        image: networks.image,
        preview: networks.preview,
        provenance: json!({
            "converter": concat!("tenstep ", env!("CARGO_PKG_VERSION")),
            "training": folder.training,
        }),
    };
    manifest.revision = options
        .revision
        .clone()
        .unwrap_or_else(|| sha256_hex(manifest.to_json().as_bytes())[..12].to_owned());
    // What this version writes, this version reads.
    let json = manifest.to_json();
    Manifest::parse(&json)?;
    writer.finish(&json)?;
    Ok(Conversion { manifest, unused })
}

fn write_tensors(
    component: &mut Component,
    parameters: &[(String, Vec<usize>)],
    checkpoint: &mut Checkpoint,
    storage: &Storage,
    writer: &mut ShardWriter,
) -> Result<()> {
    writer.begin(&component.name);
    for (name, shape) in parameters {
        let values = checkpoint.read(name, shape)?;
        if !values.iter().all(|value| value.is_finite()) {
            let message = format!("tensor {name} holds values that are not finite");
            return Err(Error::InvalidConfig { component: component.name.clone(), message });
        }
        let dtype = storage.dtype(&format!("{}/{name}", component.name), shape, &values);
        let (info, stored) = quantise(name, shape, &values, dtype);
        component.tensors.push(info);
        writer.write(&stored)?;
    }
    component.shards = writer.end()?;
    Ok(())
}

/// A name that no component has is a slip, and would leave its tensor as it was.
fn refuse_unknown_choices(storage: &Storage, components: &[Component]) -> Result<()> {
    let is_tensor = |chosen: &str| {
        components.iter().any(|component| {
            let name = chosen.strip_prefix(&component.name).and_then(|rest| rest.strip_prefix('/'));
            name.is_some_and(|name| component.tensors.iter().any(|tensor| tensor.name == name))
        })
    };
    match storage.chosen().find(|chosen| !is_tensor(chosen)) {
        None => Ok(()),
        Some(unknown) => Err(Error::InvalidConfig {
            component: "storage".to_owned(),
            message: format!("{unknown} is no component/tensor of this model"),
        }),
    }
}
