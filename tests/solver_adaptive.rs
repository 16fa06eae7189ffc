//! DPM-Solver with adaptive steps: the same attempts and the same end as an independent f64 reference
//! (tests/goldens/solver/adaptive.json), and what holds for every budget.

mod closed_form;

use std::collections::BTreeMap;

use closed_form::{Mixture, Rings, Sample, largest_difference, options};
use serde::Deserialize;
use serde_json::Value;
use tenstep::solver::{self, Schedule, SchedulerConfig, SolverOptions};

#[derive(Deserialize)]
struct Golden {
    start: Sample,
    configs: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: String,
    options: BTreeMap<String, Value>,
    evaluations: usize,
    used: usize,
    accepted: Vec<bool>,
    timesteps: Vec<f64>,
    #[serde(rename = "final")]
    last: Sample,
}

/// How a run went.
struct Outcome {
    timesteps: Vec<f64>,
    accepted: Vec<bool>,
    last: Sample,
}

/// What the pipeline does.
fn run(options: &SolverOptions, config: &SchedulerConfig, evaluations: usize, start: Sample) -> Outcome {
    let network = Mixture::new(config);
    let solver = solver::find("dpm-adaptive").expect("a listed solver");
    let mut adaptive = solver::adaptive(solver, options, config, evaluations).expect("a run");
    let mut rings = Rings::new(adaptive.plan(), start);
    let mut before = start;
    let mut outcome = Outcome { timesteps: Vec::new(), accepted: Vec::new(), last: start };
    let mut position = 0;
    while position < adaptive.plan().steps.len() {
        let no_noise = [f64::NAN; 3];
        rings.step(adaptive.plan(), position, &network, no_noise);
        outcome.timesteps.push(adaptive.plan().steps[position].timestep);
        position += 1;
        if position < adaptive.plan().steps.len() {
            continue;
        }
        if adaptive.lower().is_empty() {
            outcome.accepted.push(true);
            continue;
        }
        let lower = rings.combination(position - 1, adaptive.lower(), no_noise);
        let higher = rings.sample(position);
        let elements: [[f64; 3]; 3] = std::array::from_fn(|i| [lower[i], higher[i], before[i]]);
        let error = adaptive.error(elements.into_iter());
        let accepted = adaptive.judge(error).expect("numbers");
        outcome.accepted.push(accepted);
        if accepted {
            before = lower;
        } else {
            position = adaptive.retried() + 1;
            rings.update(adaptive.plan(), adaptive.retried(), no_noise);
            // The rest of the way, which asks the network nothing more.
            if position == adaptive.plan().steps.len() {
                outcome.accepted.push(true);
            }
        }
    }
    outcome.last = rings.sample(position);
    outcome
}

#[test]
fn attempts_and_ends_are_those_of_the_reference() {
    let golden: Golden =
        serde_json::from_str(include_str!("goldens/solver/adaptive.json")).expect("the golden is JSON");
    let mut worst = 0.0f64;
    for case in &golden.cases {
        let Case { config, options: written, evaluations, .. } = case;
        let name = format!("{config} {written:?} {evaluations} evaluations");
        let config = SchedulerConfig::from_json(&golden.configs[config]).expect(&name);
        let outcome = run(&options(written), &config, *evaluations, golden.start);
        assert_eq!(outcome.accepted, case.accepted, "{name}");
        assert_eq!(outcome.timesteps.len(), case.used, "{name}");
        let times = largest_difference(&outcome.timesteps, &case.timesteps);
        let last = largest_difference(&outcome.last, &case.last);
        // The error of a step is a difference of nearly equal numbers, so its rounding moves the next step a little,
        // and with it, where steps are long, the end.
        assert!(times < 1e-4 && last < 1e-8, "{name}: timesteps {times:e}, end {last:e}");
        worst = worst.max(last);
    }
    println!("{} runs, at most {worst:.1e} from the reference", golden.cases.len());
    assert_eq!(golden.cases.len(), 132);
}

#[test]
fn a_run_ends_within_any_budget() {
    let config = SchedulerConfig::default();
    let end = Schedule::new(&config).expect("a schedule").level(0);
    for order in ["2", "3"] {
        let written =
            BTreeMap::from([("order".to_owned(), Value::from(order.parse::<u32>().expect("a number")))]);
        for budget in 1..60 {
            let outcome = run(&options(&written), &config, budget, [0.7, -1.2, 0.4]);
            assert!(
                (1..=budget).contains(&outcome.timesteps.len()),
                "{} of {budget}",
                outcome.timesteps.len()
            );
            assert!(outcome.last.iter().all(|value| value.abs() < 4.0), "{:?}", outcome.last);
        }
        // With all that it asks for, it stops where its last step ends, whose noise is what is left.
        let outcome = run(&options(&written), &config, 1000, [0.7, -1.2, 0.4]);
        assert!(outcome.timesteps.len() < 200, "{} evaluations", outcome.timesteps.len());
        assert!(
            outcome.timesteps.is_sorted_by(|before, after| before >= after)
                || outcome.accepted.contains(&false)
        );
        assert!(end.sigma < 0.02);
    }
}

/// Less tolerance, nearer to the solution.
#[test]
fn the_error_follows_the_tolerance() {
    let config = SchedulerConfig::default();
    let of = |rtol: f64| {
        let written = BTreeMap::from([
            ("rtol".to_owned(), Value::from(rtol)),
            ("atol".to_owned(), Value::from((0.15 * rtol).max(1e-6))),
        ]);
        run(&options(&written), &config, 1000, [0.7, -1.2, 0.4])
    };
    let solution = of(1e-6).last;
    let [coarse, fine, finest] = [0.05, 5e-3, 5e-4].map(|rtol| largest_difference(&of(rtol).last, &solution));
    println!("errors {coarse:.1e}, {fine:.1e}, {finest:.1e}");
    assert!(fine < 0.5 * coarse && finest < 0.5 * fine);
}

#[test]
fn samples_that_are_no_numbers_end_the_run() {
    let solver = solver::find("dpm-adaptive").expect("a listed solver");
    let config = SchedulerConfig::default();
    let mut adaptive = solver::adaptive(solver, &SolverOptions::default(), &config, 40).expect("a run");
    let error = adaptive.error([[0.0, f64::NAN, 0.0]].into_iter());
    let error = adaptive.judge(error).expect_err("NaN");
    assert_eq!(error.code(), "not-finite");
}
