//! What runs cost and do: every method evaluates the network as often as its plan says, waits for the device only where
//! it judges its own steps, and ends where its plan says in f64.

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pollster::block_on;
use support::runs::size;
use support::{Checkpoint, relative_error};
use tenstep::burn::Cpu;
use tenstep::error::{Error, Result};
use tenstep::executor::{BackendReport, Command, Executor, Term};
use tenstep::graph::Graph;
use tenstep::options::{Field, GenerateOptions};
use tenstep::pipeline::{Model, open};
use tenstep::random::{BrownianPath, Noise, Of, normals};
use tenstep::solver::{self, SchedulerConfig, SolverOptions, Source, Spacing};
use tenstep::weights::TensorInfo;

/// The CPU's executor, counting.
struct Counting {
    cpu: Cpu,
    /// The largest batch of the UNet that there is memory for.
    room: usize,
    /// Rows of all batches that the UNet was evaluated with.
    rows: Cell<usize>,
    evaluations: Cell<usize>,
    preparations: Cell<usize>,
    awaited_reads: Cell<usize>,
    /// Of each evaluation of the UNet.
    model_outputs: RefCell<Vec<Vec<f32>>>,
    /// Those that the UNet was last prepared for.
    prepared_timesteps: RefCell<Vec<f32>>,
    /// Of each evaluation of the UNet.
    timesteps: RefCell<Vec<f32>>,
}

struct Plan {
    plan: <Cpu as Executor>::Plan,
    /// The batch, if this is the UNet.
    unet_batch: Option<usize>,
}

impl Executor for Counting {
    type Tensor = <Cpu as Executor>::Tensor;
    type Weights = <Cpu as Executor>::Weights;
    type Plan = Plan;
    type Readback = <Cpu as Executor>::Readback;

    fn report(&self) -> BackendReport {
        self.cpu.report()
    }

    fn tensor(&self, shape: &[usize]) -> Result<Self::Tensor> {
        self.cpu.tensor(shape)
    }

    fn write(&self, tensor: &Self::Tensor, values: &[f32]) -> Result<()> {
        self.cpu.write(tensor, values)
    }

    fn weights(&self, tensors: &[TensorInfo]) -> Result<Self::Weights> {
        self.cpu.weights(tensors)
    }

    fn push(&self, weights: &mut Self::Weights, tensor: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        self.cpu.push(weights, tensor, offset, bytes)
    }

    async fn plan(&self, graph: &Graph, weights: &Self::Weights) -> Result<Plan> {
        let unet = graph.inputs().find(|(name, _)| *name == "encoder_hidden_states");
        let unet_batch = unet.map(|(_, value)| graph.shape(value)[0]);
        if unet_batch.is_some_and(|batch| batch > self.room) {
            return Err(Error::OutOfMemory { message: "a test wanted it so".to_owned() });
        }
        Ok(Plan { plan: self.cpu.plan(graph, weights).await?, unet_batch })
    }

    fn input<'a>(&self, plan: &'a Plan, name: &str) -> Option<&'a Self::Tensor> {
        self.cpu.input(&plan.plan, name)
    }

    fn output<'a>(&self, plan: &'a Plan, name: &str) -> Option<&'a Self::Tensor> {
        self.cpu.output(&plan.plan, name)
    }

    fn submit(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        let copied = |terms: &[Term<'_, Self::Tensor>]| -> Vec<(f32, Self::Tensor, usize)> {
            terms.iter().map(|term| (term.coefficient, term.tensor.clone(), term.offset)).collect()
        };
        for command in commands {
            match command {
                Command::Prepare(plan) => {
                    self.preparations.set(self.preparations.get() + 1);
                    self.prepared_timesteps.replace(self.input_values(plan, "timesteps"));
                    self.cpu.submit(&[Command::Prepare(&plan.plan)])?;
                }
                Command::Evaluate(plan) => {
                    if let Some(batch) = plan.unet_batch {
                        self.evaluations.set(self.evaluations.get() + 1);
                        self.rows.set(self.rows.get() + batch);
                        let prepared = self.prepared_timesteps.borrow();
                        let steps = self.input_values(plan, "step");
                        assert!(steps.iter().all(|step| *step == steps[0]), "all samples are at one step");
                        self.timesteps.borrow_mut().push(prepared[steps[0] as usize]);
                    }
                    self.cpu.submit(&[Command::Evaluate(&plan.plan)])?;
                    if plan.unet_batch.is_some() {
                        let output = self.cpu.output(&plan.plan, "model_output").expect("the UNet's output");
                        self.model_outputs.borrow_mut().push(block_on(self.cpu.read(output))?);
                    }
                }
                Command::Combine { out, offset, len, terms } => {
                    let copied = copied(terms);
                    let terms = borrowed(&copied);
                    self.cpu.submit(&[Command::Combine { out, offset: *offset, len: *len, terms }])?;
                }
                Command::CombineRescaled { out, offset, len, terms, rescale } => {
                    let copied = copied(terms);
                    let (offset, len, terms, rescale) = (*offset, *len, borrowed(&copied), *rescale);
                    self.cpu.submit(&[Command::CombineRescaled { out, offset, len, terms, rescale }])?;
                }
                Command::Threshold { estimate, len, thresholding } => {
                    let (len, thresholding) = (*len, *thresholding);
                    self.cpu.submit(&[Command::Threshold { estimate, len, thresholding }])?;
                }
            }
        }
        Ok(())
    }

    async fn submit_in_pieces(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        self.submit(commands)
    }

    fn begin_read(&self, tensors: &[&Self::Tensor]) -> Result<Option<Self::Readback>> {
        self.cpu.begin_read(tensors)
    }

    async fn try_read(&self, readback: &mut Self::Readback) -> Result<Option<Vec<f32>>> {
        self.cpu.try_read(readback).await
    }

    async fn read(&self, tensor: &Self::Tensor) -> Result<Vec<f32>> {
        self.awaited_reads.set(self.awaited_reads.get() + 1);
        self.cpu.read(tensor).await
    }

    async fn settle(&self, in_flight: usize) -> Result<()> {
        self.cpu.settle(in_flight).await
    }
}

