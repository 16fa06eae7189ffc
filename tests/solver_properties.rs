//! What holds for every method, spacing and set of options: valid ones give finite plans that keep to the
//! budget and end where they were asked to, invalid ones give an error that names the option.

use tenstep::Error;
use tenstep::options::Field;
use tenstep::solver::{
    self, Accepted, BetaSchedule, FinalSigmas, Levels, NoiseLevel, OptionSpec, PredictionType, SamplingPlan,
    Schedule, SchedulerConfig, Solver, SolverOptions, Source, Spacing,
};

/// Whole numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    fn unit(&mut self) -> f64 {
        self.below(1001) as f64 / 1000.0
    }
}

fn field(random: &mut Random, spec: &OptionSpec) -> (String, Field) {
    let value = match spec.accepted {
        Accepted::Whole { least, most, .. } => Field::Number((least + random.below(most - least + 1)) as f64),
        Accepted::Number { least, most, .. } => Field::Number(least + random.unit() * (most - least)),
        Accepted::Words(words) => Field::Text(words[random.below(words.len())].to_owned()),
        Accepted::Switch { .. } => Field::Other((random.below(2) == 1).to_string()),
    };
    (spec.name.to_owned(), value)
}

fn configs() -> Vec<SchedulerConfig> {
    let linear = SchedulerConfig::default();
    let cosine = SchedulerConfig {
        beta_schedule: BetaSchedule::SquaredcosCapV2,
        prediction_type: PredictionType::VPrediction,
        ..linear.clone()
    };
    let zero_snr = SchedulerConfig {
        rescale_betas_zero_snr: true,
        prediction_type: PredictionType::VPrediction,
        ..linear.clone()
    };
    let flow = SchedulerConfig { prediction_type: PredictionType::Flow, flow_shift: 3.0, ..linear.clone() };
    vec![linear, cosine, zero_snr, flow]
}

/// The sample where a run ends that starts at `alpha · clean + sigma · epsilon`, if the model values are these
/// at every level, whatever rounding or a large step has made of the sample.
fn end(plan: &SamplingPlan, prediction_type: PredictionType, clean: f64, epsilon: f64) -> f64 {
    let first = plan.steps[0].level;
    let mut samples = vec![first.alpha * clean + first.sigma * epsilon];
    let mut values = Vec::new();
    for step in &plan.steps {
        let value = match step.model_value {
            map if map == step.denoised => clean,
            map if map == prediction_type.epsilon(step.level) => epsilon,
            _ => epsilon - clean,
        };
        values.insert(0, value);
        let combine = |samples: &[f64], terms: &[(Source, f64)]| -> f64 {
            let read = |source| match source {
                Source::Sample(back) => samples[back],
                Source::ModelValue(back) => values[back],
                Source::Noise => panic!("only for deterministic plans"),
            };
            terms.iter().map(|&(source, coefficient)| coefficient * read(source)).sum()
        };
        if !step.correction.is_empty() {
            samples[0] = combine(&samples, &step.correction);
        }
        samples.insert(0, combine(&samples, &step.update));
    }
    samples[0]
}

