//! A network's parameters as they are stored: one after the other, in the order of a list.

use js_sys::{Function, Promise, Uint8Array};
use tenstep::weights::TensorInfo;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// A list of parameters as a manifest has it.
pub fn tensors(json: &str) -> Result<Vec<TensorInfo>, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// The stored forms, asked for one at a time: all of them may be more than a module's memory.
pub struct StoredForms(Function);

impl StoredForms {
    /// `take` is a function that promises the next so many bytes.
    pub fn new(take: Function) -> Self {
        Self(take)
    }

    /// The stored form of the list's next parameter, which is `tensor`.
    pub async fn next(&self, tensor: &TensorInfo) -> Result<Vec<u8>, String> {
        let length =
            tensor.stored_bytes().ok_or_else(|| format!("tensor {} has no usable shape", tensor.name))?;
        let taken = async {
            let promise: Promise = self.0.call1(&JsValue::NULL, &JsValue::from(length as f64))?.dyn_into()?;
            JsFuture::from(promise).await?.dyn_into::<Uint8Array>()
        };
        let bytes = taken.await.map_err(|error| format!("tensor {}: {error:?}", tensor.name))?;
        Ok(bytes.to_vec())
    }
}
