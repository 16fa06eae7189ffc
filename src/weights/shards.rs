//! From a shard's bytes to pieces of tensors: verification, and which bytes belong where.

use sha2::{Digest, Sha256};

use super::manifest::{Component, Manifest, Shard};
use crate::error::{Error, Result};

/// Consecutive bytes of one tensor's stored form, as [`crate::executor::Executor::push`] takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Index into [`Manifest::components`].
    pub component: usize,
    /// Index into [`Component::tensors`].
    pub tensor: usize,
    /// Where in the stored form the bytes begin; a multiple of 4, as their number is.
    pub offset: u64,
    pub bytes: &'a [u8],
}

/// The shards of a manifest, numbered through all components in order, and which of them have arrived.
#[derive(Debug)]
pub struct ShardSet {
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    component: usize,
    shard: usize,
    /// Where the shard begins in its component's stream.
    start: u64,
    arrived: bool,
}

impl ShardSet {
    /// All shards of `manifest`, none of them there yet.
    pub fn new(manifest: &Manifest) -> Self {
        let mut places = Vec::new();
        for (index, component) in manifest.components.iter().enumerate() {
            let mut start = 0;
            for (shard, info) in component.shards.iter().enumerate() {
                places.push(Place { component: index, shard, start, arrived: false });
                start += info.bytes;
            }
        }
        Self { places }
    }

    /// Every shard with its number and its component.
    pub fn iter<'a>(
        &self,
        manifest: &'a Manifest,
    ) -> impl Iterator<Item = (usize, &'a Component, &'a Shard)> {
        self.places.iter().enumerate().map(|(number, place)| {
            let component = &manifest.components[place.component];
            (number, component, &component.shards[place.shard])
        })
    }

    /// Checks shard `number` and says where its bytes go. `manifest` is the one the set was made from.
    ///
    /// Errors, after which the set is as before: [`Error::UnknownShard`], [`Error::RepeatedShard`],
    /// [`Error::ShardSize`], [`Error::ShardHash`].
    pub fn accept<'a>(
        &mut self,
        manifest: &'a Manifest,
        number: usize,
        bytes: &'a [u8],
    ) -> Result<impl Iterator<Item = Piece<'a>> + use<'a>> {
        self.accept_digested(manifest, number, bytes, &Sha256::digest(bytes))
    }

    /// [`ShardSet::accept`] for bytes whose SHA-256 somebody has computed.
    pub fn accept_digested<'a>(
        &mut self,
        manifest: &'a Manifest,
        number: usize,
        bytes: &'a [u8],
        sha256: &[u8],
    ) -> Result<impl Iterator<Item = Piece<'a>> + use<'a>> {
        let place = self
            .places
            .get_mut(number)
            .ok_or_else(|| Error::UnknownShard { shard: format!("number {number}") })?;
        let component = &manifest.components[place.component];
        let shard = &component.shards[place.shard];
        if place.arrived {
            return Err(Error::RepeatedShard { shard: shard.file.clone() });
        }
        verify(shard, bytes, sha256)?;
        place.arrived = true;
        Ok(pieces(component, place.component, place.start, bytes))
    }

    /// Errors with [`Error::MissingShard`] if a shard of component `component` has not arrived.
    pub fn require(&self, manifest: &Manifest, component: usize) -> Result<()> {
        match self.places.iter().find(|place| place.component == component && !place.arrived) {
            None => Ok(()),
            Some(place) => {
                let shard = &manifest.components[component].shards[place.shard];
                Err(Error::MissingShard { shard: shard.file.clone() })
            }
        }
    }
}

/// Checks the length, then the hash.
fn verify(shard: &Shard, bytes: &[u8], sha256: &[u8]) -> Result<()> {
    if bytes.len() as u64 != shard.bytes {
        return Err(Error::ShardSize {
            shard: shard.file.clone(),
            expected_bytes: shard.bytes,
            actual_bytes: bytes.len() as u64,
        });
    }
    let actual = hexadecimal(sha256);
    if actual != shard.sha256 {
        return Err(Error::ShardHash { shard: shard.file.clone(), expected: shard.sha256.clone(), actual });
    }
    Ok(())
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Cuts the bytes from `start` of a component's stream at the borders of its tensors.
fn pieces<'a>(
    component: &'a Component,
    index: usize,
    start: u64,
    bytes: &'a [u8],
) -> impl Iterator<Item = Piece<'a>> + use<'a> {
    let end = start + bytes.len() as u64;
    let mut next_tensor = 0;
    component.tensors.iter().enumerate().filter_map(move |(tensor, info)| {
        let tensor_start = next_tensor;
        next_tensor += info.stored_bytes().expect("parse refuses sizes that overflow");
        let (from, to) = (tensor_start.max(start), next_tensor.min(end));
        (from < to).then(|| Piece {
            component: index,
            tensor,
            offset: from - tensor_start,
            bytes: &bytes[(from - start) as usize..(to - start) as usize],
        })
    })
}
