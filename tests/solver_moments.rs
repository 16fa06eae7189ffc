//! Means and covariances of what stochastic methods draw, against those of an independent reference with other noise
//! (tests/goldens/solver/moments.json): that noise is drawn anew where it must be, and none of it twice.

mod closed_form;

use std::collections::BTreeMap;

use closed_form::{Mixture, Sample, run};
use serde::Deserialize;
use serde_json::Value;
use tenstep::random::{BrownianPath, Noise, Of, normals};
use tenstep::solver::{self, SamplingPlan, SchedulerConfig, SolverOptions, Spacing};

const SAMPLES: usize = 10_000;
/// In errors of the difference. Of 216 normal differences the largest is seldom above 4.
const MOST_ERRORS: f64 = 4.5;

#[derive(Deserialize)]
struct Golden {
    configs: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: String,
    solver: String,
    spacing: String,
    evaluations: usize,
    mean: Sample,
    mean_error: Sample,
    covariance: [Sample; 3],
    covariance_error: [Sample; 3],
}

/// What the pipeline draws for that seed, with three elements for a picture's.
fn draw(plan: &SamplingPlan, network: &Mixture, seed: u64) -> Sample {
    const SHAPE: [usize; 3] = [1, 1, 3];
    let mut path = BrownianPath::new(seed, 0, SHAPE);
    let in_f64 = |values: Vec<f32>| -> Sample { std::array::from_fn(|i| f64::from(values[i])) };
    let of_step = |step: usize| in_f64(normals(Noise { seed, sample: 0, of: Of::Step(step as u32) }, SHAPE));
    run(plan, of_step(0), network, |index| match plan.steps[index].noise_span {
        Some(span) => in_f64(path.increment(span)),
        None => of_step(index + 1),
    })
}

#[test]
fn moments_are_those_of_the_reference() {
    let golden: Golden =
        serde_json::from_str(include_str!("goldens/solver/moments.json")).expect("the golden is JSON");
    assert_eq!(golden.cases.len(), 24);
    for case in &golden.cases {
        let name = format!("{} {} {} evaluations", case.solver, case.spacing, case.evaluations);
        let config = SchedulerConfig::from_json(&golden.configs[&case.config]).expect(&name);
        let (solver, spacing) =
            (solver::find(&case.solver).expect(&name), Spacing::find(&case.spacing).expect(&name));
        let plan =
            solver::plan(solver, &SolverOptions::default(), &config, spacing, case.evaluations).expect(&name);
        let network = Mixture::new(&config);
        let samples: Vec<Sample> = (0..SAMPLES as u64).map(|seed| draw(&plan, &network, seed)).collect();

        let mean_of = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / SAMPLES as f64;
        let mean: Sample = std::array::from_fn(|i| mean_of(&|sample| sample[i]));
        let product = |sample: &Sample, i: usize, j: usize| (sample[i] - mean[i]) * (sample[j] - mean[j]);
        let mut largest = 0.0f64;
        // The errors of the reference, and ours, which are those of fewer samples.
        let mut check = |what: String, ours: f64, theirs: f64, their_error: f64, square: f64| {
            let error = (their_error.powi(2) + (square - ours * ours) / SAMPLES as f64).sqrt();
            let apart = (ours - theirs).abs() / error;
            assert!(
                apart < MOST_ERRORS,
                "{name}: {what} is {ours:.4}, not {theirs:.4}: {apart:.1} errors apart"
            );
            largest = largest.max(apart);
        };
        for i in 0..3 {
            let square = mean_of(&|sample| sample[i].powi(2));
            check(format!("mean {i}"), mean[i], case.mean[i], case.mean_error[i], square);
            for j in 0..3 {
                let covariance = mean_of(&|sample| product(sample, i, j));
                let square = mean_of(&|sample| product(sample, i, j).powi(2));
                let (theirs, error) = (case.covariance[i][j], case.covariance_error[i][j]);
                check(format!("covariance {i} {j}"), covariance, theirs, error, square);
            }
        }
        println!("{name}: at most {largest:.1} errors apart");
    }
}
