//! Loading a converted model from a folder.

use std::path::Path;
use std::rc::Rc;

use super::{Loader, Model};
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::weights::Manifest;

/// Reads `manifest.json` at `path` and the shards beside it. One shard is in memory at a time.
///
/// Errors: [`Error::Io`] names the file; and all of [`Manifest::parse`], [`Loader::new`],
/// [`Loader::push_shard`] and [`Loader::finish`].
pub async fn open<E: Executor>(executor: Rc<E>, path: &Path) -> Result<Model<E>> {
    let manifest = read(path)?;
    let manifest = String::from_utf8(manifest)
        .map_err(|_| Error::InvalidManifest { message: "this is not UTF-8 text".to_owned() })?;
    let mut loader = Loader::new(executor, Manifest::parse(&manifest)?)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let shards: Vec<(usize, String)> =
        loader.shards().map(|(number, _, shard)| (number, shard.file.clone())).collect();
    for (number, file) in shards {
        loader.push_shard(number, &read(&folder.join(file))?)?;
    }
    loader.finish().await
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| Error::Io { path: path.display().to_string(), message: error.to_string() })
}
