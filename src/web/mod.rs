//! The boundary to JavaScript: the only files with `#[wasm_bindgen]`.
//!
//! One [`Engine`] is one executor, with the models loaded on it and their runs. The worker of the npm package
//! drives it, one call at a time. Errors are thrown as `Error` objects with `name` `"TenstepError"` and the
//! stable `code` of [`crate::Error::code`].

#![deny(clippy::unwrap_used)]

mod engine;
mod error;
#[cfg(all(feature = "cpu", not(feature = "gpu")))]
mod pair;
mod state;
mod stop;
mod value;

pub use engine::Engine;

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.d.ts");
