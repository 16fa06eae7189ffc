//! One picture in the making.

mod standing;
mod submission;

use std::rc::Rc;

use serde::Serialize;

use super::model::Model;
use super::networks::Size;
use super::partner::Pairing;
use super::plans::{ModelPlans, Plans};
use super::prompt::{encode, encode_text};
use super::sampling::Sampling;
use super::state::RunState;
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::host::now_millis;
use crate::image::Image;
use crate::options::GenerateOptions;
use crate::random::{self, BrownianPath, Noise, Of};
use crate::solver::Guidance;
use crate::weights::ImageFormat;
use standing::Pending;

/// Submitted evaluations that may be unfinished while the next is prepared. Submitted work cannot be
/// cancelled, so this bounds what an abort waits for.
const MAX_IN_FLIGHT: usize = 2;
/// The run's index in its batch: the `sample` of the noise's counter.
const SAMPLE: u32 = 0;
const IN_TURNS: &str =
    "Memory is short: the network is evaluated once with the prompt and once without, one after the other.";

/// Where the time went, in milliseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Timings {
    /// Tokenizer and text encoder.
    pub text: f64,
    /// One entry for each evaluation of the network.
    pub steps: Vec<f64>,
    /// Latents to pixels on the host, with all that was still under way on the device.
    pub decode: f64,
}

/// What a step leaves behind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepReport {
    /// An estimate of the picture at latent size. It may be a step late, and absent where none arrived.
    pub preview: Option<Image>,
    /// Where to go on from if the device is lost. As late as the preview.
    pub state: Option<RunState>,
}

/// One picture in the making: latents, solver history and noise key. Several runs of a model may take steps
/// in turn.
pub struct Run<E: Executor> {
    executor: Rc<E>,
    model_plans: Rc<ModelPlans<E>>,
    plans: Rc<Plans<E>>,
    /// For steps that guidance leaves out; absent where there are none.
    unguided: Option<Rc<Plans<E>>>,
    /// Of the runs of its model.
    number: u64,
    sampling: Sampling<E>,
    image_format: ImageFormat,
    guidance: Guidance,
    seed: u64,
    warnings: Vec<String>,
    timings: Timings,
    /// `[n, L]`.
    input_ids: Vec<f32>,
    /// `[n, L, D]`.
    prompt_embeds: E::Tensor,
    /// Whether `prompt_embeds` are of `input_ids`.
    is_encoded: bool,
    /// Elements of all `prompt_embeds`.
    text_elements: usize,
    /// `[1, h, w, C]`: the output without the prompt, where the halves of guidance are evaluated apart.
    unconditional: Option<E::Tensor>,
    /// Who may evaluate that half.
    #[cfg_attr(not(feature = "cpu"), expect(dead_code))]
    pairing: Pairing,
    /// `[1, h, w, C]` each: the noisy states at the current noise level and before; at the end, the latents of
    /// the picture. The sample that enters evaluation `i` is entry `i % len`.
    samples: Vec<E::Tensor>,
    /// `[1, h, w, C]`: the network's latest estimate of the noiseless latents.
    denoised: E::Tensor,
    /// Model values of the last evaluations; evaluation `i` writes entry `i % len`.
    history: Vec<E::Tensor>,
    /// `[1, h, w, C]`, for stochastic solvers.
    noise: Option<E::Tensor>,
    path: BrownianPath,
    /// `[1, h, w, C]`: the guided output, where its deviation is moved.
    rescaled: Option<E::Tensor>,
    /// Previews and states on their way to the host, oldest first.
    pending: Vec<Pending<E>>,
    /// The last of them that arrived: where to go on from after a shortage.
    arrived: RunState,
}

