//! A run that is saved and goes on in another gives the same picture: every method, at every step, to the bit.

mod support;

use pollster::block_on;
use support::runs::{latents, model, options, size, text};
use tenstep::options::{Field, GenerateOptions};
use tenstep::pipeline::{Model, RunState};
use tenstep::{burn::Cpu, solver};

const STEPS: usize = 6;
/// Of the smallest picture's side: what is tested does not depend on it, what it costs does.
const SIZE: [usize; 2] = [2, 2];

fn of_solver(model: &Model<Cpu>, solver: &str, more: &[(&str, Field)]) -> GenerateOptions {
    let mut fields = vec![
        ("prompt", text("a red apple")),
        ("solver", text(solver)),
        ("steps", Field::Number(STEPS as f64)),
        ("seed", Field::Number(3.0)),
    ];
    fields.extend(size(model, SIZE));
    fields.extend_from_slice(more);
    options(model, &fields)
}

/// The states after 0, 1, 2, ... steps, as asked for and as reported with the steps.
fn states(model: &Model<Cpu>, options: &GenerateOptions) -> Vec<RunState> {
    block_on(async {
        let mut run = model.start(options).await.expect("a run");
        let mut states = vec![run.state().await.expect("a state")];
        while !run.is_done() {
            let report = run.step().await.expect("a step");
            let state = run.state().await.expect("a state");
            assert_eq!(report.state.as_ref(), Some(&state), "the CPU reports a state at once");
            states.push(state);
        }
        states
    })
}

fn latents_from(model: &Model<Cpu>, options: &GenerateOptions, state: &RunState) -> Vec<f32> {
    block_on(async {
        let mut run = model.start(options).await.expect("a run");
        run.restore(state).expect("a state of these options");
        assert_eq!(run.step_number(), state.evaluations);
        while !run.is_done() {
            run.step().await.expect("a step");
        }
        run.latents().await.expect("latents")
    })
}

#[test]
fn every_method_goes_on_from_any_step() {
    let (model, elsewhere) = (model(), model());
    for solver in solver::names() {
        // PNDM's start alone takes twelve evaluations.
        let steps = if solver == "pndm" { 13 } else { STEPS };
        let options = of_solver(&model, solver, &[("steps", Field::Number(steps as f64))]);
        let whole = latents(&model, &options);
        for state in states(&model, &options) {
            let resumed = latents_from(&elsewhere, &options, &state);
            assert_eq!(resumed, whole, "{solver} from {} evaluations", state.evaluations);
        }
    }
}

#[test]
fn attempts_that_were_rejected_are_remembered() {
    let model = model();
    let strict = [
        ("steps", Field::Number(25.0)),
        (
            "solverOptions",
            Field::Fields(vec![("atol".into(), Field::Number(1e-4)), ("rtol".into(), Field::Number(1e-3))]),
        ),
    ];
    let options = of_solver(&model, "dpm-adaptive", &strict);
    let whole = latents(&model, &options);
    let states = states(&model, &options);
    let last = states.last().expect("states");
    assert!(last.errors.iter().any(|&error| error > 1.0), "no attempt was rejected: {:?}", last.errors);
    for state in &states {
        assert_eq!(latents_from(&model, &options, state), whole, "from {} evaluations", state.evaluations);
    }
}

#[test]
fn states_that_no_run_had_are_refused() {
    let model = model();
    let options = of_solver(&model, "dpmpp-2m", &[]);
    let good = states(&model, &options).swap_remove(2);
    let short = RunState { values: good.values[1..].to_vec(), ..good.clone() };
    let beyond = RunState { evaluations: STEPS + 1, ..good.clone() };
    let judged = RunState { errors: vec![0.5], ..good.clone() };
    for (what, state) in [("short", short), ("beyond the end", beyond), ("judged", judged)] {
        let mut run = block_on(model.start(&options)).expect("a run");
        let error = run.restore(&state).expect_err(what);
        assert_eq!(error.code(), "invalid-option", "{what}: {error}");
    }
    let adaptive = of_solver(&model, "dpm-adaptive", &[]);
    let good = states(&model, &adaptive).pop().expect("states");
    for errors in [Vec::new(), vec![f64::NAN; good.errors.len()], vec![0.0; 100]] {
        let mut run = block_on(model.start(&adaptive)).expect("a run");
        let error = run.restore(&RunState { errors: errors.clone(), ..good.clone() }).expect_err("errors");
        assert!(["invalid-option", "not-finite"].contains(&error.code()), "{errors:?}: {error}");
    }
}
