//! A loaded model: its weights on a device, and plans for the sizes in use.

use std::collections::HashMap;
use std::rc::Rc;

use serde::Serialize;

use super::networks::Networks;
use super::partner::Pairing;
#[cfg(feature = "cpu")]
use super::partner::Partner;
use super::plans::ModelPlans;
use super::run::Run;
use crate::error::Result;
use crate::executor::Executor;
use crate::options::{GenerateOptions, OptionLimits};
use crate::solver::{self, Guidance, SolverOptions};
use crate::tokenizer::Tokenizer;
use crate::weights::Manifest;

/// Most pixels of a picture, whatever the model: 1024 x 1024.
const MAX_PIXELS: usize = 1 << 20;
/// How much larger than its default size a model may draw. Networks draw badly far from the size they learnt.
const MAX_ENLARGEMENT: usize = 16;

/// What a model is and what it accepts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    pub name: String,
    pub revision: String,
    /// SPDX expression or name of the weights' licence.
    pub licence: String,
    /// Number of parameters of all components.
    pub parameters: u64,
    /// Whether large matrices are rounded to int8, because memory was short for them as they are stored.
    pub rounded: bool,
    /// Operations of one guided network evaluation at the default size. A multiply-add counts as two.
    pub evaluation_flops: u64,
    /// Operations of one decode at the default size.
    pub decode_flops: u64,
    /// Pixels.
    pub default_width: usize,
    pub default_height: usize,
    /// Width and height are multiples of this many pixels.
    pub size_multiple: usize,
    /// Largest width times height.
    pub max_pixels: usize,
    pub styles: Vec<String>,
    pub solvers: Vec<String>,
    pub schedules: Vec<String>,
    pub defaults: Defaults,
}

/// What is used where an option is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    pub steps: usize,
    pub guidance_scale: f64,
    pub solver: String,
    pub schedule: String,
}

impl ModelInfo {
    pub(super) fn new(manifest: &Manifest, networks: &Networks) -> Result<Self> {
        let defaults = &manifest.defaults;
        let size = networks.size(2, defaults.width, defaults.height);
        let default_pixels = defaults.width * defaults.height;
        Ok(Self {
            name: manifest.name.clone(),
            revision: manifest.revision.clone(),
            licence: manifest.licence.clone(),
            parameters: manifest.parameters(),
            rounded: false,
            evaluation_flops: networks.unet(size)?.cost().flops,
            decode_flops: networks.decoder(size)?.cost().flops,
            default_width: defaults.width,
            default_height: defaults.height,
            size_multiple: networks.size_multiple(),
            max_pixels: (default_pixels * MAX_ENLARGEMENT).min(MAX_PIXELS).max(default_pixels),
            styles: manifest.styles.clone(),
            solvers: solver::names().map(str::to_owned).collect(),
            schedules: solver::Spacing::NAMES.map(str::to_owned).to_vec(),
            defaults: Defaults {
                steps: defaults.steps,
                guidance_scale: defaults.guidance_scale,
                solver: defaults.solver.clone(),
                schedule: defaults.schedule.clone(),
            },
        })
    }

    fn option_limits(&self, networks: &Networks) -> OptionLimits {
        OptionLimits {
            styles: self.styles.clone(),
            solvers: self.solvers.clone(),
            schedules: self.schedules.clone(),
            size_multiple: self.size_multiple,
            max_pixels: self.max_pixels,
            max_side: networks.max_side(),
            defaults: GenerateOptions {
                prompt: String::new(),
                negative_prompt: String::new(),
                style: String::new(),
                steps: self.defaults.steps,
                guidance_scale: self.defaults.guidance_scale,
                guidance_rescale: 0.0,
                guidance_interval: Guidance::EVERYWHERE,
                solver: self.defaults.solver.clone(),
                solver_options: SolverOptions::default(),
                schedule: self.defaults.schedule.clone(),
                levels: None,
                seed: None,
                width: self.default_width,
                height: self.default_height,
            },
        }
    }
}

/// A model on a device. Starts runs.
pub struct Model<E: Executor> {
    pub(super) model_plans: Rc<ModelPlans<E>>,
    pub(super) manifest: Manifest,
    pub(super) tokenizer: Tokenizer,
    pub(super) scheduler: solver::SchedulerConfig,
    info: ModelInfo,
    limits: OptionLimits,
    /// Whether the halves of guidance are evaluated one after the other, or by a partner, whatever there is room for.
    pub(super) in_halves: bool,
    pub(super) pairing: Pairing,
}

impl<E: Executor> Model<E> {
    pub(super) async fn new(
        executor: Rc<E>,
        manifest: Manifest,
        networks: Networks,
        tokenizer: Tokenizer,
        info: ModelInfo,
        weights: HashMap<String, Rc<E::Weights>>,
        in_halves: bool,
    ) -> Result<Self> {
        let model = Self {
            tokenizer,
            scheduler: solver::SchedulerConfig::from_json(&manifest.scheduler)?,
            limits: info.option_limits(&networks),
            in_halves,
            pairing: Pairing::default(),
            model_plans: Rc::new(ModelPlans::new(executor, networks, weights)?),
            manifest,
            info,
        };
        let batch = if model.info.defaults.guidance_scale > 1.0 && !in_halves { 2 } else { 1 };
        let size =
            model.model_plans.networks.size(batch, model.info.default_width, model.info.default_height);
        model.model_plans.plans_that_fit(size).await?;
        Ok(model)
    }

    /// What the model is and accepts.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// What options are checked against.
    pub fn limits(&self) -> &OptionLimits {
        &self.limits
    }

    /// From their next step on, guided runs of a model whose halves are apart ([`super::Loader::in_halves`]) have
    /// `partner` evaluate the one without the prompt. One that fails is let go of: the run evaluates that half itself.
    #[cfg(feature = "cpu")]
    pub fn set_partner(&self, partner: Rc<dyn Partner>) {
        self.pairing.set(partner);
    }

    /// Encodes the prompts and draws the noise of a new run. `options` come from
    /// [`GenerateOptions::from_fields`]; without a seed, 0 is taken.
    pub async fn start(&self, options: &GenerateOptions) -> Result<Run<E>> {
        Run::new(self, options).await
    }
}
