//! The host's time: milliseconds since some fixed moment, and turns for its other tasks.

#[cfg(not(target_arch = "wasm32"))]
pub fn now_millis() -> f64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3
}

/// `performance.now()`, which workers have too. wasm32-unknown-unknown has no clock of its own.
#[cfg(all(target_arch = "wasm32", feature = "web"))]
pub fn now_millis() -> f64 {
    use wasm_bindgen::prelude::wasm_bindgen;
    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = performance, js_name = now)]
        fn performance_now() -> f64;
    }
    performance_now()
}

/// Lets the host's other tasks have their turn. A native program's tasks have threads of their own.
#[cfg(all(not(target_arch = "wasm32"), feature = "cpu"))]
pub async fn other_tasks() {}

/// Lets the worker hear its messages. A timer would be held back by 4 ms; a message to itself is not.
#[cfg(all(target_arch = "wasm32", feature = "web", feature = "cpu"))]
pub async fn other_tasks() {
    let Ok(channel) = web_sys::MessageChannel::new() else { return };
    let promise = js_sys::Promise::new(&mut |resolve, _| channel.port1().set_onmessage(Some(&resolve)));
    if channel.port2().post_message(&wasm_bindgen::JsValue::NULL).is_ok() {
        let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
    }
    channel.port1().close();
}
