//! The order of convergence of each solver, by `tenstep::solver::Convergence`: the data are a Gaussian, the flow is
//! known in closed form.

use tenstep::options::Field;
use tenstep::solver::{
    self, Convergence, NoiseLevel, PredictionType, Schedule, SchedulerConfig, SolverOptions, Source, Spacing,
    Spread,
};

const DEVIATIONS: [f64; 5] = [0.2, 0.35, 0.5, 0.8, 1.3];

/// Of the noisy samples at `level`.
fn deviation(s: f64, level: NoiseLevel) -> f64 {
    (level.alpha * s).hypot(level.sigma)
}

type Options = [(&'static str, &'static str)];

fn measured(solver: &str, options: &Options) -> Convergence {
    let field = |(name, value): &(&str, &str)| {
        let number = value.parse().map(Field::Number);
        (name.to_string(), number.unwrap_or_else(|_| Field::Text(value.to_string())))
    };
    let options = SolverOptions::from_fields(&options.iter().map(field).collect::<Vec<_>>());
    Convergence {
        solver: solver::find(solver).expect("a listed solver"),
        options: options.expect("known options"),
        spread: Spread::Lambda,
        exact_start: 0,
        fewest: 48,
    }
}

fn from_exact_start(solver: &str, options: &Options, exact_start: usize) -> Convergence {
    Convergence { exact_start, ..measured(solver, options) }
}

fn over_timesteps(solver: &str) -> Convergence {
    Convergence { spread: Spread::Timestep, fewest: 120, ..measured(solver, &[]) }
}

trait LiesIn {
    /// Measures for each prediction type, and asserts that the slope lies in `least..=most`.
    fn lies_in(self, least: f64, most: f64);
}

impl LiesIn for Convergence {
    fn lies_in(self, least: f64, most: f64) {
        use PredictionType::{Epsilon, Flow, Sample, VPrediction};
        for prediction_type in [Epsilon, VPrediction, Sample, Flow] {
            let config = SchedulerConfig { prediction_type, ..SchedulerConfig::default() };
            let slope = self.order(&config).expect("a plan");
            let Self { solver, options, exact_start, .. } = &self;
            let name =
                format!("{} {options:?}, exact start {exact_start}, {prediction_type:?}", solver.name());
            println!("{name}: slope {slope:.3}");
            assert!((least..=most).contains(&slope), "{name}: slope {slope}, not in {least} to {most}");
        }
    }
}

#[test]
fn first_order() {
    measured("ddim", &[]).lies_in(0.9, 1.1);
    measured("euler", &[]).lies_in(0.9, 1.1);
    measured("flow-euler", &[]).lies_in(0.9, 1.1);
    measured("euler-a", &[("eta", "0")]).lies_in(0.9, 1.1);
    measured("unipc", &[("order", "1"), ("corrector", "false")]).lies_in(0.9, 1.1);
    measured("deis", &[("order", "1")]).lies_in(0.9, 1.1);
}

#[test]
fn dpm_solver_multistep() {
    for solver in ["dpmpp-2m", "dpm-2m"] {
        measured(solver, &[]).lies_in(1.85, 2.15);
        measured(solver, &[("solver_type", "heun")]).lies_in(1.85, 2.15);
    }
    measured("dpmpp-2m-sde", &[("eta", "0")]).lies_in(1.85, 2.15);
    measured("dpmpp-sde", &[("eta", "0")]).lies_in(1.85, 2.15);
    measured("flow-heun", &[]).lies_in(1.85, 2.15);
    // The third order of the authors' code weighs the second difference by half of what its integral gives,
    // so its slope is 2 even from an exact start.
    for solver in ["dpmpp-3m", "dpm-3m"] {
        measured(solver, &[]).lies_in(1.8, 2.3);
        from_exact_start(solver, &[], 3).lies_in(1.8, 2.3);
    }
}

/// What the third order has over the second.
#[test]
fn the_third_order_has_the_smaller_error() {
    let config = SchedulerConfig::default();
    for n in [20, 40, 80] {
        let [second, third] =
            ["dpmpp-2m", "dpmpp-3m"].map(|solver| measured(solver, &[]).error(&config, n).expect("a plan").1);
        assert!(third < second, "{n} evaluations: {third:e}, second order {second:e}");
    }
}

#[test]
fn dpm_solver_singlestep() {
    for solver in ["dpm-2s", "dpmpp-2s"] {
        measured(solver, &[]).lies_in(1.8, 2.2);
        measured(solver, &[("solver_type", "heun")]).lies_in(1.8, 2.2);
    }
    for solver in ["dpm-3s", "dpmpp-3s"] {
        measured(solver, &[]).lies_in(2.7, 3.7);
        measured(solver, &[("solver_type", "heun")]).lies_in(2.7, 3.7);
    }
    measured("dpmpp-2s-a", &[("eta", "0")]).lies_in(1.8, 2.2);
}

#[test]
fn unipc() {
    for solver_type in ["bh1", "bh2"] {
        let second = [("order", "2"), ("solver_type", solver_type), ("lower_order_final", "false")];
        measured("unipc", &second).lies_in(2.8, 3.2);
    }
    measured("unipc", &[("order", "1")]).lies_in(1.8, 2.2);
    measured("unipc", &[("order", "2"), ("corrector", "false")]).lies_in(1.8, 2.2);
    from_exact_start("unipc", &[("order", "3"), ("corrector", "false"), ("lower_order_final", "false")], 3)
        .lies_in(2.7, 3.3);
    from_exact_start("unipc", &[("order", "3"), ("lower_order_final", "false")], 3).lies_in(3.6, 4.4);
    measured("unipc", &[("order", "3"), ("lower_order_final", "false")]).lies_in(3.3, 4.4);
    // A last step of lower order, which is the default.
    measured("unipc", &[("order", "3")]).lies_in(1.8, 2.3);
}

