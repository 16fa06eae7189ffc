//! Plain objects in both directions.

use js_sys::{Array, Object, Reflect, Uint8ClampedArray};
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
    Ok(entries_of(object).map(|(name, value)| (name, field_from(&value))).collect())
}

/// Enumerable properties but those that are `undefined`.
fn entries_of(object: &Object) -> impl Iterator<Item = (String, JsValue)> {
    let pairs = Object::entries(object).to_vec().into_iter().map(JsCast::unchecked_into::<Array>);
    let entries = pairs.map(|pair| (pair.get(0).as_string().unwrap_or_default(), pair.get(1)));
    entries.filter(|(_, value)| !value.is_undefined())
}

/// One level of objects and lists of numbers are told apart; what is deeper is described.
fn field_from(value: &JsValue) -> Field {
    if let Some(list) = value.dyn_ref::<Array>() {
        let numbers: Option<Vec<f64>> = list.iter().map(|item| item.as_f64()).collect();
        return numbers.map_or_else(
            || Field::Other("a list with something that is no number".to_owned()),
            Field::Numbers,
        );
    }
    match value.dyn_ref::<Object>() {
        Some(object) if !value.is_function() => {
            let entries = entries_of(object).map(|(name, value)| (name, scalar_from(&value)));
            Field::Fields(entries.collect())
        }
        _ => scalar_from(value),
    }
}

fn scalar_from(value: &JsValue) -> Field {
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
