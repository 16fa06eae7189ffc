//! `tenstep inspect`.

use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use serde_json::{Value, json};

use super::{megabytes, print, read_manifest};
use crate::burn::Cpu;
use crate::error::Result;
use crate::pipeline::{Loader, ModelInfo};
use crate::weights::{Component, Manifest};

/// Checks the manifest as an engine does: its configs, and that the tensors are those that the networks need.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A converted model's manifest.json
    manifest: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List every tensor, with its storage type and shape
    #[arg(long)]
    tensors: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let manifest = read_manifest(&arguments.manifest)?;
    let loader = Loader::new(Rc::new(Cpu::new()), manifest.clone())?;
    if arguments.json {
        print(&[format!("{:#}", as_json(&manifest, loader.info()))])
    } else {
        print(&as_lines(&manifest, loader.info(), arguments.tensors))
    }
}

fn as_json(manifest: &Manifest, info: &ModelInfo) -> Value {
    let component = |component: &Component| {
        json!({
            "name": component.name,
            "lazy": component.lazy,
            "parameters": component.parameters(),
            "bytes": component.bytes(),
            "shards": component.shards.len(),
            "tensors": component.tensors,
        })
    };
    let components: Vec<Value> = manifest.components.iter().map(component).collect();
    json!({
        "info": info,
        "eagerBytes": manifest.eager_bytes(),
        "components": components,
        "image": manifest.image,
        "provenance": manifest.provenance,
    })
}

fn as_lines(manifest: &Manifest, info: &ModelInfo, tensors: bool) -> Vec<String> {
    let mut lines = vec![format!("{} {} ({})", info.name, info.revision, info.licence)];
    for component in &manifest.components {
        lines.push(format!(
            "  {:<13} {:>12} parameters {:>12} in {} shards{}",
            component.name,
            component.parameters(),
            megabytes(component.bytes()),
            component.shards.len(),
            if component.lazy { ", fetched when asked for" } else { "" },
        ));
        for tensor in component.tensors.iter().filter(|_| tensors) {
            lines.push(format!("      {} {:?} {:?}", tensor.name, tensor.dtype, tensor.shape));
        }
    }
    let gigaflops = |flops: u64| flops as f64 / 1e9;
    lines.push(format!("  to fetch      {}", megabytes(manifest.eager_bytes())));
    lines.push(format!("  evaluation    {:.3} GFLOP, guided", gigaflops(info.evaluation_flops)));
    lines.push(format!("  decode        {:.3} GFLOP", gigaflops(info.decode_flops)));
    let (width, height, multiple) = (info.default_width, info.default_height, info.size_multiple);
    lines.push(format!("  picture       {width} x {height}, sides in multiples of {multiple}"));
    let defaults = &info.defaults;
    lines.push(format!(
        "  defaults      {} steps, guidance {}, {}, {}",
        defaults.steps, defaults.guidance_scale, defaults.solver, defaults.schedule
    ));
    if !info.styles.is_empty() {
        lines.push(format!("  styles        {}", info.styles.join(", ")));
    }
    lines
}
