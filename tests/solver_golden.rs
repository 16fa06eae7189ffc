//! Whole runs of the planners with a network known in closed form, against an independent f64 reference and
//! against diffusers' schedulers, with their f32 tables and with those raised to f64 (tests/goldens/solver, made
//! by training/goldens_solver).

mod closed_form;

use std::collections::BTreeMap;

use closed_form::{Mixture, largest_difference, options, run};
use serde::Deserialize;
use serde_json::Value;
use tenstep::solver::{self, Levels, PredictionType, SamplingPlan, SchedulerConfig, Spacing};

/// The reference and this crate differ by rounding only.
const TO_REFERENCE: f64 = 1e-9;
/// diffusers keeps its tables in f32.
const TO_SHIPPED: f64 = 1e-4;
/// The same formulas in f64; those of diffusers cancel more.
const TO_RAISED: f64 = 1e-6;

#[derive(Deserialize)]
struct Golden {
    start: [f64; 3],
    configs: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: String,
    solver: String,
    options: BTreeMap<String, Value>,
    /// Which levels the run visits: a spacing's, or those of one of the lists.
    spacing: Option<String>,
    sigmas: Option<Vec<f64>>,
    listed_timesteps: Option<Vec<f64>>,
    evaluations: usize,
    /// Evaluations of each solver step, if not one.
    stages: Option<Vec<usize>>,
    timesteps: Vec<f64>,
    #[serde(rename = "final")]
    last: [f64; 3],
    /// Absent where diffusers has no such run that is well defined, or `shipped` alone where it is not in f32:
    /// see training/goldens_solver/shipped.py and shipped_flow.py.
    shipped: Option<[f64; 3]>,
    raised: Option<[f64; 3]>,
}

impl Case {
    fn plan(&self, config: &SchedulerConfig) -> tenstep::Result<SamplingPlan> {
        let (solver, options) = (solver::find(&self.solver)?, options(&self.options));
        match (&self.spacing, &self.sigmas, &self.listed_timesteps) {
            (Some(spacing), None, None) => {
                solver::plan(solver, &options, config, Spacing::find(spacing)?, self.evaluations)
            }
            (None, Some(list), None) => solver::plan_at(solver, &options, config, Levels::Sigmas(list)),
            (None, None, Some(list)) => solver::plan_at(solver, &options, config, Levels::Timesteps(list)),
            given => panic!("a run visits the levels of one of {given:?}"),
        }
    }
}

/// The noise of evaluation `index`, as training/goldens_solver makes it.
fn noise(index: usize) -> [f64; 3] {
    std::array::from_fn(|i| ((7 * index + 3 * i + 5) % 11) as f64 / 4.0 - 1.25)
}

fn check(golden: &str) -> usize {
    let golden: Golden = serde_json::from_str(golden).expect("the golden is JSON");
    let mut worst = BTreeMap::<&str, (f64, Option<f64>, Option<f64>)>::new();
    for case in &golden.cases {
        let name = format!(
            "{} {:?} {} {:?} {:?} {:?} {} evaluations",
            case.solver,
            case.options,
            case.config,
            case.spacing,
            case.sigmas,
            case.listed_timesteps,
            case.evaluations
        );
        let config = SchedulerConfig::from_json(&golden.configs[&case.config]).expect(&name);
        let plan = case.plan(&config).expect(&name);

        let stages = case.stages.clone().unwrap_or(vec![1; case.evaluations]);
        assert_eq!(plan.stages, stages, "{name}");
        let timesteps: Vec<f64> = plan.steps.iter().map(|step| step.timestep).collect();
        assert!(largest_difference(&timesteps, &case.timesteps) < 1e-8, "{name}: {timesteps:?}");

        let network = Mixture::new(&config);
        let last = run(&plan, golden.start, &network, noise);
        // Second order diverges on some grids; rounding grows with the sample.
        let size = last.iter().fold(1.0f64, |size, value| size.max(value.abs()));
        let to_reference = largest_difference(&last, &case.last) / size;
        assert!(to_reference < TO_REFERENCE, "{name}: {last:?} is {to_reference:e} from the reference");
        let (reference, shipped, raised) = worst.entry(&case.solver).or_default();
        *reference = reference.max(to_reference);

        // An epsilon network divides the f32 rounding of diffusers' sigma_t by alpha_t. Near pure noise
        // that alone exceeds the bound; one rounding is then allowed.
        let rounding = match config.prediction_type {
            PredictionType::Epsilon => {
                let first = network.schedule.nonzero_level(plan.steps[0].timestep as usize);
                f64::from(f32::EPSILON) / first.alpha
            }
            _ => 0.0,
        };
        let to = |theirs: Option<[f64; 3]>| theirs.map(|theirs| largest_difference(&last, &theirs));
        if let Some(distance) = to(case.shipped) {
            assert!(distance < TO_SHIPPED.max(rounding), "{name}: {last:?} is {distance:e} from diffusers");
            *shipped = Some(shipped.unwrap_or(0.0).max(distance));
        }
        if let Some(distance) = to(case.raised) {
            assert!(distance < TO_RAISED, "{name}: {last:?} is {distance:e} from diffusers in f64");
            *raised = Some(raised.unwrap_or(0.0).max(distance));
        }
    }
    for (solver, (reference, shipped, raised)) in worst {
        let theirs = |distance: Option<f64>| {
            distance.map_or("not compared".to_owned(), |distance| format!("{distance:.1e}"))
        };
        println!(
            "{solver}: at most {reference:.1e} from the reference; from diffusers {}, in f64 {}",
            theirs(shipped),
            theirs(raised)
        );
    }
    golden.cases.len()
}

macro_rules! goldens {
    ($($test:ident: $file:literal, $cases:literal;)*) => {$(
        #[test]
        fn $test() {
            assert_eq!(check(include_str!(concat!("goldens/solver/", $file, ".json"))), $cases);
        }
    )*};
}

goldens! {
    spacings_follow_the_reference: "spacings", 180;
    thresholding_follows_the_reference_and_diffusers: "thresholding", 288;
    flow_follows_the_reference_and_diffusers: "flow", 342;
    ddim_follows_the_reference_and_diffusers: "ddim", 155;
    dpmpp_2m_follows_the_reference_and_diffusers: "dpmpp-2m", 188;
    dpm_multistep_follows_the_reference_and_diffusers: "dpm-multistep", 51;
    dpm_sde_follows_the_reference_and_diffusers: "dpm-sde", 84;
    dpm_singlestep_follows_the_reference_and_diffusers: "dpm-singlestep", 99;
    unipc_follows_the_reference_and_diffusers: "unipc", 117;
    deis_follows_the_reference_and_diffusers: "deis", 126;
    pndm_follows_the_reference_and_diffusers: "pndm", 76;
    runge_kutta_follows_the_reference_and_diffusers: "runge-kutta", 96;
    ancestral_follows_the_reference_and_diffusers: "ancestral", 159;
    sa_solver_follows_the_reference_and_diffusers: "sa-solver", 144;
    consistency_follows_the_reference_and_diffusers: "consistency", 66;
}
