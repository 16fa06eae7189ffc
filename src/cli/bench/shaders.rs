//! The shaders that networks need on a GPU, as files: for compilers of hardware that is not there.

use std::path::Path;

use pollster::block_on;

use super::networks::Network;
use crate::cli::backend::On;
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::gpu::{Gpu, GpuOptions};

/// Writes one WGSL file for each shader into `folder`, and gives their paths. Any adapter will do that has what is asked for.
pub fn write(networks: &[Network], on: On, folder: &Path) -> Result<Vec<String>> {
    let options = GpuOptions {
        many_threads: Some(true),
        arithmetic: on.arithmetic,
        subgroups: on.subgroups,
        ..GpuOptions::default()
    };
    let gpu = block_on(Gpu::new(options))?;
    for network in networks {
        block_on(gpu.plan(&network.graph, &network.weights(&gpu)?))?;
    }
    let unwritable = |path: &Path, error: std::io::Error| Error::Io {
        path: path.display().to_string(),
        message: error.to_string(),
    };
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    let written = gpu.shaders().into_iter().map(|(name, text)| {
        let path = folder.join(name).with_extension("wgsl");
        std::fs::write(&path, text).map_err(|error| unwritable(&path, error))?;
        Ok(path.display().to_string())
    });
    written.collect()
}
