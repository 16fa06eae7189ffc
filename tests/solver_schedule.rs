//! Noise schedules against an independent f64 reference, and what is refused of scheduler_config.json.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tenstep::Error;
use tenstep::solver::{
    self, FinalSigmas, PredictionType, SamplingPlan, Schedule, SchedulerConfig, SolverOptions, SolverType,
    Source, Spacing,
};

/// The plan of a method with its default options.
fn plan(
    name: &str,
    config: &SchedulerConfig,
    spacing: Spacing,
    steps: usize,
) -> tenstep::Result<SamplingPlan> {
    solver::plan(solver::find(name)?, &SolverOptions::default(), config, spacing, steps)
}

#[derive(Deserialize)]
struct Golden {
    configs: BTreeMap<String, Value>,
    tables: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    config: String,
    last: f64,
    every_37th: Vec<f64>,
}

#[test]
fn tables_equal_the_reference() {
    let golden: Golden = serde_json::from_str(include_str!("goldens/solver/schedule.json")).expect("JSON");
    assert_eq!(golden.tables.len(), 10);
    for table in golden.tables {
        let config = SchedulerConfig::from_json(&golden.configs[&table.config]).expect("a known config");
        let ours = Schedule::new(&config).expect("a schedule").alphas_cumprod;
        assert_eq!(ours.len(), 1000);
        let close = |ours: f64, theirs: f64| (ours - theirs).abs() <= 1e-12 * theirs.abs();
        assert!(close(ours[999], table.last), "{}: ends at {}", table.config, ours[999]);
        for (index, theirs) in table.every_37th.iter().enumerate() {
            let ours = ours[37 * index];
            assert!(close(ours, *theirs), "{}, timestep {}: {ours} {theirs}", table.config, 37 * index);
        }
    }
}

#[test]
fn trained_betas_replace_the_formula() {
    let json = json!({"num_train_timesteps": 3, "trained_betas": [0.1, 0.2, 0.5]});
    let config = SchedulerConfig::from_json(&json).expect("a config");
    let schedule = Schedule::new(&config).expect("a schedule");
    for (ours, theirs) in schedule.alphas_cumprod.iter().zip([0.9, 0.72, 0.36]) {
        assert!((ours - theirs).abs() < 1e-15);
    }
}

#[test]
fn timesteps_and_sigmas_are_inverse() {
    for rescale in [false, true] {
        let config = SchedulerConfig { rescale_betas_zero_snr: rescale, ..SchedulerConfig::default() };
        let schedule = Schedule::new(&config).expect("a schedule");
        for timestep in [0, 1, 2, 17, 500, 998, 999] {
            let sigma = schedule.nonzero_level(timestep).sigma_over_alpha();
            let back = schedule.timestep_from_sigma(sigma);
            assert!((back - timestep as f64).abs() < 1e-9, "{timestep} came back as {back}");
        }
        assert_eq!(schedule.timestep_from_sigma(1e-9), 0.0);
        assert_eq!(schedule.timestep_from_sigma(1e9), 999.0);
    }
}