#[test]
fn deis_and_lms() {
    for solver in ["deis", "deis-rhoab", "deis-tab"] {
        from_exact_start(solver, &[("order", "2")], 2).lies_in(1.8, 2.2);
    }
    // Over fewer evaluations, two parts of the error of `deis` nearly cancel.
    for solver in ["deis", "deis-rhoab", "deis-tab"] {
        let order_3 = from_exact_start(solver, &[("order", "3")], 3);
        Convergence { fewest: if solver == "deis" { 192 } else { 48 }, ..order_3 }.lies_in(2.7, 3.3);
    }
    measured("deis", &[]).lies_in(1.8, 2.3);
    from_exact_start("lms", &[], 4).lies_in(3.6, 4.4);
}

#[test]
fn sa_solver() {
    measured("sa-solver", &[("eta", "0"), ("order", "1"), ("corrector", "false")]).lies_in(0.9, 1.1);
    measured("sa-solver", &[("eta", "0"), ("corrector", "false")]).lies_in(1.8, 2.2);
    measured("sa-solver", &[("eta", "0")]).lies_in(1.8, 2.2);
    let third = &[("eta", "0"), ("order", "3"), ("corrector", "false"), ("lower_order_final", "false")];
    from_exact_start("sa-solver", third, 3).lies_in(2.7, 3.3);
}

#[test]
fn runge_kutta() {
    measured("heun", &[]).lies_in(1.8, 2.2);
    measured("dpm2", &[]).lies_in(1.8, 2.2);
    measured("dpm2-a", &[("eta", "0")]).lies_in(1.8, 2.2);
    measured("rhork-3", &[]).lies_in(2.7, 3.3);
    measured("rhork-4", &[]).lies_in(3.6, 4.4);
}

/// Pseudo methods weigh epsilon as if steps were equal, and are of second order where steps are equal in the
/// timestep (Liu et al. 2022, section 3.4), whatever the order of their weights.
#[test]
fn pseudo_methods() {
    for solver in ["pndm", "s-pndm", "plms", "ipndm"] {
        over_timesteps(solver).lies_in(1.8, 2.2);
    }
}

/// A stochastic method draws anew what keeps the variance of the data: on data ~ N(0, s²), where the network is
/// linear, the last sample is a sum of the noises, and its deviation nears s with the steps.
#[test]
fn stochastic_methods_end_with_the_deviation_of_the_data() {
    let config = SchedulerConfig::default();
    let schedule = Schedule::new(&config).expect("a schedule");
    let deviation_of_last = |name: &str, eta: &str, s: f64, budget: usize| {
        let solver = solver::find(name).expect("a listed solver");
        let fields = [("eta".to_owned(), Field::Number(eta.parse().expect("a number")))];
        let options = SolverOptions::from_fields(&fields).expect("known options");
        let plan = solver::plan(solver, &options, &config, Spacing::Exponential, budget).expect("a plan");
        // Samples and model values as the factors of the first noise and of those drawn after each evaluation.
        let length = plan.evaluations() + 1;
        let mut samples = vec![vec![0.0; length]];
        samples[0][0] = 1.0;
        let mut values: Vec<Vec<f64>> = Vec::new();
        for (index, step) in plan.steps.iter().enumerate() {
            let NoiseLevel { alpha, sigma } = step.level;
            let of_denoised = alpha * (s / deviation(s, step.level)).powi(2);
            let of_output = (1.0 - alpha * of_denoised) / sigma;
            let gain = step.model_value.sample + step.model_value.model_output * of_output;
            values.insert(0, samples[0].iter().map(|x| gain * x).collect());
            let mut next = vec![0.0; length];
            for &(source, coefficient) in &step.update {
                match source {
                    Source::Sample(back) => {
                        next.iter_mut().zip(&samples[back]).for_each(|(sum, x)| *sum += coefficient * x);
                    }
                    Source::ModelValue(back) => {
                        next.iter_mut().zip(&values[back]).for_each(|(sum, m)| *sum += coefficient * m);
                    }
                    Source::Noise => next[index + 1] += coefficient,
                }
            }
            samples.insert(0, next);
            samples.truncate(plan.samples);
            values.truncate(plan.history);
        }
        samples[0].iter().map(|factor| factor * factor).sum::<f64>().sqrt()
    };
    // The last step, to a clean sample, leaves out the noise of the least level.
    let least = schedule.level(0).sigma_over_alpha();
    for solver in
        ["ddpm", "ddim", "euler-a", "dpm2-a", "dpmpp-2s-a", "dpmpp-2m-sde", "dpmpp-3m-sde", "sa-solver"]
    {
        for eta in ["0.5", "1"] {
            for s in DEVIATIONS {
                let error = |budget| (deviation_of_last(solver, eta, s, budget) / s - 1.0).abs();
                let (coarse, fine) = (error(100), error(400));
                println!(
                    "{solver}, eta {eta}, s {s}: {coarse:.1e} over 100 evaluations, {fine:.1e} over 400"
                );
                assert!(fine < 0.02 && fine < 0.5 * coarse + (least / s).powi(2), "{solver}, {eta}, {s}");
            }
        }
    }
}
