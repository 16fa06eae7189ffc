//! Milliseconds since some fixed moment, for timings.

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