/// Where the data are one point, every deterministic method is exact: the sample stays on the line from that
/// point, with the noise that the last level has. So it says where the run ended.
fn check(
    solver: &dyn Solver,
    config: &SchedulerConfig,
    options: &SolverOptions,
    spacing: Spacing,
    budget: usize,
) {
    let name = format!("{} {options:?} {spacing:?} {budget} evaluations, {config:?}", solver.name());
    let plan = match solver::plan(solver, options, config, spacing, budget) {
        Ok(plan) => plan,
        // The spacing has not so many levels, or the start takes more than the budget.
        Err(Error::InvalidOption { option: "steps", .. }) if budget > 100 || solver.name() == "pndm" => {
            return;
        }
        Err(error) => panic!("{name}: {error}"),
    };
    assert!(plan.evaluations() <= budget, "{name}: {} evaluations", plan.evaluations());
    assert_eq!(plan.stages.iter().sum::<usize>(), plan.evaluations(), "{name}");
    let by_denoised = plan.steps.iter().flat_map(|step| step.model_value_by_denoised());
    assert!(by_denoised.into_iter().all(f64::is_finite), "{name}: no model value follows from an estimate");
    assert!(plan.history <= 13 && plan.samples <= 4, "{name}: {} {}", plan.history, plan.samples);
    // Within a step, an ancestral method may evaluate below the level it ends at; churn raises levels.
    let firsts = plan.stages.iter().scan(0, |evaluations, stages| {
        *evaluations += stages;
        Some(plan.steps[*evaluations - stages].level.sigma_over_alpha())
    });
    let falls = firsts.is_sorted_by(|before, after| before >= after);
    assert!(falls || options.s_churn.is_some(), "{name}: noise rises");

    // The boundary condition of LCM keeps a part of the sample, which is much at a small timestep; a consistency
    // model's sample is clean at timestep 0.
    if plan.is_stochastic() || ["lcm", "consistency"].contains(&solver.name()) {
        return;
    }
    let (clean, epsilon) = (0.7, -1.3);
    let last = end(&plan, config.prediction_type, clean, epsilon);
    let ends_clean = options.final_sigmas.unwrap_or(config.final_sigmas_type) == FinalSigmas::Zero;
    let level = if ends_clean && solver.name() != "dpm-fast" {
        NoiseLevel::CLEAN
    } else {
        Schedule::new(config).expect("a schedule").level(0)
    };
    let expected = level.alpha * clean + level.sigma * epsilon;
    assert!((last - expected).abs() < 1e-5, "{name}: ends at {last}, not {expected}");
}

#[test]
fn valid_options_give_finite_plans_within_the_budget_that_end_where_asked() {
    let mut random = Random(7);
    let configs = configs();
    // tests/solver_adaptive.rs is about the others.
    for solver in solver::all().filter(|solver| !solver.is_adaptive()) {
        for _ in 0..60 {
            let mut fields = Vec::new();
            for spec in solver.options().iter().chain(&solver::OF_EVERY_METHOD) {
                if random.below(2) == 0 {
                    fields.push(field(&mut random, spec));
                }
            }
            let options = SolverOptions::from_fields(&fields).expect("valid options");
            let spacing = Spacing::ALL[random.below(Spacing::ALL.len())];
            let most = if random.below(8) == 0 { 1000 } else { 40 };
            let budget = 1 + random.below(most);
            check(solver, &configs[random.below(configs.len())], &options, spacing, budget);
        }
    }
}

#[test]
fn invalid_options_are_refused_by_name() {
    let config = SchedulerConfig::default();
    let refused = |solver: &str, name: &str, value: Field| -> Error {
        let plan = |options: SolverOptions| {
            solver::plan(solver::find(solver)?, &options, &config, Spacing::Trailing, 20).map(drop)
        };
        let result = SolverOptions::from_fields(&[(name.to_owned(), value)]).and_then(plan);
        result.expect_err("an invalid option")
    };
    for (solver, name, value, message) in [
        ("unipc", "order", Field::Number(4.0), "order must be a whole number from 1 to 3, not 4"),
        ("unipc", "order", Field::Number(1.5), "order must be a whole number, not 1.5"),
        (
            "unipc",
            "solver_type",
            Field::Text("heun".to_owned()),
            "solver_type must be one of bh2, bh1, not \"heun\"",
        ),
        ("euler-a", "eta", Field::Number(1.5), "eta must be a number from 0 to 1, not 1.5"),
        ("dpm2", "eta", Field::Number(0.5), "eta must be left out: dpm2 has only final_sigmas, not 0.5"),
        ("euler-a", "s_noise", Field::Number(f64::NAN), "s_noise must be a number, not NaN"),
        (
            "unipc",
            "corrector",
            Field::Text("maybe".to_owned()),
            "corrector must be true or false, not \"maybe\"",
        ),
        ("dpm-fast", "order", Field::Number(2.0), "order must be left out: dpm-fast has none, not 2"),
    ] {
        let error = refused(solver, name, value);
        assert_eq!(error.to_string(), message);
    }
    for name in ["final_sigmas", "solver_type"] {
        let error = refused("dpmpp-2m", name, Field::Text("magic".to_owned()));
        assert!(matches!(error, Error::InvalidOption { option, .. } if option == name), "{error}");
    }
    let error = refused("dpmpp-2m", "ordre", Field::Number(2.0));
    assert!(error.to_string().contains("\"ordre\""), "{error}");
    let solver = solver::find("pndm").expect("a listed solver");
    let error = solver::plan(solver, &SolverOptions::default(), &config, Spacing::Trailing, 10)
        .expect_err("its start alone takes more");
    assert_eq!(error.to_string(), "steps must be at least 13 for pndm: its start alone takes 12, not 10");
}

