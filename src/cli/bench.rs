//! `tenstep bench`.

mod networks;
mod report;
mod shaders;
mod timing;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::backend::{Chosen, On, choose};
use super::print;
use crate::error::Result;
use crate::executor::Executor;
use crate::weights::DType;
use networks::networks;
use report::{Build, Report};
use timing::{Effort, on_cpu, on_gpu};

/// Times networks: whole evaluations, and on a GPU each kind of dispatch beside what the device can do at best; counts
/// dispatches, operations and bytes. On the CPU each kind of operation.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A converted model's manifest.json
    #[arg(long, value_name = "FILE", default_value = "www/models/default/manifest.json")]
    model: PathBuf,
    /// Which of its networks
    #[arg(long, value_enum, default_value_t = Which::All)]
    network: Which,
    /// Side of the picture in pixels [default: the model's]
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// One sample an evaluation instead of the two of guidance
    #[arg(long)]
    unguided: bool,
    /// A UNet's config.json as diffusers writes it, to be timed with made-up weights instead of a model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "network", "size", "unguided"])]
    config: Option<PathBuf>,
    /// Side of the latents, with --config
    #[arg(long, requires = "config", default_value_t = 64, value_parser = side)]
    latents: usize,
    /// Samples an evaluation, with --config
    #[arg(long, requires = "config", default_value_t = 2, value_parser = samples)]
    batch: usize,
    /// Tokens of the text, with --config
    #[arg(long, requires = "config", default_value_t = 77, value_parser = side)]
    tokens: usize,
    /// How matrices are stored, with --config
    #[arg(long, requires = "config", value_enum, default_value_t = Storage::F32)]
    dtype: Storage,
    /// Seed of the made-up weights, with --config
    #[arg(long, requires = "config", default_value_t = 0)]
    seed: u64,
    /// How many evaluations of each network [default: as many as fit two seconds, 3 to 100]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    evaluations: Option<u32>,
    #[command(flatten)]
    on: On,
    /// Write the shaders that a GPU runs for the networks there, as WGSL, and time nothing
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["evaluations", "backend", "json"])]
    shaders: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--network` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    All,
    TextEncoder,
    Unet,
    Decoder,
}

/// What `--dtype` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Storage {
    F32,
    F16,
    Int8,
    Int4,
}

impl From<Storage> for DType {
    fn from(storage: Storage) -> Self {
        match storage {
            Storage::F32 => Self::F32,
            Storage::F16 => Self::F16,
            Storage::Int8 => Self::Int8,
            Storage::Int4 => Self::Int4,
        }
    }
}

fn side(text: &str) -> Result<usize, String> {
    within(text, 1024)
}

fn samples(text: &str) -> Result<usize, String> {
    within(text, 64)
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    let value = text.parse().ok().filter(|value| (1..=most).contains(value));
    value.ok_or_else(|| format!("a whole number from 1 to {most} is needed"))
}

pub fn run(arguments: &Arguments) -> Result<()> {
    // What is wrong with the model or its size is said before anything takes long.
    let networks = networks(arguments)?;
    if let Some(folder) = &arguments.shaders {
        return print(&shaders::write(&networks, arguments.on, folder)?);
    }
    let effort = Effort { evaluations: arguments.evaluations };
    let report = match choose(arguments.on)? {
        Chosen::Gpu(gpu) => {
            let (networks, adapter, peaks) = on_gpu(&gpu, &networks, effort)?;
            let memory = adapter.memory;
            Report {
                build: Build::this(),
                backend: gpu.report(),
                adapter: Some(adapter.adapter),
                peaks: Some(peaks),
                pipelines: Some(adapter.pipelines),
                memory: Some(memory),
                networks,
            }
        }
        Chosen::Cpu(cpu) => Report {
            build: Build::this(),
            backend: cpu.report(),
            adapter: None,
            peaks: None,
            pipelines: None,
            memory: None,
            networks: on_cpu(&cpu, &networks, effort)?,
        },
    };
    if arguments.json {
        return print(&[serde_json::to_string_pretty(&report).expect("it has only strings and numbers")]);
    }
    print(&report.lines())
}