#[test]
fn configs_that_cannot_be_followed_name_the_field() {
    let refused = [
        ("clip_sample", json!(true)),
        ("beta_schedule", json!("sigmoid")),
        ("prediction_type", json!("score")),
        ("use_exponential_sigmas", json!(true)),
        ("use_flow_sigmas", json!(true)),
        ("algorithm_type", json!("sde-dpmsolver++")),
        ("variance_type", json!("learned_range")),
        ("timestep_type", json!("continuous")),
        ("shift_terminal", json!(0.02)),
        ("beta_shedule", json!("linear")),
    ];
    for (name, value) in refused {
        match SchedulerConfig::from_json(&json!({ name: value })) {
            Err(Error::UnsupportedConfig { component, field, .. }) => {
                assert_eq!((component.as_str(), field.as_str()), ("scheduler", name));
            }
            other => panic!("{name} = {value}: {other:?}"),
        }
    }
    let nonsense = [
        json!([]),
        json!({"num_train_timesteps": 0}),
        json!({"num_train_timesteps": 1e18}),
        json!({"num_train_timesteps": -1}),
        json!({"beta_start": 0.0}),
        json!({"beta_end": 1.5}),
        json!({"beta_start": "0.1"}),
        json!({"trained_betas": [0.1]}),
        json!({"steps_offset": 1000}),
        json!({"flow_shift": 0.0}),
        json!({"dynamic_thresholding_ratio": 1.01}),
        json!({"sample_max_value": 0.5}),
        json!({"thresholding": "yes"}),
        json!({"lambda_min_clipped": "-5.1"}),
        json!({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": -3.0}),
    ];
    for json in nonsense {
        let error = SchedulerConfig::from_json(&json).expect_err(&json.to_string());
        assert_eq!(error.code(), "invalid-config", "{json}: {error}");
    }
    let config = SchedulerConfig { lambda_min_clipped: Some(1e9), ..SchedulerConfig::default() };
    assert_eq!(Schedule::new(&config).expect_err("nothing left").code(), "invalid-config");
}

#[test]
fn what_diffusers_writes_is_read() {
    // As DPMSolverMultistepScheduler writes it, once the converter has made it JSON.
    let json = json!({
        "_class_name": "DPMSolverMultistepScheduler", "_diffusers_version": "0.42.0",
        "algorithm_type": "dpmsolver++", "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "beta_start": 0.00085, "dynamic_thresholding_ratio": 0.995, "euler_at_final": false,
        "final_sigmas_type": "zero", "flow_shift": 1.0, "lambda_min_clipped": "-Infinity",
        "lower_order_final": true, "num_train_timesteps": 1000, "prediction_type": "epsilon",
        "rescale_betas_zero_snr": false, "sample_max_value": 1.0, "solver_order": 2,
        "solver_type": "midpoint", "steps_offset": 1, "thresholding": false,
        "time_shift_type": "exponential", "timestep_spacing": "leading", "trained_betas": null,
        "use_beta_sigmas": false, "use_dynamic_shifting": false, "use_exponential_sigmas": false,
        "use_flow_sigmas": false, "use_karras_sigmas": true, "use_lu_lambdas": false, "variance_type": null
    });
    let config = SchedulerConfig::from_json(&json).expect("a config");
    assert_eq!((config.beta_end, config.steps_offset, config.lambda_min_clipped), (0.012, 1, None));
}

#[test]
fn steps_that_the_schedule_has_no_levels_for_are_refused() {
    let config = SchedulerConfig::default();
    for name in ["dpmpp-2m", "ddim"] {
        for spacing in Spacing::ALL {
            for steps in [0, 1001, usize::MAX] {
                let error = plan(name, &config, spacing, steps).expect_err("no such number");
                assert_eq!(error.code(), "invalid-option", "{name} {}: {error}", spacing.name());
            }
            for steps in [1, 3, 7, 15, 16, 50, 200, 999] {
                let plan = plan(name, &config, spacing, steps).expect("a plan");
                assert_eq!(plan.evaluations(), steps, "{name} {}", spacing.name());
            }
        }
        let full = plan(name, &config, Spacing::Trailing, 1000).expect("a plan");
        assert_eq!(full.steps[0].timestep, 999.0);
        // 1000 steps between 1000 levels: two would coincide.
        let error = plan(name, &config, Spacing::Linspace, 1000).expect_err("too many");
        assert_eq!(error.code(), "invalid-option");
    }
    // An offset that points past the table.
    let config = SchedulerConfig { steps_offset: 1, ..config };
    let error = plan("ddim", &config, Spacing::Leading, 1000).expect_err("past the end");
    assert_eq!(error.code(), "invalid-option");
}

#[test]
fn a_clipped_schedule_is_planned_or_the_steps_are_refused() {
    // Less than half of the timesteps are left.
    let config = SchedulerConfig { lambda_min_clipped: Some(-1.0), ..SchedulerConfig::default() };
    let error = plan("dpmpp-2m", &config, Spacing::Trailing, 10).expect_err("there is room for five");
    assert_eq!(error.code(), "invalid-option");
    for solver in solver::names().filter(|name| !solver::find(name).expect("a name").is_adaptive()) {
        for spacing in Spacing::ALL {
            for steps in [5, 10, 300, 1000] {
                match plan(solver, &config, spacing, steps) {
                    Ok(plan) => {
                        assert!((1..=steps).contains(&plan.evaluations()), "{solver} {spacing:?} {steps}")
                    }
                    Err(error) => {
                        assert_eq!(error.code(), "invalid-option", "{solver} {spacing:?} {steps}: {error}")
                    }
                }
            }
        }
    }
}

/// With `sigma_min` the spacings over noise levels end with an evaluation at the level where they stop.
#[test]
fn a_step_of_no_length_changes_nothing() {
    let of_v = SchedulerConfig {
        prediction_type: PredictionType::VPrediction,
        final_sigmas_type: FinalSigmas::SigmaMin,
        ..SchedulerConfig::default()
    };
    for (solver_type, rescale_betas_zero_snr) in
        [(SolverType::Midpoint, false), (SolverType::Heun, false), (SolverType::Heun, true)]
    {
        let config = SchedulerConfig { solver_type, rescale_betas_zero_snr, ..of_v.clone() };
        for name in ["dpmpp-2m", "dpmpp-3m", "dpm-2m", "dpm-3m", "dpmpp-2m-sde", "ddim", "ddpm"] {
            for spacing in [Spacing::Karras, Spacing::Exponential, Spacing::Beta] {
                for steps in 2..=100 {
                    let plan = plan(name, &config, spacing, steps).expect("a plan");
                    let update = &plan.steps[steps - 1].update;
                    assert_eq!(*update, [(Source::Sample(0), 1.0)], "{name}, {spacing:?}, {steps} steps");
                }
            }
        }
    }
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let error = solver::find("magic").map(|_| ()).expect_err("unknown");
    let known = solver::names().collect::<Vec<_>>().join(", ");
    assert_eq!(error.to_string(), format!("solver must be one of {known}, not \"magic\""));
    let error = Spacing::find("magic").expect_err("unknown");
    let known = Spacing::NAMES.join(", ");
    assert_eq!(error.to_string(), format!("schedule must be one of {known}, not \"magic\""));
}

#[test]
fn epsilon_says_nothing_about_pure_noise() {
    let json = json!({"rescale_betas_zero_snr": true, "prediction_type": "epsilon"});
    let config = SchedulerConfig::from_json(&json).expect("a config");
    let error = plan("ddim", &config, Spacing::Trailing, 10).expect_err("alpha is 0 at the start");
    assert_eq!(error.code(), "unsupported-config");
}

#[test]
fn flow_matching_is_read_from_its_schedulers() {
    let written = json!({
        "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.42.0", "base_image_seq_len": 256,
        "base_shift": 0.5, "invert_sigmas": false, "max_image_seq_len": 4096, "max_shift": 1.15,
        "num_train_timesteps": 1000, "shift": 3.0, "shift_terminal": null, "stochastic_sampling": false,
        "time_shift_type": "exponential", "use_beta_sigmas": false, "use_dynamic_shifting": false,
        "use_exponential_sigmas": false, "use_karras_sigmas": false,
    });
    let config = SchedulerConfig::from_json(&written).expect("a config");
    assert_eq!((config.prediction_type, config.flow_shift), (PredictionType::Flow, 3.0));
    let json = json!({"prediction_type": "flow_prediction", "use_flow_sigmas": true, "flow_shift": 3.0, "beta_end": 0.02});
    assert_eq!(SchedulerConfig::from_json(&json).expect("the same by a solver's scheduler"), config);

    // s = shift u / (1 + (shift − 1) u): half of the way is three quarters of the noise.
    let schedule = Schedule::new(&config).expect("a schedule");
    assert!((schedule.level(499).flow() - 0.75).abs() < 1e-12);
    assert_eq!(schedule.level(999).alpha, 0.0);
    for shift in [0.05, 0.1, 0.3, 0.4, 1.0, 7.0] {
        let config = SchedulerConfig { flow_shift: shift, ..config.clone() };
        assert_eq!(Schedule::new(&config).expect("a schedule").level(999).alpha, 0.0, "shift {shift}");
        plan("flow-euler", &config, Spacing::Trailing, 10).expect("a plan");
    }
    for timestep in [0.0, 0.5, 123.4, 998.0] {
        let back = schedule.timestep_from_sigma(schedule.level_at(timestep).sigma_over_alpha());
        assert!((back - timestep).abs() < 1e-9, "{timestep} comes back as {back}");
    }
}
