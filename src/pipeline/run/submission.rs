//! One step as commands for the device: guidance, the network, and the linear combinations of the solver.

use super::super::networks::KNOWN_TIMESTEPS;
#[cfg(feature = "cpu")]
use super::super::partner::Half;
use super::super::plans::{Plans, Prepared};
use super::super::ports::{input, output};
use super::super::sampling::term;
use super::{Run, step_noise};
use crate::error::Result;
use crate::executor::{Command, Executor, Term};
use crate::solver::{LinearMap, Source, StepPlan};

impl<E: Executor> Run<E> {
    pub(super) fn write_noise(&mut self) -> Result<()> {
        let position = self.sampling.position;
        let Some(noise) = &self.noise else { return Ok(()) };
        let values = match self.sampling.plan().steps[position].noise_span {
            Some(span) => self.path.increment(span),
            None => step_noise(self.seed, position as u32 + 1, self.plans.size),
        };
        self.executor.write(noise, &values)
    }

    pub(super) async fn submit_step(&self) -> Result<()> {
        let position = self.sampling.position;
        let step = &self.sampling.plan().steps[position];
        let guidance = self.guidance.at(step.level);
        let (executor, plans) = (self.executor.as_ref(), &self.plans);
        // The prompt's half comes last, and is all there is where there is no guidance.
        let unguided = self.unguided.as_ref().filter(|_| guidance.uncond.is_none());
        let evaluated = unguided.unwrap_or(plans);
        let (unet, batch) = (&evaluated.unet, evaluated.size.batch);
        let which = (position % KNOWN_TIMESTEPS) as f32;
        executor.write(input::<E>(executor, unet, "step"), &vec![which; batch])?;

        // Until it has gone out nothing is prepared for sure.
        let mut prepared = evaluated.prepared.take();
        let elements = plans.size.latent_elements();
        let model_output = output::<E>(executor, unet, "model_output");
        let combine = |out, offset, len, terms| Command::Combine { out, offset, len, terms };
        let mut commands: Vec<Command<'_, E>> = Vec::with_capacity(12);

        let sample = self.sample();
        let unconditional = self.unconditional.as_ref().filter(|_| guidance.uncond.is_some());
        #[cfg(feature = "cpu")]
        let is_evaluated = match unconditional {
            Some(out) => self.evaluate_with_partner(step, out, &mut prepared).await?,
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
                commands.extend(self.evaluation(evaluated, 0, &mut prepared)?);
                commands.push(combine(out, 0, elements, vec![term(1.0, model_output, 0)]));
            }
            commands.extend(self.prompts_half(evaluated, &mut prepared)?);
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
        let kept = match self.sampling.plan().thresholding {
            None => of_prediction(step.model_value),
            Some(thresholding) => {
                commands.push(Command::Threshold { estimate: &self.denoised, len: elements, thresholding });
                let [of_sample, of_denoised] = step.model_value_by_denoised();
                vec![term(of_sample, sample, 0), term(of_denoised, &self.denoised, 0)]
            }
        };
        commands.push(combine(model_value, 0, elements, kept));

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
        executor.submit_in_pieces(&commands).await?;
        evaluated.prepared.set(prepared);
        Ok(())
    }

    /// Has the partner evaluate the half without the prompt, into `out`, and evaluates the other meanwhile. False without
    /// a partner, and where it failed: then both are still to be done.
    #[cfg(feature = "cpu")]
    async fn evaluate_with_partner(
        &self,
        step: &StepPlan,
        out: &E::Tensor,
        prepared: &mut Option<Prepared>,
    ) -> Result<bool> {
        let Some(partner) = self.pairing.get() else { return Ok(false) };
        let (executor, plans) = (self.executor.as_ref(), &self.plans);
        let unet = &plans.unet;
        executor.submit(&[self.scaled_sample(step, unet, 0)])?;
        let mut encoder_hidden_states = executor.read(&self.prompt_embeds).await?;
        encoder_hidden_states.truncate(plans.size.text_elements());
        let answer = partner.begin(Half {
            sample: executor.read(input::<E>(executor, unet, "sample")).await?,
            timesteps: self.known_timesteps(),
            step: self.sampling.position % KNOWN_TIMESTEPS,
            encoder_hidden_states,
            width: plans.size.width,
            height: plans.size.height,
        });
        executor.submit_in_pieces(&self.prompts_half(plans, prepared)?).await?;
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

    /// An evaluation with the prompts from element `from` of the embeddings, for which the network may be `prepared`; it is
    /// afterwards.
    fn evaluation<'a>(
        &'a self,
        plans: &'a Plans<E>,
        from: usize,
        prepared: &mut Option<Prepared>,
    ) -> Result<Vec<Command<'a, E>>> {
        let wanted = Prepared { run: self.number, from, timesteps: self.known_timesteps() };
        let mut commands = Vec::new();
        if prepared.as_ref() != Some(&wanted) {
            let (executor, unet) = (self.executor.as_ref(), &plans.unet);
            executor.write(input::<E>(executor, unet, "timesteps"), &wanted.timesteps)?;
            let out = input::<E>(executor, unet, "encoder_hidden_states");
            let (len, terms) = (plans.size.text_elements(), vec![term(1.0, &self.prompt_embeds, from)]);
            commands.push(Command::Combine { out, offset: 0, len, terms });
            commands.push(Command::Prepare(unet));
            *prepared = Some(wanted);
        }
        commands.push(Command::Evaluate(&plans.unet));
        Ok(commands)
    }

    /// Those among which the next evaluation's is, zeros where the plan ends before; an adaptive solver's go as far as its attempt.
    fn known_timesteps(&self) -> Vec<f32> {
        let steps = &self.sampling.plan().steps;
        let first = self.sampling.position / KNOWN_TIMESTEPS * KNOWN_TIMESTEPS;
        let timesteps = steps[first..].iter().map(|step| step.timestep as f32);
        timesteps.chain(std::iter::repeat(0.0)).take(KNOWN_TIMESTEPS).collect()
    }

    /// The evaluation whose batch ends with the prompt.
    fn prompts_half<'a>(
        &'a self,
        plans: &'a Plans<E>,
        prepared: &mut Option<Prepared>,
    ) -> Result<Vec<Command<'a, E>>> {
        self.evaluation(plans, self.text_elements - plans.size.text_elements(), prepared)
    }

    /// The update after entry `position` of the plan.
    pub(super) fn update(&self, position: usize, update: &[(Source, f64)]) -> Command<'_, E> {
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
    pub(super) fn sample(&self) -> &E::Tensor {
        &self.samples[self.sampling.position % self.samples.len()]
    }
}