#[test]
fn every_option_that_a_method_lists_can_be_set() {
    let mut random = Random(11);
    for solver in solver::all() {
        for spec in solver.options().iter().chain(&solver::OF_EVERY_METHOD) {
            assert!(SolverOptions::NAMES.contains(&spec.name));
            let options = SolverOptions::from_fields(&[field(&mut random, spec)]).expect("a valid option");
            let config = SchedulerConfig::default();
            if solver.is_adaptive() {
                solver::adaptive(solver, &options, &config, 20).expect("a run");
            } else {
                solver::plan(solver, &options, &config, Spacing::Trailing, 20).expect("a plan");
            }
        }
    }
}

#[test]
fn people_find_methods_by_the_names_they_know() {
    for (name, solver, spacing) in [
        ("DPM++ 2M Karras", "dpmpp-2m", Some(Spacing::Karras)),
        ("DPM++ 2M", "dpmpp-2m", None),
        ("dpmpp_2m_sde", "dpmpp-2m-sde", None),
        ("DPM++ 2M Polyexponential", "dpmpp-2m", Some(Spacing::Exponential)),
        ("DPM++ 2M SDE Exponential", "dpmpp-2m-sde", Some(Spacing::Exponential)),
        ("DPM++ 3M SDE", "dpmpp-3m-sde", None),
        ("DPM++ 2S a Karras", "dpmpp-2s-a", Some(Spacing::Karras)),
        ("Euler", "euler", None),
        ("Euler a", "euler-a", None),
        ("euler_ancestral", "euler-a", None),
        ("Heun", "heun", None),
        ("DPM2", "dpm2", None),
        ("DPM2 a Karras", "dpm2-a", Some(Spacing::Karras)),
        ("DPM fast", "dpm-fast", None),
        ("DPM adaptive", "dpm-adaptive", None),
        ("DPM++ SDE Karras", "dpmpp-sde", Some(Spacing::Karras)),
        ("LMS Karras", "lms", Some(Spacing::Karras)),
        ("PLMS", "plms", None),
        ("UniPC", "unipc", None),
        ("uni_pc_bh2", "unipc", None),
        ("DDIM", "ddim", None),
        ("DEIS", "deis", None),
        ("iPNDM", "ipndm", None),
        ("SA Solver", "sa-solver", None),
        ("LCM", "lcm", None),
        ("TCD", "tcd", None),
    ] {
        let (found, implied) = solver::resolve(name).expect(name);
        assert_eq!((found.name(), implied), (solver, spacing), "{name}");
    }
    // No name means two methods.
    let mut names: Vec<&str> =
        solver::all().flat_map(|solver| solver.aliases().iter().copied().chain([solver.name()])).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for solver in solver::all() {
        for alias in solver.aliases() {
            assert_eq!(solver::find(alias).expect(alias).name(), solver.name());
        }
    }
}

