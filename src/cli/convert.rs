//! `tenstep convert`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{megabytes, print, read_text};
use crate::convert::{Options, Storage, convert};
use crate::error::Result;
use crate::weights::{Component, DType};

/// Reads model_index.json, scheduler, text_encoder, tokenizer, unet and vae (safetensors); and, where they are
/// there, preview.json (a linear map from latents to pixels), image.json (what the decoder's channels mean) and
/// training.json (kept as provenance).
#[derive(Debug, Args)]
pub struct Arguments {
    /// The diffusers folder: the one with model_index.json
    source: PathBuf,
    /// Where to write: a new or empty folder, or an earlier conversion, which is replaced
    out: PathBuf,
    /// How matrices and convolutions of at least 4096 elements are stored; the rest is f32. int4 is for those of the UNet that have 16384;
    /// others get int8 then
    #[arg(long, value_enum, default_value_t = StorageType::F16)]
    dtype: StorageType,
    /// JSON object from component/tensor to f32, f16, int8 or int4, for tensors that --dtype would hurt
    #[arg(long, value_name = "FILE")]
    storage: Option<PathBuf>,
    /// The model's name [default: the folder's name]
    #[arg(long)]
    name: Option<String>,
    /// Which state of the model this is [default: a hash of its contents]
    #[arg(long)]
    revision: Option<String>,
    /// SPDX expression of the weights' licence [default: NOASSERTION]
    #[arg(long)]
    licence: Option<String>,
    /// A word that chooses a style; may be given several times
    #[arg(long = "style", value_name = "WORD")]
    styles: Vec<String>,
    /// Default number of steps
    #[arg(long, default_value_t = Options::default().steps)]
    steps: usize,
    /// Default guidance scale
    #[arg(long, default_value_t = Options::default().guidance_scale)]
    guidance_scale: f64,
    /// Default solver
    #[arg(long, default_value_t = Options::default().solver)]
    solver: String,
    /// Default schedule
    #[arg(long, default_value_t = Options::default().schedule)]
    schedule: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StorageType {
    F32,
    F16,
    Int8,
    Int4,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut storage = Storage::new(match arguments.dtype {
        StorageType::F32 => DType::F32,
        StorageType::F16 => DType::F16,
        StorageType::Int8 => DType::Int8,
        StorageType::Int4 => DType::Int4,
    });
    if let Some(path) = &arguments.storage {
        storage = storage.with_chosen(&read_text(path)?)?;
    }
    let options = Options {
        storage,
        name: arguments.name.clone(),
        revision: arguments.revision.clone(),
        licence: arguments.licence.clone(),
        styles: arguments.styles.clone(),
        steps: arguments.steps,
        guidance_scale: arguments.guidance_scale,
        solver: arguments.solver.clone(),
        schedule: arguments.schedule.clone(),
    };
    let conversion = convert(&arguments.source, &arguments.out, &options)?;
    for name in &conversion.unused {
        eprintln!("warning: no network reads tensor {name}; it is left out");
    }
    let manifest = &conversion.manifest;
    let of_component = |component: &Component| {
        let (parameters, size) = (component.parameters(), megabytes(component.bytes()));
        format!("{:<14} {parameters:>12} parameters {size:>12}", component.name)
    };
    let mut lines: Vec<String> = manifest.components.iter().map(of_component).collect();
    lines.push(format!(
        "{} {}: {} to fetch",
        manifest.name,
        manifest.revision,
        megabytes(manifest.eager_bytes())
    ));
    print(&lines)
}