impl<E: Executor> Run<E> {
    pub(super) async fn new(model: &Model<E>, options: &GenerateOptions) -> Result<Self> {
        let started = now_millis();
        let model_plans = model.model_plans.clone();
        let executor = model_plans.executor.clone();
        let mut warnings = Vec::new();
        if model.info().rounded {
            let rounded = "Memory is short: the model's weights are rounded to 8 bits, which changes pictures a little.";
            warnings.push(rounded.to_owned());
        }
        let prompt = match options.style.as_str() {
            "" => options.prompt.clone(),
            style if options.prompt.trim().is_empty() => style.to_owned(),
            style => format!("{}, {style}", options.prompt),
        };
        let mut input_ids = Vec::new();
        // Equal prompts leave nothing to guide towards: the empty prompt is the unconditional picture.
        let guided = prompt != options.negative_prompt;
        let guidance = Guidance::new(
            if guided { options.guidance_scale } else { 1.0 },
            options.guidance_rescale,
            options.guidance_interval,
        );
        if guidance.uncond.is_some() {
            input_ids.extend(encode(model, "negative prompt", &options.negative_prompt, &mut warnings));
        }
        input_ids.extend(encode(model, "prompt", &prompt, &mut warnings));

        let prompts = if guidance.uncond.is_some() { 2 } else { 1 };
        let batch = if model.in_halves { 1 } else { prompts };
        let size = model_plans.networks.size(batch, options.width, options.height);
        let [height, width, channels] = latent_shape(size);
        let latents = [1, height, width, channels];
        let sampling = Sampling::new(executor.as_ref(), options, &model.scheduler, &latents)?;
        if sampling.plan().thresholding.is_some() && !model_plans.networks.autoencoder().is_identity() {
            return Err(Error::InvalidOption {
                option: "thresholding",
                accepted: "left out or false: this model's network works on latents, which have no range"
                    .to_owned(),
                value: "true".to_owned(),
            });
        }
        let plans = model_plans.plans_that_fit(size).await?;
        let in_halves = plans.size.batch < prompts;
        if plans.size.batch < batch {
            warnings.push(IN_TURNS.to_owned());
        }
        let left_out = |guidance: Guidance| {
            sampling.is_adaptive() && guidance.interval != Guidance::EVERYWHERE
                || sampling.plan().steps.iter().any(|step| guidance.at(step.level).uncond.is_none())
        };
        let unguided = match guidance.uncond {
            Some(_) if left_out(guidance) && !in_halves => {
                Some(model_plans.plans(Size { batch: 1, ..size }).await?)
            }
            _ => None,
        };
        let prompt_embeds = executor.tensor(&[prompts, size.text_length, size.text_width])?;
        let text_elements = Size { batch: prompts, ..size }.text_elements();
        let seed = options.seed.unwrap_or(0);
        let tensor = || executor.tensor(&latents);
        let tensor_if = |wanted: bool| if wanted { tensor().map(Some) } else { Ok(None) };
        let denoised = tensor()?;
        let samples = (0..sampling.plan().samples).map(|_| tensor()).collect::<Result<_>>()?;
        let history = (0..sampling.plan().history).map(|_| tensor()).collect::<Result<_>>()?;
        let noise = tensor_if(sampling.plan().is_stochastic())?;
        let unconditional = tensor_if(in_halves)?;
        let rescaled = tensor_if(guidance.uncond.is_some() && guidance.rescale > 0.0)?;
        let number = model_plans.next_run();
        let mut run = Self {
            image_format: model.manifest.image,
            guidance,
            pending: Vec::new(),
            arrived: RunState::default(),
            executor,
            model_plans,
            number,
            path: BrownianPath::new(seed, SAMPLE, latent_shape(size)),
            plans,
            unguided,
            sampling,
            seed,
            warnings,
            timings: Timings::default(),
            input_ids,
            prompt_embeds,
            is_encoded: false,
            text_elements,
            unconditional,
            pairing: model.pairing.clone(),
            samples,
            denoised,
            history,
            noise,
            rescaled,
        };
        run.set_noise(&step_noise(seed, 0, size))?;
        if let Err(error) = run.encode().await {
            run.go_on_after(error, 0).await?;
        }
        run.timings.text = now_millis() - started;
        Ok(run)
    }

    /// Encodes the prompts, unless that is done.
    async fn encode(&mut self) -> Result<()> {
        if !self.is_encoded {
            let executor = self.executor.as_ref();
            encode_text(executor, &self.plans, &self.input_ids, &self.prompt_embeds)?;
            // What the device complains of is of this run, and known before it goes on.
            executor.settle(0).await?;
            self.is_encoded = true;
        }
        Ok(())
    }

    /// Replaces the noise that the seed drew, before the first step: `noise [1, h, w, C]`, channels last, of
    /// unit variance.
    pub fn set_noise(&mut self, noise: &[f32]) -> Result<()> {
        let scale = self.sampling.plan().init_noise_sigma as f32;
        let mut values: Vec<f32> = noise.iter().map(|value| value * scale).collect();
        self.sampling.start_from(&values);
        self.executor.write(&self.samples[0], &values)?;
        // All other tensors are zeros.
        values.resize(self.tensors().count() * values.len(), 0.0);
        values.extend(self.sampling.before());
        self.arrived = RunState { values, ..RunState::default() };
        Ok(())
    }

    /// Evaluations of the network in all; each is one call of [`Run::step`]. For an adaptive solver the most there
    /// can be, until the run is done.
    pub fn steps(&self) -> usize {
        self.sampling.steps()
    }

    /// Steps of the solver in all; fewer than evaluations where a step takes several. For an adaptive solver those
    /// known so far.
    pub fn solver_steps(&self) -> usize {
        self.sampling.plan().solver_steps()
    }

    /// Evaluations done.
    pub fn step_number(&self) -> usize {
        self.sampling.evaluations
    }

    /// Whether every step is done.
    pub fn is_done(&self) -> bool {
        self.sampling.is_done()
    }