impl Counting {
    fn input_values(&self, plan: &Plan, name: &str) -> Vec<f32> {
        let input = self.cpu.input(&plan.plan, name).expect("an input of the UNet");
        block_on(self.cpu.read(input)).expect("a read")
    }
}

fn borrowed<T>(terms: &[(f32, T, usize)]) -> Vec<Term<'_, T>> {
    terms
        .iter()
        .map(|(coefficient, tensor, offset)| Term { coefficient: *coefficient, tensor, offset: *offset })
        .collect()
}

fn model() -> (Rc<Counting>, Model<Counting>) {
    model_with_room(2)
}

fn model_with_room(room: usize) -> (Rc<Counting>, Model<Counting>) {
    let executor = Rc::new(Counting {
        cpu: Cpu::new(),
        room,
        rows: Cell::new(0),
        evaluations: Cell::new(0),
        preparations: Cell::new(0),
        awaited_reads: Cell::new(0),
        model_outputs: RefCell::default(),
        prepared_timesteps: RefCell::default(),
        timesteps: RefCell::default(),
    });
    let model =
        block_on(open(executor.clone(), &Checkpoint::default_model().path)).expect("the default model loads");
    (executor, model)
}

/// What a run cost, and whether its latents are numbers.
struct Cost {
    evaluations: usize,
    rows: usize,
    preparations: usize,
    awaited_reads: usize,
    /// What the run said of itself.
    steps: usize,
    solver_steps: usize,
}

fn cost(executor: &Counting, model: &Model<Counting>, fields: &[(&str, Field)]) -> Cost {
    let fields: Vec<(String, Field)> =
        fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect();
    let options = GenerateOptions::from_fields(&fields, model.limits()).expect("good options");
    let mut run = block_on(model.start(&options)).expect("a run");
    for counter in [&executor.evaluations, &executor.rows, &executor.preparations, &executor.awaited_reads] {
        counter.set(0);
    }
    while !run.is_done() {
        block_on(run.step()).expect("a step");
    }
    let cost = Cost {
        evaluations: executor.evaluations.get(),
        rows: executor.rows.get(),
        preparations: executor.preparations.get(),
        awaited_reads: executor.awaited_reads.get(),
        steps: run.steps(),
        solver_steps: run.solver_steps(),
    };
    assert_eq!(run.step_number(), cost.evaluations);
    let latents = block_on(run.latents()).expect("latents");
    assert!(latents.iter().all(|value| value.is_finite()));
    cost
}

