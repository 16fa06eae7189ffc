//! The boundary to JavaScript: the only files with `#[wasm_bindgen]`.