    /// Sentences about input that was changed (a prompt that was cut, words that the model does not know), and about work
    /// that is done in smaller pieces because memory is short. [`Run::decode`] may add one.
    pub fn warnings(&self) -> Vec<String> {
        let in_tiles = self.plans.decoder.tile().map(|tile| {
            format!("Memory is short: the picture is decoded in overlapping tiles of {tile} x {tile} pixels, and may differ a little from one decoded whole.")
        });
        self.warnings.iter().cloned().chain(in_tiles).collect()
    }

    /// Times so far.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Goes on by one network evaluation (for both halves of guidance), one submission. Does nothing once
    /// [`Run::is_done`]. If memory turns out to be short for both halves at once, the step is done again with one after the
    /// other, as are those that follow.
    ///
    /// Errors: the device fails; memory is short for one half too, and the run stands where it stood, or a little before.
    pub async fn step(&mut self) -> Result<StepReport> {
        let (started, before) = (now_millis(), self.sampling.evaluations);
        let report = self.go_beyond(before).await?;
        if self.sampling.evaluations > before {
            self.timings.steps.push(now_millis() - started);
        }
        Ok(report)
    }

    /// Goes on until more than `evaluations` are done, or the run is.
    async fn go_beyond(&mut self, evaluations: usize) -> Result<StepReport> {
        let mut report = StepReport::default();
        while !self.is_done() && self.sampling.evaluations <= evaluations {
            match self.evaluate().await {
                Ok(evaluated) => report = evaluated,
                Err(error) => self.go_on_after(error, evaluations).await?,
            }
        }
        Ok(report)
    }

    /// One network evaluation, without regard to whether there is room for it.
    async fn evaluate(&mut self) -> Result<StepReport> {
        self.encode().await?;
        self.write_noise()?;
        self.submit_step().await?;
        if let Some(entry) = self.sampling.advance(self.executor.as_ref(), &self.samples).await? {
            let update = &self.sampling.plan().steps[entry].update;
            self.executor.submit(&[self.update(entry, update)])?;
        }
        self.begin_report()?;
        self.executor.settle(MAX_IN_FLIGHT - 1).await?;
        self.latest_report().await
    }

    /// After a shortage: back to where `evaluations` were done, or to the last state before that which has arrived, and from
    /// there on the halves of guidance are evaluated one after the other.
    ///
    /// Errors: with `error` if it is no shortage, or if they are evaluated so already; there is no room for that either.
    async fn go_on_after(&mut self, error: Error, evaluations: usize) -> Result<()> {
        if !error.is_shortage() {
            return Err(error);
        }
        self.executor.recover().await;
        self.model_plans.unprepare();
        self.pending.retain(|pending| pending.evaluations <= evaluations);
        let _ = self.latest_report().await;
        self.pending.clear();
        let state = self.arrived.clone();
        self.restore(&state)?;

        let size = self.plans.size;
        if size.batch == 1 {
            return Err(error);
        }
        let plans = self.model_plans.halved(size).await?;
        let [height, width, channels] = latent_shape(size);
        let unconditional = self.executor.tensor(&[1, height, width, channels])?;
        (self.plans, self.unconditional) = (plans, Some(unconditional));
        self.warnings.push(IN_TURNS.to_owned());
        Ok(())
    }

    /// Waits for the steps, and does those again that found no memory: a decoder would take that for its own shortage.
    async fn settle(&mut self) -> Result<()> {
        let evaluations = self.sampling.evaluations;
        while let Err(error) = self.executor.settle(0).await {
            let before = evaluations.saturating_sub(1);
            self.go_on_after(error, before).await?;
            if evaluations > 0 {
                self.go_beyond(before).await?;
            }
        }
        Ok(())
    }

    /// Decodes to a picture: the finished latents, or before the last step the network's latest estimate of
    /// them. Fails with [`crate::Error::NotFinite`] rather than hand over a broken picture.
    pub async fn decode(&mut self) -> Result<Image> {
        let started = now_millis();
        self.settle().await?;
        let latents =
            if self.sampling.position == 0 || self.is_done() { self.sample() } else { &self.denoised };
        let values = self.plans.decoder.decode(latents).await?;
        let Size { width, height, .. } = self.plans.size;
        let image = Image::from_decoded(&values, width, height, self.image_format, "the autoencoder")?;
        self.timings.decode = now_millis() - started;
        Ok(image)
    }

    /// The latents `[1, h, w, C]`, channels last, at the noise level of the current step.
    pub async fn latents(&self) -> Result<Vec<f32>> {
        self.executor.read(self.sample()).await
    }
}

/// Standard normals `[1, h, w, C]`; step 0 is the initial noise.
fn step_noise(seed: u64, step: u32, size: Size) -> Vec<f32> {
    random::normals(Noise { seed, sample: SAMPLE, of: Of::Step(step) }, latent_shape(size))
}

fn latent_shape(size: Size) -> [usize; 3] {
    [size.latent_height, size.latent_width, size.latent_channels]
}
