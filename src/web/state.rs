//! A run's state as a plain object, and back from one that may come from anywhere.

use js_sys::{Array, Float32Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use super::value::set;
use crate::error::Result;
use crate::pipeline::RunState;

/// `{ evaluations, errors, values }`.
pub fn state_object(state: &RunState) -> JsValue {
    let object = Object::new();
    set(&object, "evaluations", &(state.evaluations as u32).into());
    set(&object, "errors", &state.errors.iter().copied().map(JsValue::from).collect::<Array>());
    set(&object, "values", &Float32Array::from(state.values.as_slice()));
    object.into()
}

/// Checks kinds and lengths before anything is copied. `values`: how many there must be.
pub fn state_from(object: &JsValue, values: usize) -> Result<RunState> {
    let field = |name: &str| Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let evaluations =
        field("evaluations").as_f64().filter(|count| count.fract() == 0.0 && (0.0..=1e9).contains(count));
    let evaluations =
        evaluations.ok_or_else(|| RunState::refused("with the number of evaluations done", "without it"))?;
    let errors: Array =
        field("errors").dyn_into().map_err(|_| RunState::refused("with a list of errors", "without it"))?;
    if f64::from(errors.length()) > evaluations {
        return Err(RunState::refused(
            "with at most one error an evaluation",
            format!("with {}", errors.length()),
        ));
    }
    let errors: Option<Vec<f64>> = errors.iter().map(|error| error.as_f64()).collect();
    let errors = errors
        .ok_or_else(|| RunState::refused("with a list of numbers for errors", "with other things in it"))?;
    let given: Float32Array = field("values")
        .dyn_into()
        .map_err(|_| RunState::refused("with a Float32Array of values", "without it"))?;
    RunState::check_values(given.length() as usize, values)?;
    Ok(RunState { evaluations: evaluations as usize, errors, values: given.to_vec() })
}
