//! One picture in the making.

use std::rc::Rc;

use serde::Serialize;

use super::model::Model;
use super::networks::Size;
#[cfg(feature = "cpu")]
use super::partner::Half;
use super::partner::Pairing;
use super::plans::{ModelPlans, Plans};
use super::ports::{input, output};
use super::prompt::{encode, encode_text};
use super::sampling::{Sampling, term};
use super::state::RunState;
use crate::error::{Error, Result};
use crate::executor::{Command, Executor, Term};
use crate::host::now_millis;
use crate::image::Image;
use crate::options::GenerateOptions;
use crate::random::{self, BrownianPath, Noise, Of};
use crate::solver::{Guidance, LinearMap, Source, StepPlan};
use crate::weights::ImageFormat;

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

/// A read-back under way, and where the run stood when it began.
struct Pending<E: Executor> {
    readback: E::Readback,
    evaluations: usize,
    errors: usize,
    before: Vec<f32>,
}

/// One picture in the making: latents, solver history and noise key. Several runs of a model may take steps
/// in turn.
pub struct Run<E: Executor> {
    executor: Rc<E>,
    model_plans: Rc<ModelPlans<E>>,
    plans: Rc<Plans<E>>,
    /// For steps that guidance leaves out; absent where there are none.
    unguided: Option<Rc<Plans<E>>>,
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
        let mut run = Self {
            image_format: model.manifest.image,
            guidance,
            pending: Vec::new(),
            arrived: RunState::default(),
            executor,
            model_plans,
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
        let mut report = StepReport::default();
        while !self.is_done() && self.sampling.evaluations <= before {
            match self.evaluate().await {
                Ok(evaluated) => report = evaluated,
                Err(error) => self.go_on_after(error, before).await?,
            }
        }
        if self.sampling.evaluations > before {
            self.timings.steps.push(now_millis() - started);
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
        self.latest_report()
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
        self.pending.retain(|pending| pending.evaluations <= evaluations);
        let _ = self.latest_report();
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

    /// Where the run stands now: what [`Run::restore`] of another run with the same options and model goes on from.
    pub async fn state(&self) -> Result<RunState> {
        let mut values = Vec::new();
        for tensor in self.tensors() {
            values.extend(self.executor.read(tensor).await?);
        }
        values.extend(self.sampling.before());
        let (evaluations, errors) = (self.sampling.evaluations, self.sampling.errors().to_vec());
        Ok(RunState { evaluations, errors, values })
    }

    /// How many values a state of this run has.
    pub fn state_values(&self) -> usize {
        let tensors = self.tensors().count() + usize::from(self.sampling.is_adaptive());
        tensors * self.plans.size.latent_elements()
    }

    /// Takes a run to where another with the same options and model stood.
    ///
    /// Errors: no run with these options can have stood there ([`crate::Error::InvalidOption`]). The run is then as it was
    /// made, or not to be used.
    pub fn restore(&mut self, state: &RunState) -> Result<()> {
        RunState::check_values(state.values.len(), self.state_values())?;
        let elements = self.plans.size.latent_elements();
        self.sampling.replay(state.evaluations, &state.errors)?;
        let mut values = state.values.chunks_exact(elements);
        for (tensor, values) in self.tensors().zip(&mut values) {
            self.executor.write(tensor, values)?;
        }
        if let Some(before) = values.next() {
            self.sampling.start_from(before);
        }
        self.arrived = state.clone();
        Ok(())
    }

    /// What a state holds, in its order.
    fn tensors(&self) -> impl Iterator<Item = &E::Tensor> {
        self.samples.iter().chain(&self.history).chain(std::iter::once(&self.denoised))
    }

    fn write_noise(&mut self) -> Result<()> {
        let position = self.sampling.position;
        let Some(noise) = &self.noise else { return Ok(()) };
        let values = match self.sampling.plan().steps[position].noise_span {
            Some(span) => self.path.increment(span),
            None => step_noise(self.seed, position as u32 + 1, self.plans.size),
        };
        self.executor.write(noise, &values)
    }

    async fn submit_step(&self) -> Result<()> {
        let position = self.sampling.position;
        let step = &self.sampling.plan().steps[position];
        let guidance = self.guidance.at(step.level);
        let (executor, plans) = (self.executor.as_ref(), &self.plans);
        // The prompt's half comes last, and is all there is where there is no guidance.
        let unguided = self.unguided.as_ref().filter(|_| guidance.uncond.is_none());
        let evaluated = unguided.unwrap_or(plans);
        let (unet, batch) = (&evaluated.unet, evaluated.size.batch);
        executor.write(input::<E>(executor, unet, "timestep"), &vec![step.timestep as f32; batch])?;

        let elements = plans.size.latent_elements();
        let model_output = output::<E>(executor, unet, "model_output");
        let combine = |out, offset, len, terms| Command::Combine { out, offset, len, terms };
        let mut commands: Vec<Command<'_, E>> = Vec::with_capacity(12);

        let sample = self.sample();
        let unconditional = self.unconditional.as_ref().filter(|_| guidance.uncond.is_some());
        #[cfg(feature = "cpu")]
        let is_evaluated = match unconditional {
            Some(out) => self.evaluate_with_partner(step, out).await?,
            None => false,
        };
        #[cfg(not(feature = "cpu"))]
        let is_evaluated = false;
        if !is_evaluated {
            // Both halves of the batch read the same sample.
            for half in 0..batch {
                commands.push(self.scaled_sample(step, unet, half * elements));
            }
            if let Some(out) = unconditional {
                commands.extend(self.evaluation(evaluated, 0));
                commands.push(combine(out, 0, elements, vec![term(1.0, model_output, 0)]));
            }
            commands.extend(self.prompts_half(evaluated));
        }

        // Guidance is linear too, so it needs no pass of its own, unless its deviation is moved.
        let guided = |factor: f64| {
            let cond = term(factor * guidance.cond, model_output, (batch - 1) * elements);
            let without_prompt = unconditional.unwrap_or(model_output);
            let uncond = guidance.uncond.map(|uncond| term(factor * uncond, without_prompt, 0));
            std::iter::once(cond).chain(uncond).collect::<Vec<_>>()
        };
        let rescaled = self.rescaled.as_ref().filter(|_| guidance.uncond.is_some());
        if let Some(out) = rescaled {
            let (len, terms, rescale) = (elements, guided(1.0), guidance.rescale as f32);
            commands.push(Command::CombineRescaled { out, offset: 0, len, terms, rescale });
        }
        let of_prediction = |map: LinearMap| {
            let mut terms = vec![term(map.sample, sample, 0)];
            match rescaled {
                Some(rescaled) => terms.push(term(map.model_output, rescaled, 0)),
                None => terms.extend(guided(map.model_output)),
            }
            terms
        };
        commands.push(combine(&self.denoised, 0, elements, of_prediction(step.denoised)));
        let model_value = &self.history[position % self.history.len()];
        commands.push(combine(model_value, 0, elements, of_prediction(step.model_value)));

        if !step.correction.is_empty() {
            commands.push(combine(sample, 0, elements, self.terms(position, &step.correction)));
        }
        if let Some((out, lower)) = self.sampling.lower() {
            commands.push(combine(out, 0, elements, self.terms(position, lower)));
        }
        commands.push(self.update(position, &step.update));

        if let Some(plan) = &plans.preview {
            let latents = input::<E>(executor, plan, "latents");
            commands.push(combine(latents, 0, elements, vec![term(1.0, &self.denoised, 0)]));
            commands.push(Command::Evaluate(plan));
        }
        executor.submit_in_pieces(&commands).await
    }

    /// Has the partner evaluate the half without the prompt, into `out`, and evaluates the other meanwhile. False without
    /// a partner, and where it failed: then both are still to be done.
    #[cfg(feature = "cpu")]
    async fn evaluate_with_partner(&self, step: &StepPlan, out: &E::Tensor) -> Result<bool> {
        let Some(partner) = self.pairing.get() else { return Ok(false) };
        let (executor, plans) = (self.executor.as_ref(), &self.plans);
        let unet = &plans.unet;
        executor.submit(&[self.scaled_sample(step, unet, 0)])?;
        let mut encoder_hidden_states = executor.read(&self.prompt_embeds).await?;
        encoder_hidden_states.truncate(plans.size.text_elements());
        let answer = partner.begin(Half {
            sample: executor.read(input::<E>(executor, unet, "sample")).await?,
            timestep: step.timestep as f32,
            encoder_hidden_states,
            width: plans.size.width,
            height: plans.size.height,
        });
        executor.submit_in_pieces(&self.prompts_half(plans)).await?;
        match answer.await {
            Ok(values) if values.len() == plans.size.latent_elements() => {
                executor.write(out, &values)?;
                Ok(true)
            }
            _ => {
                self.pairing.end();
                Ok(false)
            }
        }
    }

    /// The sample as the network takes it, from element `offset` of its batch.
    fn scaled_sample<'a>(&'a self, step: &StepPlan, unet: &'a E::Plan, offset: usize) -> Command<'a, E> {
        let out = input::<E>(&self.executor, unet, "sample");
        let terms = vec![term(step.model_input_scale, self.sample(), 0)];
        Command::Combine { out, offset, len: self.plans.size.latent_elements(), terms }
    }

    /// An evaluation with the prompts from element `from` of the embeddings.
    fn evaluation<'a>(&'a self, plans: &'a Plans<E>, from: usize) -> [Command<'a, E>; 2] {
        let out = input::<E>(&self.executor, &plans.unet, "encoder_hidden_states");
        let (len, terms) = (plans.size.text_elements(), vec![term(1.0, &self.prompt_embeds, from)]);
        [Command::Combine { out, offset: 0, len, terms }, Command::Evaluate(&plans.unet)]
    }

    /// The evaluation whose batch ends with the prompt.
    fn prompts_half<'a>(&'a self, plans: &'a Plans<E>) -> [Command<'a, E>; 2] {
        self.evaluation(plans, self.text_elements - plans.size.text_elements())
    }

