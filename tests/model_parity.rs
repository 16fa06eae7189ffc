//! Every network of src/model against diffusers and transformers, on every executor.
//!
//! The networks, their inputs and the goldens are those of [`families`]; weights come from [`formula`].

mod families;
mod formula;
mod support;

use std::collections::HashMap;

use families::{Case, cases, weights};
use pollster::block_on;
use tenstep::burn::Cpu;
use tenstep::executor::{Command, Executor};
use tenstep::graph::interpret;

/// In f64 what is left is the goldens' rounding to f32, and that of the timesteps' sinusoids, which diffusers
/// computes in f32: an angle near 1000 has an error of 3e-5.
const PARITY_IN_F64: f64 = 1e-5;

/// In f32, with sums in another order than PyTorch's.
const PARITY_IN_F32: f64 = 1e-4;

type Outputs = HashMap<String, Vec<f64>>;

/// Evaluates the networks of `families` with `evaluate` and compares every output, whole.
fn assert_parity(families: &[&'static str], tolerance: f64, mut evaluate: impl FnMut(&Case) -> Outputs) {
    let mut worst = Vec::new();
    for case in families.iter().flat_map(|family| cases(family)) {
        let outputs = evaluate(&case);
        assert_eq!(outputs.len(), case.outputs.len(), "{}: outputs", case.name);
        for (name, golden) in &case.outputs {
            let (_, value) = case.graph.outputs().find(|(output, _)| output == name).expect(name);
            assert_eq!(case.graph.shape(value), golden.shape, "{} {name}", case.name);
            let error = golden.relative_error(&outputs[*name]);
            println!("{:40} {name:20} {error:.1e}", case.name);
            if error.is_nan() || error > tolerance {
                worst.push(format!("{} {name}: {error:.1e}", case.name));
            }
        }
    }
    assert!(worst.is_empty(), "beyond {tolerance:.0e}: {worst:#?}");
}

fn interpreted(case: &Case) -> Outputs {
    let outputs = interpret(&case.graph, &case.arrays()).expect("a complete graph");
    outputs.into_iter().map(|(name, array)| (name, array.data)).collect()
}

/// An evaluation on an executor, with f32 weights. What lasts is prepared once, and an evaluation of something else comes
/// between.
async fn executed<E: Executor>(executor: &E, case: &Case) -> Outputs {
    let weights = weights(executor, &case.graph);
    let plan = executor.plan(&case.graph, &weights).await.expect("a plan");
    let lasting = case.graph.lasting();
    let write = |lasts: bool, change: fn(f32) -> f32| {
        for (name, values) in &case.inputs {
            let (_, input) = case.graph.inputs().find(|(input, _)| input == name).expect(name);
            if lasting[input.index()] == lasts {
                let values: Vec<f32> = values.iter().copied().map(change).collect();
                executor.write(executor.input(&plan, name).expect(name), &values).expect("a write");
            }
        }
    };
    write(true, |value| value);
    executor.submit(&[Command::Prepare(&plan)]).expect("a submission");
    write(true, |_| f32::NAN);
    write(false, |value| 0.5 * value);
    executor.submit(&[Command::Evaluate(&plan)]).expect("a submission");
    write(false, |value| value);
    executor.submit(&[Command::Evaluate(&plan)]).expect("a submission");
    let mut outputs = Outputs::new();
    for (name, _) in case.graph.outputs() {
        let values = executor.read(executor.output(&plan, name).expect(name)).await.expect("a read");
        outputs.insert(name.to_owned(), values.into_iter().map(f64::from).collect());
    }
    outputs
}

const FAMILIES: [&str; 3] = ["default", "sd15", "sd2x"];

#[test]
fn the_cpu_agrees() {
    let cpu = Cpu::new();
    let families: Vec<&'static str> = FAMILIES.into_iter().chain(OPTIONS).collect();
    assert_parity(&families, PARITY_IN_F32, |case| block_on(executed(&cpu, case)));
}

#[test]
fn the_gpu_agrees() {
    let Some(gpu) = block_on(support::gpu()) else { return };
    let families: Vec<&'static str> = FAMILIES.into_iter().chain(OPTIONS).collect();
    assert_parity(&families, PARITY_IN_F32, |case| block_on(executed(&gpu, case)));
}

#[test]
fn the_interpreter_agrees_on_the_default_model() {
    assert_parity(&["default"], PARITY_IN_F64, interpreted);
}

#[test]
fn the_interpreter_agrees_on_stable_diffusion_1() {
    assert_parity(&["sd15"], PARITY_IN_F64, interpreted);
}

#[test]
fn the_interpreter_agrees_on_stable_diffusion_2() {
    assert_parity(&["sd2x"], PARITY_IN_F64, interpreted);
}

const OPTIONS: [&str; 5] = [
    "options_a",
    "options_b",
    "options_class_timestep",
    "options_class_identity",
    "options_class_simple_projection",
];

#[test]
fn the_interpreter_agrees_on_every_option() {
    assert_parity(&OPTIONS, PARITY_IN_F64, interpreted);
}
