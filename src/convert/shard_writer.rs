//! A component's stream of bytes, cut into files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::folder::io_error;
use crate::error::{Error, Result};
use crate::weights::{MAX_SHARD_BYTES, Manifest, Shard, sha256_hex};

const MANIFEST: &str = "manifest.json";

/// Writes shards as `component-000-0123abcd.bin`: a number, and the start of the hash, so that a file's content
/// never changes under its name.
pub struct ShardWriter {
    out: PathBuf,
    component: String,
    pending: Vec<u8>,
    shards: Vec<Shard>,
    /// Shards of an earlier conversion that this one has not written again.
    stale: Vec<String>,
    /// Files that were not there before.
    fresh: Vec<PathBuf>,
}

/// A conversion that fails leaves what it found.
impl Drop for ShardWriter {
    fn drop(&mut self) {
        for path in &self.fresh {
            // A shard that stays does no harm, and there is an error to report already.
            let _ = fs::remove_file(path);
        }
    }
}

impl ShardWriter {
    /// Takes a folder that is new or empty, or holds an earlier conversion.
    pub fn new(out: &Path) -> Result<Self> {
        fs::create_dir_all(out).map_err(|error| io_error(out, &error))?;
        let manifest = out.join(MANIFEST);
        let stale = match fs::read_to_string(&manifest) {
            Ok(json) => {
                let earlier = Manifest::parse(&json)?;
                let shards = earlier.components.into_iter().flat_map(|component| component.shards);
                shards.map(|shard| shard.file).collect()
            }
            Err(_) => {
                let mut entries = fs::read_dir(out).map_err(|error| io_error(out, &error))?;
                if entries.next().is_some() {
                    let message = "the folder is not empty, and holds no earlier conversion".to_owned();
                    return Err(Error::Io { path: out.display().to_string(), message });
                }
                Vec::new()
            }
        };
        let out = out.to_owned();
        Ok(Self {
            out,
            component: String::new(),
            pending: Vec::new(),
            shards: Vec::new(),
            stale,
            fresh: Vec::new(),
        })
    }

    /// Starts a component's stream.
    pub fn begin(&mut self, component: &str) {
        self.component = component.to_owned();
    }

    /// Appends to the stream.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.pending.extend_from_slice(bytes);
        let full = MAX_SHARD_BYTES as usize;
        while self.pending.len() >= full {
            let rest = self.pending.split_off(full);
            let shard = std::mem::replace(&mut self.pending, rest);
            self.write_shard(&shard)?;
        }
        Ok(())
    }

    /// Ends the stream; gives its shards.
    pub fn end(&mut self) -> Result<Vec<Shard>> {
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            self.write_shard(&rest)?;
        }
        Ok(std::mem::take(&mut self.shards))
    }

    /// Writes the manifest, now that everything it names is there, and removes what it no longer names.
    pub fn finish(mut self, manifest: &str) -> Result<()> {
        let path = self.out.join(MANIFEST);
        fs::write(&path, manifest).map_err(|error| io_error(&path, &error))?;
        self.fresh.clear();
        for file in &self.stale {
            let path = self.out.join(file);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error(&path, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn write_shard(&mut self, bytes: &[u8]) -> Result<()> {
        let sha256 = sha256_hex(bytes);
        let file = format!("{}-{:03}-{}.bin", self.component, self.shards.len(), &sha256[..8]);
        let path = self.out.join(&file);
        if !path.exists() {
            self.fresh.push(path.clone());
        }
        fs::write(&path, bytes).map_err(|error| io_error(&path, &error))?;
        self.stale.retain(|stale| *stale != file);
        self.shards.push(Shard { file, bytes: bytes.len() as u64, sha256 });
        Ok(())
    }
}
