//! Errors as JavaScript sees them.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

use crate::Error;

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let thrown = js_sys::Error::new(&error.to_string());
        thrown.set_name("TenstepError");
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&thrown, &"code".into(), &error.code().into());
        thrown.into()
    }
}