#[test]
fn a_method_costs_its_evaluations_and_no_wait() {
    let (executor, model) = model();
    for solver in solver::all() {
        let fields = [
            ("prompt", Field::Text("a red apple".to_owned())),
            ("guidanceScale", Field::Number(1.0)),
            ("solver", Field::Text(solver.name().to_owned())),
            ("steps", Field::Number(14.0)),
        ];
        let cost = cost(&executor, &model, &fields);
        let name = solver.name();
        assert_eq!(cost.evaluations, cost.steps, "{name}");
        assert!(
            cost.evaluations <= 14 && cost.rows == cost.evaluations,
            "{name}: {} evaluations",
            cost.evaluations
        );
        assert!(cost.solver_steps <= cost.evaluations, "{name}");
        if solver.is_adaptive() {
            // Two samples of each attempt that is judged, whose timesteps are known when it begins.
            let attempts = cost.awaited_reads / 2;
            assert!(attempts > 0 && attempts <= cost.evaluations, "{name}");
            // The last may not be judged.
            assert!(cost.preparations == attempts || cost.preparations == attempts + 1, "{name}");
        } else {
            assert_eq!(cost.preparations, 1, "{name} makes keys and values of the text once");
            assert_eq!(cost.evaluations, 14, "{name} uses its budget up");
            assert_eq!(cost.awaited_reads, 0, "{name} waits");
        }
    }
}

#[test]
fn where_there_is_no_guidance_the_prompt_alone_is_evaluated() {
    let (executor, model) = model();
    let rows = |interval: [f64; 2]| {
        let fields = [
            ("prompt", Field::Text("a red apple".to_owned())),
            ("guidanceScale", Field::Number(4.0)),
            ("steps", Field::Number(10.0)),
            ("guidanceInterval", Field::Numbers(interval.to_vec())),
        ];
        cost(&executor, &model, &fields).rows
    };
    assert_eq!(rows([0.0, f64::INFINITY]), 20);
    assert_eq!(rows([1e6, 1e7]), 10);
    let some = rows([0.3, 3.0]);
    assert!(some > 10 && some < 20, "{some}");
}

/// More evaluations than a UNet is prepared for at once.
#[test]
fn every_evaluation_is_at_its_timestep() {
    let (executor, model) = model();
    let scheduler = SchedulerConfig::from_json(&Checkpoint::default_model().manifest.scheduler);
    let scheduler = scheduler.expect("a config");
    let [width, height] = size(&model, [2, 2]);
    let fields = [
        ("prompt", Field::Text("a red apple".to_owned())),
        ("solver", Field::Text("dpmpp-2s-ancestral".to_owned())),
        ("steps", Field::Number(70.0)),
        width,
        height,
    ];
    let cost = cost(&executor, &model, &fields);
    assert_eq!((cost.evaluations, cost.preparations), (70, 3));
    let solver = solver::find("dpmpp-2s-ancestral").expect("a solver");
    let plan = solver::plan(solver, &SolverOptions::default(), &scheduler, Spacing::Trailing, 70);
    let planned: Vec<f32> = plan.expect("a plan").steps.iter().map(|step| step.timestep as f32).collect();
    assert_eq!(*executor.timesteps.borrow(), planned);
}

/// Two runs in turns share a plan: each has to make its own keys and values.
#[test]
fn a_text_is_prepared_again_after_another_run_had_its_turn() {
    let (executor, model) = model();
    let start = |prompt: &str| {
        let fields = [
            ("prompt", Field::Text(prompt.to_owned())),
            ("steps", Field::Number(4.0)),
            ("seed", Field::Number(3.0)),
        ];
        let fields: Vec<(String, Field)> =
            fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect();
        let options = GenerateOptions::from_fields(&fields, model.limits()).expect("good options");
        block_on(model.start(&options)).expect("a run")
    };
    let prompts = ["a red apple", "a blue fish"];
    let alone = prompts.map(|prompt| {
        let mut run = start(prompt);
        while !run.is_done() {
            block_on(run.step()).expect("a step");
        }
        block_on(run.latents()).expect("latents")
    });
    executor.preparations.set(0);
    let mut runs = prompts.map(start);
    while !runs[0].is_done() {
        for run in &mut runs {
            block_on(run.step()).expect("a step");
        }
    }
    assert_eq!(executor.preparations.get(), 8);
    let in_turns = runs.map(|run| block_on(run.latents()).expect("latents"));
    assert!(in_turns == alone, "each picture is as if it had been alone");
}

