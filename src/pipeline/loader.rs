//! From a manifest and its shards to a model on a device.

use std::rc::Rc;

use super::evaluator::Evaluator;
use super::model::{Model, ModelInfo};
use super::networks::Networks;
use super::rounding::{Rounding, is_rounded};
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::solver::SchedulerConfig;
use crate::tokenizer::Tokenizer;
use crate::weights::{Manifest, Piece, Shard, ShardSet, TensorInfo};

const UNET: &str = "unet";

/// A model whose shards are arriving. Bytes of a shard may be dropped as soon as they are pushed.
pub struct Loader<E: Executor> {
    executor: Rc<E>,
    manifest: Manifest,
    networks: Networks,
    tokenizer: Tokenizer,
    info: ModelInfo,
    shards: ShardSet,
    /// One entry a component of the manifest; `None` for those that load lazily.
    weights: Vec<Option<E::Weights>>,
    in_halves: bool,
    rounding: Option<Rounding>,
}

impl<E: Executor> Loader<E> {
    /// Checks that the manifest's networks go together and that its tensors are what they need, before any shard is fetched, and
    /// reserves their memory.
    pub fn new(executor: Rc<E>, manifest: Manifest) -> Result<Self> {
        Self::make(executor, manifest, None)
    }

    /// The same for a device that has no room for the weights as they are stored: large matrices become int8.
    pub fn rounded(executor: Rc<E>, manifest: Manifest) -> Result<Self> {
        Self::make(executor, manifest, Some(Rounding::default()))
    }

    fn make(executor: Rc<E>, manifest: Manifest, rounding: Option<Rounding>) -> Result<Self> {
        let networks = Networks::new(&manifest)?;
        let tokenizer = Tokenizer::from_files(&manifest.tokenizer)?;
        networks.check_fit(&manifest, &tokenizer)?;
        networks.check_tensors(&manifest)?;
        let scheduler = SchedulerConfig::from_json(&manifest.scheduler)?;
        scheduler.check_samples(networks.autoencoder().is_identity())?;
        let info = ModelInfo { rounded: rounding.is_some(), ..ModelInfo::new(&manifest, &networks)? };
        let room = |tensors: &[TensorInfo]| match rounding {
            None => executor.weights(tensors),
            Some(_) => executor.weights(&tensors.iter().map(Rounding::info).collect::<Vec<_>>()),
        };
        let weights = manifest
            .components
            .iter()
            .map(|component| match component.lazy {
                true => Ok(None),
                false => room(&component.tensors).map(Some),
            })
            .collect::<Result<_>>()?;
        let shards = ShardSet::new(&manifest);
        Ok(Self {
            executor,
            manifest,
            networks,
            tokenizer,
            info,
            shards,
            weights,
            in_halves: false,
            rounding,
        })
    }

    /// Has the model evaluate the halves of guidance one after the other, or with a partner
    /// ([`Model::set_partner`]): in every bit the same picture either way.
    pub fn in_halves(self) -> Self {
        Self { in_halves: true, ..self }
    }

    /// Whether [`Loader::rounded`] would make less of the model.
    pub fn can_be_rounded(&self) -> bool {
        self.rounding.is_none() && Rounding::applies_to(&self.manifest)
    }

    /// What the model is and accepts.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The shards to push, with their numbers and components.
    pub fn shards(&self) -> impl Iterator<Item = (usize, &str, &Shard)> {
        self.shards
            .iter(&self.manifest)
            .filter(|(_, component, _)| !component.lazy)
            .map(|(number, component, shard)| (number, component.name.as_str(), shard))
    }

    /// Checks a shard's length and SHA-256 and hands its bytes to the device. Any order. A shard that is refused may be
    /// pushed again; after an error of the device the loader is of no more use.
    pub fn push_shard(&mut self, number: usize, bytes: &[u8]) -> Result<()> {
        let Self { shards, manifest, .. } = self;
        let pieces = shards.accept(manifest, number, bytes)?;
        push_pieces(&self.executor, manifest, &mut self.weights, &mut self.rounding, pieces)
    }

    /// [`Loader::push_shard`] where the platform has computed the SHA-256 of the bytes: a browser does that many times faster
    /// than wasm.
    pub fn push_digested(&mut self, number: usize, bytes: &[u8], sha256: &[u8]) -> Result<()> {
        let Self { shards, manifest, .. } = self;
        let pieces = shards.accept_digested(manifest, number, bytes, sha256)?;
        push_pieces(&self.executor, manifest, &mut self.weights, &mut self.rounding, pieces)
    }

    /// Prepares the networks for the default size. Every shard of [`Loader::shards`] must have been pushed.
    pub async fn finish(self) -> Result<Model<E>> {
        for (index, component) in self.manifest.components.iter().enumerate() {
            if !component.lazy {
                self.shards.require(&self.manifest, index)?;
            }
        }
        let names = self.manifest.components.iter().map(|component| component.name.clone());
        let weights =
            names.zip(self.weights).filter_map(|(name, weights)| Some((name, Rc::new(weights?)))).collect();
        let executor = self.executor.clone();
        let Self { manifest, networks, tokenizer, info, in_halves, .. } = self;
        let model = Model::new(self.executor, manifest, networks, tokenizer, info, weights, in_halves).await;
        if let Err(Error::OutOfMemory { .. }) = model {
            // What else the device has to complain about is of this model too, and not of one that is loaded next.
            executor.recover().await;
        }
        model
    }

    /// Prepares the UNet alone, for the default size. Only its shards need to have been pushed.
    pub async fn finish_evaluator(mut self) -> Result<Evaluator<E>> {
        let unet = self.manifest.components.iter().position(|component| component.name == UNET);
        let weights = unet.and_then(|unet| self.weights.swap_remove(unet));
        let (Some(unet), Some(weights)) = (unet, weights) else {
            let message = format!("component {UNET} is missing, or loads lazily");
            return Err(Error::InvalidManifest { message });
        };
        self.shards.require(&self.manifest, unet)?;
        let evaluator = Evaluator::new(self.executor, self.networks, weights);
        evaluator.prepare(self.info.default_width, self.info.default_height).await?;
        Ok(evaluator)
    }
}

/// Hands pieces to the device; those of tensors that are to be rounded once all of one is there.
fn push_pieces<'a, E: Executor>(
    executor: &Rc<E>,
    manifest: &Manifest,
    weights: &mut [Option<E::Weights>],
    rounding: &mut Option<Rounding>,
    pieces: impl Iterator<Item = Piece<'a>>,
) -> Result<()> {
    for piece in pieces {
        let Some(weights) = &mut weights[piece.component] else { continue };
        let info = &manifest.components[piece.component].tensors[piece.tensor];
        match rounding.as_mut().filter(|_| is_rounded(info)) {
            None => executor.push(weights, piece.tensor, piece.offset, piece.bytes)?,
            Some(rounding) => {
                if let Some(stored) = rounding.take(info, &piece)? {
                    executor.push(weights, piece.tensor, 0, &stored)?;
                }
            }
        }
    }
    Ok(())
}
