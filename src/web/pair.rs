//! Two engines for one picture, each in a worker of its own: the CPU's way to a second thread. They share no memory.

use std::rc::Rc;

use js_sys::{Array, Float32Array, Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::engine::{Engine, gone};
use super::stop::Stop;
use crate::pipeline::{Answer, Half, Partner};

#[wasm_bindgen]
impl Engine {
    /// The compiled module, for another worker to make its engine of.
    pub fn module(&self) -> JsValue {
        wasm_bindgen::module()
    }

    /// Has guided runs of a model evaluate the half without the prompt elsewhere, from their next step on.
    /// `evaluate(sample, timesteps, step, encoderHiddenStates, width, height)` begins and gives a function, which is called when
    /// the other half is done and promises the `model_output`. One failure ends it: the runs go on alone.
    pub fn pair(&self, model: u32, evaluate: Function) -> Result<(), JsValue> {
        let model = self.models.borrow().get(&model).cloned().ok_or_else(|| gone("model"))?;
        model.set_partner(Rc::new(InWorker(evaluate)));
        Ok(())
    }

    /// In place of `finish`: prepares the UNet alone, for `evaluate`. Only its shards need to have been pushed.
    #[wasm_bindgen(js_name = finishUnet)]
    pub async fn finish_unet(&self, model: u32) -> Result<(), JsValue> {
        let loader = self.loaders.borrow_mut().remove(&model).ok_or_else(|| gone("model"))?;
        let evaluator = Rc::new(loader.finish_evaluator().await?);
        self.evaluators.borrow_mut().insert(model, evaluator);
        Ok(())
    }

    /// `model_output [1, h, w, C]` of a UNet: `sample [1, h, w, C]`, at `timesteps[step]`, `encoder_hidden_states [1, L, D]`; width and
    /// height in pixels. `drop` with the model's number ends it at the end of the piece of work in hand, with `disposed`.
    #[expect(clippy::too_many_arguments, reason = "numbers cross to JavaScript one by one")]
    pub async fn evaluate(
        &self,
        model: u32,
        sample: Vec<f32>,
        timesteps: Vec<f32>,
        step: usize,
        encoder_hidden_states: Vec<f32>,
        width: usize,
        height: usize,
    ) -> Result<Vec<f32>, JsValue> {
        let evaluator = self.evaluators.borrow().get(&model).cloned().ok_or_else(|| gone("model"))?;
        let stop = Stop::default();
        self.under_way.borrow_mut().insert(model, stop.clone());
        let half = Half { sample, timesteps, step, encoder_hidden_states, width, height };
        let outcome = stop.unless_set(evaluator.evaluate(&half)).await;
        self.under_way.borrow_mut().remove(&model);
        Ok(outcome.ok_or_else(|| gone("evaluation"))??)
    }
}

/// A partner behind a function of JavaScript.
struct InWorker(Function);

impl Partner for InWorker {
    fn begin(&self, half: Half) -> Answer {
        let given: [JsValue; 6] = [
            Float32Array::from(half.sample.as_slice()).into(),
            Float32Array::from(half.timesteps.as_slice()).into(),
            (half.step as u32).into(),
            Float32Array::from(half.encoder_hidden_states.as_slice()).into(),
            (half.width as u32).into(),
            (half.height as u32).into(),
        ];
        let given: Array = given.iter().collect();
        let begun = self.0.apply(&JsValue::UNDEFINED, &given);
        Box::pin(async move { answer(begun).await.map_err(|_| gone("partner")) })
    }
}

async fn answer(begun: Result<JsValue, JsValue>) -> Result<Vec<f32>, JsValue> {
    let wait: Function = begun?.dyn_into()?;
    let promise = Promise::resolve(&wait.call0(&JsValue::UNDEFINED)?);
    let values: Float32Array = JsFuture::from(promise).await?.dyn_into()?;
    Ok(values.to_vec())
}
