//! Every network of src/model against diffusers and transformers, on every executor.
//!
//! The networks, their inputs and the goldens are those of [`families`]; weights come from [`formula`].

mod families;
mod formula;

use std::collections::HashMap;

use families::{Case, cases};
use tenstep::graph::interpret;

/// In f64 what is left is the goldens' rounding to f32, and that of the timesteps' sinusoids, which diffusers
/// computes in f32: an angle near 1000 has an error of 3e-5.
const PARITY_IN_F64: f64 = 1e-5;

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
