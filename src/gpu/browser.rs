//! What wgpu's web backend lacks or hides, done on the browser's own objects: errors, loss of the device, and pipelines that compile
//! without holding up the thread.
//!
//! wgpu 30 panics on an internal error and takes a rejected error scope for success, and it knows no
//! `createComputePipelineAsync`.

use std::ops::Range;

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use wasm_bindgen::prelude::wasm_bindgen;

use super::fault::Faults;
use crate::error::{Error, Result};

/// Records the device's complaints and its loss. The listeners live as long as the device.
pub fn listen(device: &wgpu::Device, faults: &Faults) {
    let Some(device) = gpu_device(device) else { return };
    let recorder = faults.clone();
    let on_error = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
        recorder.record(error_of(&property(&event, "error")));
    });
    let _ = call(&device, "addEventListener", &["uncapturederror".into(), on_error.as_ref().clone()]);
    on_error.forget();

    let faults = faults.clone();
    if let Ok(lost) = property(&device, "lost").dyn_into::<Promise>() {
        spawn_local(async move {
            let message = match JsFuture::from(lost).await {
                Ok(info) => text(&info, "message"),
                Err(error) => text(&error, "message"),
            };
            faults.lose(message);
        });
    }
}

/// Whether the device is a processor and no GPU, as far as the browser says.
pub fn is_fallback(device: &wgpu::Device) -> bool {
    let Some(device) = gpu_device(device) else { return false };
    property(&property(&device, "adapterInfo"), "isFallbackAdapter").is_truthy()
}

/// Whether the browser's WGSL has a feature, as far as the browser says.
pub fn has_language_feature(name: &str) -> bool {
    let gpu = property(&property(&js_sys::global(), "navigator"), "gpu");
    call(&property(&gpu, "wgslLanguageFeatures"), "has", &[name.into()]).is_ok_and(|has| has.is_truthy())
}

/// Waits until the device has seen everything asked of it, and its complaints have come. They come by another way than answers: in
/// Chromium the answer to what was asked next was seen to overtake the last one, the answer after that never.
pub async fn round_trip(device: &wgpu::Device, faults: &Faults) {
    let Some(device) = gpu_device(device) else { return };
    for _ in 0..2 {
        match answer(&device).await {
            Ok(error) if error.is_null() || error.is_undefined() => {}
            Ok(error) => faults.record(error_of(&error)),
            Err(error) => faults.record(Error::Gpu { message: text(&error, "message") }),
        }
    }
}

/// Of the device, to an error scope with nothing in it.
async fn answer(device: &JsValue) -> std::result::Result<JsValue, JsValue> {
    call(device, "pushErrorScope", &["validation".into()])?;
    let promise: Promise = call(device, "popErrorScope", &[])?.dyn_into()?;
    JsFuture::from(promise).await
}

/// Lets the browser's other tasks run for a while.
pub async fn pause(millis: u32) {
    let promise = Promise::new(&mut |resolve, _| {
        let _ = call(&js_sys::global(), "setTimeout", &[resolve.into(), millis.into()]);
    });
    let _ = JsFuture::from(promise).await;
}

/// Makes `count` pipelines with `create`, in parallel and off this thread.
///
/// `create` asks wgpu for pipeline `i`, and wgpu asks the device. A stand-in for the device's method first notes every
/// descriptor and has it compiled asynchronously; once all are done, `create` is called again and gets the results.
pub async fn create_pipelines(
    device: &wgpu::Device,
    count: usize,
    create: impl Fn(usize) -> wgpu::ComputePipeline,
) -> Result<Vec<wgpu::ComputePipeline>> {
    let Some(device) = gpu_device(device) else { return Ok((0..count).map(create).collect()) };
    let started = Array::new();
    let (target, promises) = (device.clone(), started.clone());
    let start = Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |descriptor: JsValue| {
        let promise = call(&target, "createComputePipelineAsync", &[descriptor]);
        promises.push(&promise.unwrap_or_else(|error| Promise::reject(&error).into()));
        Object::new().into()
    });
    with_stand_in(&device, CREATE_PIPELINE, start.as_ref(), || {
        (0..count).for_each(|index| drop(create(index)))
    })?;

    // All at once: one that is refused while nobody waits for it ends the worker.
    let compiled = JsFuture::from(Promise::all(&started)).await.map_err(|error| refused(&error))?;
    let compiled: Array = compiled.unchecked_into();
    let hand_back = Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |_: JsValue| compiled.shift());
    with_stand_in(&device, CREATE_PIPELINE, hand_back.as_ref(), || (0..count).map(create).collect())
}

#[wasm_bindgen(module = "/src/gpu/replay.js")]
extern "C" {
    fn recorder(list: &Array) -> JsValue;
    #[wasm_bindgen(js_name = replay)]
    fn replay_parts(device: &JsValue, queue: &JsValue, parts: &Array);
}

/// What `encode` dispatches in a compute pass of its own, as a list for [`replay`]. Nothing is sent.
pub fn record(device: &wgpu::Device, encode: impl FnOnce()) -> Array {
    let list = Array::new();
    if let Some(device) = gpu_device(device) {
        // It fails only where the device is no object.
        let _ = with_stand_in(&device, "createCommandEncoder", &recorder(&list), encode);
    }
    list
}

/// Sends parts of lists in one pass and one submission.
pub fn replay<'a>(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    parts: impl Iterator<Item = (&'a Array, Range<usize>)>,
) {
    let (Some(device), Some(queue)) = (gpu_device(device), queue.as_webgpu()) else { return };
    let flat = Array::new();
    for (list, range) in parts {
        flat.push(list);
        flat.push(&range.start.into());
        flat.push(&range.end.into());
    }
    replay_parts(&device, queue.as_ref(), &flat);
}

const CREATE_PIPELINE: &str = "createComputePipeline";

/// Runs `work` while `stand_in` shadows the method `name` of the device's prototype.
fn with_stand_in<T>(device: &JsValue, name: &str, stand_in: &JsValue, work: impl FnOnce() -> T) -> Result<T> {
    let name = JsValue::from_str(name);
    Reflect::set(device, &name, stand_in).map_err(|error| refused(&error))?;
    let done = work();
    let object: &Object = device.unchecked_ref();
    Reflect::delete_property(object, &name).map_err(|error| refused(&error))?;
    Ok(done)
}

fn gpu_device(device: &wgpu::Device) -> Option<JsValue> {
    device.as_webgpu().map(|device| AsRef::<JsValue>::as_ref(device).clone())
}

/// A `GPUError` as ours, by its class.
fn error_of(error: &JsValue) -> Error {
    let message = text(error, "message");
    match text(&property(error, "constructor"), "name").as_str() {
        "GPUOutOfMemoryError" => Error::OutOfMemory { message },
        _ => Error::Gpu { message },
    }
}

fn refused(error: &JsValue) -> Error {
    Error::Gpu { message: text(error, "message") }
}

fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

fn text(object: &JsValue, name: &str) -> String {
    property(object, name).as_string().unwrap_or_else(|| "the browser gave no reason".to_owned())
}

fn call(object: &JsValue, method: &str, arguments: &[JsValue]) -> std::result::Result<JsValue, JsValue> {
    let function: Function = property(object, method).dyn_into()?;
    function.apply(object, &arguments.iter().collect::<Array>())
}
