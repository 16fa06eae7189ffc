//! Which executor a command runs on.

use clap::ValueEnum;
use pollster::block_on;

use crate::burn::Cpu;
use crate::error::Result;
use crate::executor::Executor;
use crate::gpu::{Gpu, GpuOptions};

/// What `--backend` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    Webgpu,
    Cpu,
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
pub fn choose(backend: Option<Backend>) -> Result<Chosen> {
    let (chosen, why) = match backend {
        Some(Backend::Cpu) => (Chosen::Cpu(Cpu::new()), "as asked for".to_owned()),
        Some(Backend::Webgpu) => {
            (Chosen::Gpu(block_on(Gpu::new(GpuOptions::default()))?), "as asked for".to_owned())
        }
        None => match block_on(Gpu::new(GpuOptions::default())) {
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
    Ok(chosen)
}

/// Runs `task` on the executor that [`choose`] finds.
pub fn run_on(backend: Option<Backend>, task: &impl Task) -> Result<()> {
    match choose(backend)? {
        Chosen::Gpu(gpu) => task.run(gpu),
        Chosen::Cpu(cpu) => task.run(cpu),
    }
}