#[test]
fn where_memory_is_short_the_halves_of_guidance_take_turns() {
    let of = |room: usize, more: &[(&str, Field)]| {
        let (executor, model) = model_with_room(room);
        let mut fields = vec![
            ("prompt".to_owned(), Field::Text("a red apple".to_owned())),
            ("negativePrompt".to_owned(), Field::Text("a leaf".to_owned())),
            ("steps".to_owned(), Field::Number(4.0)),
        ];
        fields.extend(more.iter().map(|(name, field)| ((*name).to_owned(), field.clone())));
        let options = GenerateOptions::from_fields(&fields, model.limits()).expect("good options");
        let mut run = block_on(model.start(&options)).expect("a run");
        while !run.is_done() {
            block_on(run.step()).expect("a step");
        }
        let latents = block_on(run.latents()).expect("latents");
        (latents, executor.evaluations.get(), executor.rows.get(), run.warnings().to_vec())
    };
    let some = [("guidanceInterval", Field::Numbers(vec![0.3, 3.0]))];
    let rescaled = [("guidanceRescale", Field::Number(0.7))];
    for more in [&[][..], &some, &rescaled] {
        let (together, evaluations, rows, warnings) = of(2, more);
        assert_eq!((evaluations, warnings.len()), (4, 0));
        let (in_turns, turns, rows_in_turns, warnings) = of(1, more);
        assert_eq!((turns, rows_in_turns), (rows, rows), "{more:?}: a row at a time");
        let error = relative_error(&in_turns, &together);
        assert!(error < 1e-5, "{more:?}: {error}");
        assert!(warnings[0].contains("Memory is short"), "{warnings:?}");
    }
}

/// The same answers of the network, and the plan's coefficients in f64: what the device makes of them in f32.
#[test]
fn a_run_ends_where_its_plan_says() {
    let (executor, model) = model();
    let checkpoint = Checkpoint::default_model();
    let scheduler = SchedulerConfig::from_json(&checkpoint.manifest.scheduler).expect("a config");
    let autoencoder = checkpoint.autoencoder();
    let (seed, steps, scale) = (11, 13, 3.0);
    let mut worst = (0.0, "");
    for solver in solver::all().filter(|solver| !solver.is_adaptive()) {
        let [width, height] = size(&model, [2, 2]);
        let fields = [
            ("prompt", Field::Text("a red apple".to_owned())),
            ("guidanceScale", Field::Number(scale)),
            ("solver", Field::Text(solver.name().to_owned())),
            ("steps", Field::Number(f64::from(steps))),
            ("seed", Field::Number(seed as f64)),
            width,
            height,
        ];
        executor.model_outputs.borrow_mut().clear();
        let fields: Vec<(String, Field)> =
            fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect();
        let options = GenerateOptions::from_fields(&fields, model.limits()).expect("good options");
        let mut run = block_on(model.start(&options)).expect("a run");
        while !run.is_done() {
            block_on(run.step()).expect("a step");
        }
        let latents = block_on(run.latents()).expect("latents");

        let pixels = autoencoder.vae_scale_factor();
        let shape = [options.height / pixels, options.width / pixels, autoencoder.latent_channels()];
        let plan =
            solver::plan(solver, &SolverOptions::default(), &scheduler, Spacing::Trailing, steps as usize);
        let plan = plan.expect("a plan");
        let of_step = |step: usize| normals(Noise { seed, sample: 0, of: Of::Step(step as u32) }, shape);
        let in_f64 = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
        let mut path = BrownianPath::new(seed, 0, shape);
        let mut samples = vec![in_f64(of_step(0))];
        let mut values: Vec<Vec<f64>> = Vec::new();
        for (index, (step, output)) in plan.steps.iter().zip(&*executor.model_outputs.borrow()).enumerate() {
            let noise = match step.noise_span {
                Some(span) => in_f64(path.increment(span)),
                None => in_f64(of_step(index + 1)),
            };
            let (uncond, cond) = output.split_at(output.len() / 2);
            let guided =
                cond.iter().zip(uncond).map(|(c, u)| scale * f64::from(*c) + (1.0 - scale) * f64::from(*u));
            let map = step.model_value;
            let value = samples[0].iter().zip(guided).map(|(x, out)| map.sample * x + map.model_output * out);
            values.insert(0, value.collect());
            let combined = |samples: &[Vec<f64>], terms: &[(Source, f64)]| -> Vec<f64> {
                let read = |source, i: usize| match source {
                    Source::Sample(back) => samples[back][i],
                    Source::ModelValue(back) => values[back][i],
                    Source::Noise => noise[i],
                };
                (0..noise.len())
                    .map(|i| terms.iter().map(|&(source, factor)| factor * read(source, i)).sum())
                    .collect()
            };
            if !step.correction.is_empty() {
                samples[0] = combined(&samples, &step.correction);
            }
            samples.insert(0, combined(&samples, &step.update));
        }
        let expected: Vec<f32> = samples[0].iter().map(|value| *value as f32).collect();
        let error = relative_error(&latents, &expected);
        assert!(error < 1e-4, "{}: {error:e} from its plan in f64", solver.name());
        if error > worst.0 {
            worst = (error, solver.name());
        }
    }
    println!("at most {:.1e} from the plan in f64 ({})", worst.0, worst.1);
}
