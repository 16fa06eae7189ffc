//! Plain objects in both directions.

use js_sys::{Object, Reflect, Uint8ClampedArray};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::options::Field;

/// A serialisable value as a plain object, with numbers as numbers.
pub fn object_from<T: Serialize>(value: &T) -> Result<JsValue> {
    value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(|error| {
        Error::InvalidConfig { component: "boundary".to_owned(), message: error.to_string() }
    })
}

/// The enumerable properties of an options object. Properties that are `undefined` count as left out.
pub fn fields_from(options: &JsValue) -> Result<Vec<(String, Field)>> {
    let Some(object) = options.dyn_ref::<Object>() else {
        return Err(Error::InvalidOption {
            option: "options",
            accepted: "an object".to_owned(),
            value: describe(options),
        });
    };
    let entries = Object::entries(object);
    let mut fields = Vec::with_capacity(entries.length() as usize);
    for entry in entries.iter() {
        let pair: js_sys::Array = entry.unchecked_into();
        let value = pair.get(1);
        if !value.is_undefined() {
            fields.push((pair.get(0).as_string().unwrap_or_default(), field_from(&value)));
        }
    }
    Ok(fields)
}

fn field_from(value: &JsValue) -> Field {
    if let Some(number) = value.as_f64() {
        return Field::Number(number);
    }
    match value.as_string() {
        Some(text) => Field::Text(text),
        None => Field::Other(describe(value)),
    }
}

fn describe(value: &JsValue) -> String {
    if value.is_null() {
        return "null".to_owned();
    }
    match value.as_bool() {
        Some(boolean) => boolean.to_string(),
        None => format!("a value of type {}", value.js_typeof().as_string().unwrap_or_default()),
    }
}

/// `{ width, height, data }`, ready for `new ImageData`.
pub fn picture_from(image: &Image) -> JsValue {
    let picture = Object::new();
    set(&picture, "width", &(image.width as u32).into());
    set(&picture, "height", &(image.height as u32).into());
    set(&picture, "data", &Uint8ClampedArray::from(image.rgba.as_slice()).into());
    picture.into()
}

/// Sets a property of an object of our own making.
pub fn set(object: &Object, key: &str, value: &JsValue) {
    // Fails for frozen objects and proxies only, and these objects are fresh.
    let _ = Reflect::set(object, &key.into(), value);
}