    /// The update after entry `position` of the plan.
    fn update(&self, position: usize, update: &[(Source, f64)]) -> Command<'_, E> {
        // The oldest sample may be the one that is replaced: a term may be the output at the same offset.
        let out = &self.samples[(position + 1) % self.samples.len()];
        let (len, terms) = (self.plans.size.latent_elements(), self.terms(position, update));
        Command::Combine { out, offset: 0, len, terms }
    }

    /// What a linear combination reads that belongs to entry `position` of the plan.
    fn terms(&self, position: usize, combination: &[(Source, f64)]) -> Vec<Term<'_, E::Tensor>> {
        let back = |tensors: &[E::Tensor], back: usize| (position + tensors.len() - back) % tensors.len();
        let tensor = |source| match source {
            Source::Sample(age) => Some(&self.samples[back(&self.samples, age)]),
            Source::ModelValue(age) => Some(&self.history[back(&self.history, age)]),
            Source::Noise => self.noise.as_ref(),
        };
        let term = |&(source, coefficient): &(Source, f64)| Some(term(coefficient, tensor(source)?, 0));
        combination.iter().filter_map(term).collect()
    }

    /// The current sample.
    fn sample(&self) -> &E::Tensor {
        &self.samples[self.sampling.position % self.samples.len()]
    }

    /// Sends the state to the host, and the preview after it.
    fn begin_report(&mut self) -> Result<()> {
        let preview = self.plans.preview.as_ref().map(|plan| output::<E>(&self.executor, plan, "preview"));
        let tensors: Vec<&E::Tensor> = self.tensors().chain(preview).collect();
        if let Some(readback) = self.executor.begin_read(&tensors)? {
            self.pending.push(Pending {
                readback,
                evaluations: self.sampling.evaluations,
                errors: self.sampling.errors().len(),
                before: self.sampling.before().to_vec(),
            });
        }
        Ok(())
    }

    /// The newest report that has arrived; older ones are dropped.
    fn latest_report(&mut self) -> Result<StepReport> {
        let mut latest = None;
        let mut waiting = Vec::new();
        for mut pending in self.pending.drain(..) {
            match self.executor.try_read(&mut pending.readback)? {
                Some(values) => latest = Some((pending, values)),
                None => waiting.push(pending),
            }
        }
        self.pending = waiting;
        let Some((pending, mut values)) = latest else { return Ok(StepReport::default()) };
        let preview = values.split_off(self.tensors().count() * self.plans.size.latent_elements());
        values.extend(pending.before);
        let errors = self.sampling.errors()[..pending.errors].to_vec();
        self.arrived = RunState { evaluations: pending.evaluations, errors, values };
        let (width, height) = (self.plans.size.latent_width, self.plans.size.latent_height);
        let preview = match self.plans.preview {
            Some(_) => Some(Image::from_decoded(&preview, width, height, self.image_format, "the preview")?),
            None => None,
        };
        Ok(StepReport { preview, state: Some(self.arrived.clone()) })
    }

    /// Decodes to a picture: the finished latents, or before the last step the network's latest estimate of
    /// them. Fails with [`crate::Error::NotFinite`] rather than hand over a broken picture.
    pub async fn decode(&mut self) -> Result<Image> {
        let started = now_millis();
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