/// A list of the levels that a spacing gives means what the spacing means, and has as many evaluations as a
/// budget without a remainder.
#[test]
fn levels_may_be_listed() {
    let config = SchedulerConfig::default();
    let options = SolverOptions::default();
    for (name, budget) in
        [("dpmpp-2m", 10), ("unipc", 7), ("heun", 9), ("dpmpp-3s", 7), ("pndm", 16), ("plms", 8)]
    {
        let solver = solver::find(name).expect("a listed solver");
        let planned = solver::plan(solver, &options, &config, Spacing::Trailing, budget).expect("a plan");
        // Each step's first level; each evaluation's where the stages lie on the grid.
        let every = solver.levels(&planned.stages) == planned.evaluations();
        let mut at = 0;
        let firsts: Vec<usize> = planned.stages.iter().map(|stages| (at, at += stages).0).collect();
        let firsts = if every { (0..planned.evaluations()).collect() } else { firsts };
        let timesteps: Vec<f64> = firsts.iter().map(|&index| planned.steps[index].timestep).collect();
        let listed =
            solver::plan_at(solver, &options, &config, Levels::Timesteps(&timesteps)).expect("a plan");
        assert_eq!(listed.stages, planned.stages, "{name}");
        assert_eq!(listed.steps, planned.steps, "{name}");

        let sigma = |&index: &usize| planned.steps[index].level.sigma_over_alpha();
        let sigmas: Vec<f64> = firsts.iter().map(sigma).chain([0.0]).collect();
        let listed = solver::plan_at(solver, &options, &config, Levels::Sigmas(&sigmas)).expect("a plan");
        assert_eq!(listed.stages, planned.stages, "{name}");
        for (listed, planned) in listed.steps.iter().zip(&planned.steps) {
            assert!((listed.timestep - planned.timestep).abs() < 1e-9, "{name}");
        }
    }
    let refused = |name: &str, levels: Levels<'_>| {
        let solver = solver::find(name).expect("a listed solver");
        solver::plan_at(solver, &options, &config, levels).expect_err("no such levels").to_string()
    };
    for list in [&[][..], &[1000.0, 1.0], &[1.0, 2.0], &[f64::NAN], &[5.0, 5.0], &[-1.0]] {
        let message = refused("ddim", Levels::Timesteps(list));
        assert!(
            message.starts_with("timesteps must be at least one number, falling within 999 to 0"),
            "{message}"
        );
    }
    // Networks of flow matching are told 0 of a clean sample, which they have nothing to say of.
    let flow = SchedulerConfig { prediction_type: PredictionType::Flow, ..SchedulerConfig::default() };
    let euler = solver::find("flow-euler").expect("a listed solver");
    let error = solver::plan_at(euler, &options, &flow, Levels::Timesteps(&[500.0, 0.0])).expect_err("clean");
    assert!(error.to_string().starts_with("timesteps must be"), "{error}");
    solver::plan_at(euler, &options, &flow, Levels::Timesteps(&[1000.0, 0.5])).expect("nearly clean");
    assert!(refused("ddim", Levels::Sigmas(&[1.0])).starts_with("sigmas must be at least two numbers"));
    // Levels of which there is no telling apart, by the timesteps of these or by arithmetic, are no fault of the checkpoint.
    for (name, list) in [("deis-tab", [1.0, 0.002, 0.001, 0.0]), ("dpm-2m", [1.0, 1e-320, 1e-321, 0.0])] {
        let message = refused(name, Levels::Sigmas(&list));
        assert!(
            message.starts_with(&format!("sigmas must be levels that {name} can step between")),
            "{message}"
        );
    }
    let many: Vec<f64> = (0..20).map(f64::from).collect();
    assert!(refused("ddim", Levels::Sigmas(&many)).ends_with("not a list of 20 numbers"));
    let message = refused("dpm-fast", Levels::Timesteps(&[999.0, 500.0]));
    assert_eq!(
        message,
        "timesteps must be left out, or of another length, with dpm-fast, not [999.0, 500.0]"
    );
}

/// Euler's method in `sigma / alpha` is DDIM.
#[test]
fn euler_is_ddim_on_the_same_levels() {
    let config = SchedulerConfig::default();
    for spacing in [Spacing::Linspace, Spacing::Karras] {
        for steps in [1, 2, 10, 50] {
            let [ddim, euler] = ["ddim", "euler"].map(|name| {
                let solver = solver::find(name).expect("a listed solver");
                solver::plan(solver, &SolverOptions::default(), &config, spacing, steps).expect("a plan")
            });
            let data =
                |x: f64, level: NoiseLevel| x * level.alpha * 0.25 / (1.0 - 0.75 * level.alpha.powi(2));
            let run = |plan: &SamplingPlan| {
                plan.steps.iter().fold(0.8, |x, step| {
                    let epsilon = (x - step.level.alpha * data(x, step.level)) / step.level.sigma;
                    let value = step.model_value.sample * x + step.model_value.model_output * epsilon;
                    let read = |source| if source == Source::Sample(0) { x } else { value };
                    step.update.iter().map(|&(source, coefficient)| coefficient * read(source)).sum()
                })
            };
            assert!((run(&ddim) - run(&euler)).abs() < 1e-12, "{spacing:?}, {steps} steps");
        }
    }
}
