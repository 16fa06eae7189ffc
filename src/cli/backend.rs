//! Which executor a command runs on.

use clap::ValueEnum;
use pollster::block_on;

use crate::burn::Cpu;
use crate::error::Result;
use crate::executor::{Arithmetic, Executor};
use crate::gpu::{Gpu, GpuOptions};

/// What `--backend` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    Webgpu,
    Cpu,
}

/// Where a command runs networks.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct On {
    /// What runs the networks [default: the GPU where there is one, else the CPU]
    #[arg(long, value_enum)]
    pub backend: Option<Backend>,
    /// What products are computed in on a GPU; int8 those of int8 weights. f32 where it cannot
    #[arg(long, value_enum, default_value_t)]
    pub arithmetic: Arithmetic,
    /// Norms add up by subgroups on a GPU whose subgroups allow it
    #[arg(long)]
    pub subgroups: bool,
}

/// What a command does once it has an executor.
pub trait Task {
    fn run<E: Executor>(&self, executor: E) -> Result<()>;
}

/// An executor of one kind or the other.
pub enum Chosen {
    Gpu(Gpu),
    Cpu(Cpu),
}

/// The executor asked for, else the GPU where there is one, else the CPU; says which and why.
pub fn choose(on: On) -> Result<Chosen> {
    let options = GpuOptions { arithmetic: on.arithmetic, subgroups: on.subgroups, ..GpuOptions::default() };
    let (chosen, why) = match on.backend {
        Some(Backend::Cpu) => (Chosen::Cpu(Cpu::new()), "as asked for".to_owned()),
        Some(Backend::Webgpu) => (Chosen::Gpu(block_on(Gpu::new(options))?), "as asked for".to_owned()),
        None => match block_on(Gpu::new(options)) {
            Ok(gpu) if !gpu.info().software => (Chosen::Gpu(gpu), "there is a GPU".to_owned()),
            Ok(_) => (Chosen::Cpu(Cpu::new()), "the only adapter is a processor too".to_owned()),
            Err(error) => (Chosen::Cpu(Cpu::new()), error.to_string()),
        },
    };
    let report = match &chosen {
        Chosen::Gpu(gpu) => gpu.report(),
        Chosen::Cpu(cpu) => cpu.report(),
    };
    eprintln!("{} {} ({why})", report.backend, report.device);
    if report.arithmetic != on.arithmetic {
        eprintln!("products are in f32: this is no GPU, or it has no such arithmetic");
    }
    Ok(chosen)
}

/// Runs `task` on the executor that [`choose`] finds.
pub fn run_on(on: On, task: &impl Task) -> Result<()> {
    match choose(on)? {
        Chosen::Gpu(gpu) => task.run(gpu),
        Chosen::Cpu(cpu) => task.run(cpu),
    }
}
