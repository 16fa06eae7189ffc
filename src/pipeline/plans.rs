//! What a model's networks become on its device: plans for the sizes in use.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::decoder::Decoder;
use super::networks::{Networks, Size};
use super::recent::Recent;
use crate::error::{Error, Result};
use crate::executor::Executor;

/// The plans of one size, shared by the runs of that size.
pub(super) struct Plans<E: Executor> {
    pub size: Size,
    pub text_encoder: E::Plan,
    pub unet: E::Plan,
    /// What the UNet is prepared for.
    pub prepared: Cell<Option<Prepared>>,
    pub decoder: Rc<Decoder<E>>,
    /// Latents to a small picture; absent where the manifest has no linear map.
    pub preview: Option<E::Plan>,
}

/// What a UNet may be prepared for: the text, by whose run's it is and by the first element of its embeddings, and timesteps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prepared {
    pub run: u64,
    pub from: usize,
    pub timesteps: Vec<f32>,
}

/// A model's networks and weights. The model and its runs share it: a run may need plans of another batch in its midst.
pub(super) struct ModelPlans<E: Executor> {
    pub executor: Rc<E>,
    pub networks: Networks,
    weights: HashMap<String, Rc<E::Weights>>,
    preview_weights: Option<E::Weights>,
    plans: Recent<Plans<E>>,
    /// By sizes of batch 1: both halves of guidance make one picture.
    decoders: Recent<Decoder<E>>,
    /// Sizes that the device had no room for.
    too_large: RefCell<Vec<Size>>,
    runs: Cell<u64>,
}

impl<E: Executor> ModelPlans<E> {
    /// Nothing is planned yet.
    pub fn new(
        executor: Rc<E>,
        networks: Networks,
        weights: HashMap<String, Rc<E::Weights>>,
    ) -> Result<Self> {
        Ok(Self {
            preview_weights: networks.preview_weights(executor.as_ref())?,
            executor,
            networks,
            weights,
            plans: Recent::default(),
            decoders: Recent::default(),
            too_large: RefCell::default(),
            runs: Cell::default(),
        })
    }

    /// The plans of a size, or where the device has no room for both halves of guidance at once, of one half.
    pub async fn plans_that_fit(&self, size: Size) -> Result<Rc<Plans<E>>> {
        let half = Size { batch: 1, ..size };
        if self.too_large.borrow().contains(&size) {
            return self.plans(half).await;
        }
        match self.plans(size).await {
            Err(error) if error.is_shortage() && size.batch > 1 => self.halved(size).await,
            plans => plans,
        }
    }

    /// The plans of one half of guidance, in place of those of both, which the device turned out to have no room for.
    pub async fn halved(&self, size: Size) -> Result<Rc<Plans<E>>> {
        let plans = self.plans(Size { batch: 1, ..size }).await?;
        self.plans.remove(size);
        self.too_large.borrow_mut().push(size);
        Ok(plans)
    }

    /// A number that no other run of the model has.
    pub fn next_run(&self) -> u64 {
        self.runs.replace(self.runs.get() + 1)
    }

    /// After a failure: nothing is prepared for sure.
    pub fn unprepare(&self) {
        self.plans.for_each(|plans| plans.prepared.set(None));
    }

    /// The plans of a size, made at its first use.
    pub async fn plans(&self, size: Size) -> Result<Rc<Plans<E>>> {
        if let Some(plans) = self.plans.get(size) {
            return Ok(plans);
        }
        let plans = self.plan(size).await?;
        Ok(self.plans.add(size, plans))
    }

    async fn plan(&self, size: Size) -> Result<Plans<E>> {
        let (executor, networks) = (&self.executor, &self.networks);
        Ok(Plans {
            size,
            text_encoder: executor.plan(&networks.text_encoder(size)?, self.weights("text_encoder")?).await?,
            unet: executor.plan(&networks.unet_for_a_run(size)?, self.weights("unet")?).await?,
            prepared: Cell::default(),
            decoder: self.decoder(Size { batch: 1, ..size }).await?,
            preview: match &self.preview_weights {
                Some(weights) => Some(executor.plan(&networks.preview(size)?, weights).await?),
                None => None,
            },
        })
    }

    async fn decoder(&self, size: Size) -> Result<Rc<Decoder<E>>> {
        if let Some(decoder) = self.decoders.get(size) {
            return Ok(decoder);
        }
        let weights = self.weights("vae_decoder")?.clone();
        let (config, latents) =
            (self.networks.autoencoder().clone(), [size.latent_height, size.latent_width]);
        let decoder = Decoder::new(self.executor.clone(), config, weights, latents).await?;
        Ok(self.decoders.add(size, decoder))
    }

    fn weights(&self, component: &str) -> Result<&Rc<E::Weights>> {
        let message = || format!("component {component} is missing, or loads lazily");
        self.weights.get(component).ok_or_else(|| Error::InvalidManifest { message: message() })
    }
}
