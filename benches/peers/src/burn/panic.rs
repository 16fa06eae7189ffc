//! What Burn says before it traps.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(text: &str);
}

/// Called when the module is instantiated. Without, a panic is a trap that does not say why.
#[wasm_bindgen(start)]
fn say_why() {
    std::panic::set_hook(Box::new(|panic| error(&panic.to_string())));
}
