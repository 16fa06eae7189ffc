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

/// Runs `task` on the executor asked for, else on the GPU where there is one, else on the CPU; says which and why.
pub fn run_on(backend: Option<Backend>, task: &impl Task) -> Result<()> {
    match backend {
        Some(Backend::Cpu) => start(Cpu::new(), "as asked for", task),
        Some(Backend::Webgpu) => start(block_on(Gpu::new(GpuOptions::default()))?, "as asked for", task),
        None => match block_on(Gpu::new(GpuOptions::default())) {
            Ok(gpu) if !gpu.info().software => start(gpu, "there is a GPU", task),
            Ok(_) => start(Cpu::new(), "the only adapter is a processor too", task),
            Err(error) => start(Cpu::new(), &error.to_string(), task),
        },
    }
}

fn start<E: Executor>(executor: E, why: &str, task: &impl Task) -> Result<()> {
    let report = executor.report();
    eprintln!("{} {} ({why})", report.backend, report.device);
    task.run(executor)
}
