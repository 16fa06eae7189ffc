//! Reading a config so that no field goes unnoticed.
//!
//! A [`Fields`] holds the JSON object; every getter takes its field out, and [`Fields::finish`] refuses what is
//! left. Absent fields have diffusers' defaults, since configs written by older versions lack newer fields. Sizes
//! are bounded here, so that a hostile config cannot ask for an absurd graph.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::MAX_LATENT_SIDE;
use crate::error::{Error, Result};
use crate::graph::Activation;

/// Channels and widths that a config may ask for; the widest public checkpoints stay below 16384.
pub(super) const WIDTHS: RangeInclusive<usize> = 1..=65_536;

/// Sides of the latents that a network was trained on; public checkpoints have up to 128.
const LATENT_SIDES: RangeInclusive<usize> = 1..=MAX_LATENT_SIDE;

/// Levels of resolution. Public checkpoints have 1 to 6.
pub(super) const LEVELS: RangeInclusive<usize> = 1..=8;

/// Residual blocks in one level. Public checkpoints have 1 to 3.
pub(super) const LAYERS: RangeInclusive<usize> = 1..=8;

/// Transformer blocks after one residual block. Public checkpoints have 1 to 10.
pub(super) const TRANSFORMER_LAYERS: RangeInclusive<usize> = 1..=16;

/// The names that diffusers gives to the activations this crate has.
pub(super) const ACTIVATIONS: &[(&str, Activation)] = &[
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("gelu", Activation::Gelu),
    ("relu", Activation::Relu),
];

/// The fields of a config that nobody has asked for yet.
pub(super) struct Fields {
    component: &'static str,
    map: Map<String, Value>,
}

impl Fields {
    /// `config` must be an object. Fields that begin with `_` are the writer's own notes: `_class_name` must be
    /// one of `classes` where it is present; the others say nothing about the network.
    pub(super) fn new(component: &'static str, config: &Value, classes: &[&str]) -> Result<Self> {
        let Value::Object(map) = config else {
            let message = "must be a JSON object".to_owned();
            return Err(Error::InvalidConfig { component: component.to_owned(), message });
        };
        let mut map = map.clone();
        let class = map.remove("_class_name");
        map.retain(|name, _| !name.starts_with('_'));
        let fields = Self { component, map };
        match class {
            None => Ok(fields),
            Some(Value::String(name)) if classes.contains(&name.as_str()) => Ok(fields),
            Some(value) => Err(fields.unsupported("_class_name", &value, &classes.join(", "))),
        }
    }

    /// Refuses a field that was not taken and holds something.
    pub(super) fn finish(self) -> Result<()> {
        match self.map.iter().find(|(_, value)| !value.is_null()) {
            None => Ok(()),
            Some((field, value)) => Err(self.unsupported(field, value, "no such field")),
        }
    }

    /// Whether the field is absent or null.
    pub(super) fn is_null(&self, field: &str) -> bool {
        self.map.get(field).is_none_or(Value::is_null)
    }

    /// Takes fields that cannot change an evaluation: dropout, initial values, the dtype of a file.
    pub(super) fn ignore(&mut self, fields: &[&str]) {
        for field in fields {
            self.map.remove(*field);
        }
    }

    /// The field must be absent or hold one of `accepted`.
    pub(super) fn require(&mut self, field: &str, accepted: &[Value]) -> Result<()> {
        match self.map.remove(field) {
            None => Ok(()),
            Some(value) if accepted.contains(&value) => Ok(()),
            Some(value) => {
                let accepted: Vec<String> = accepted.iter().map(Value::to_string).collect();
                Err(self.unsupported(field, &value, &accepted.join(", ")))
            }
        }
    }

    /// A whole number.
    pub(super) fn size(
        &mut self,
        field: &str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> Result<usize> {
        match self.map.remove(field) {
            None => Ok(default),
            Some(value) => self.size_of(field, &value, &range),
        }
    }

    /// A whole number, or null where the network goes without.
    pub(super) fn optional_size(
        &mut self,
        field: &str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>> {
        match self.map.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => self.size_of(field, &value, &range).map(Some),
        }
    }

    /// A list of whole numbers.
    pub(super) fn sizes(
        &mut self,
        field: &str,
        default: &[usize],
        range: RangeInclusive<usize>,
    ) -> Result<Vec<usize>> {
        let list = match self.map.remove(field) {
            None => return Ok(default.to_vec()),
            Some(Value::Array(list)) if LEVELS.contains(&list.len()) => list,
            Some(value) => return Err(self.unsupported(field, &value, "a list of 1 to 8 numbers")),
        };
        list.iter().map(|value| self.size_of(field, value, &range)).collect()
    }

    /// One whole number for all blocks, or a list with one for each.
    pub(super) fn size_per_block(
        &mut self,
        field: &str,
        default: usize,
        blocks: usize,
        range: RangeInclusive<usize>,
    ) -> Result<Vec<usize>> {
        match self.map.remove(field) {
            None => Ok(vec![default; blocks]),
            Some(Value::Array(list)) if list.len() == blocks => {
                list.iter().map(|value| self.size_of(field, value, &range)).collect()
            }
            Some(value @ Value::Array(_)) => {
                Err(self.unsupported(field, &value, &format!("a number, or a list of {blocks}")))
            }
            Some(value) => Ok(vec![self.size_of(field, &value, &range)?; blocks]),
        }
    }

    /// One flag for all blocks, or a list with one for each.
    pub(super) fn flag_per_block(&mut self, field: &str, blocks: usize) -> Result<Vec<bool>> {
        let flags: Option<Vec<bool>> = match self.map.get(field) {
            None => Some(vec![false; blocks]),
            Some(Value::Bool(flag)) => Some(vec![*flag; blocks]),
            Some(Value::Array(list)) if list.len() == blocks => list.iter().map(Value::as_bool).collect(),
            Some(_) => None,
        };
        let value = self.map.remove(field).unwrap_or_default();
        flags.ok_or_else(|| self.unsupported(field, &value, &format!("true, false, or a list of {blocks}")))
    }

    /// A side length in latents, `[height, width]`, or null.
    pub(super) fn sample_size(&mut self, field: &str) -> Result<Option<[usize; 2]>> {
        match self.map.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) if list.len() == 2 => {
                let side = |value| self.size_of(field, value, &LATENT_SIDES);
                Ok(Some([side(&list[0])?, side(&list[1])?]))
            }
            Some(value) => self.size_of(field, &value, &LATENT_SIDES).map(|side| Some([side, side])),
        }
    }

    /// A finite number.
    pub(super) fn number(&mut self, field: &str, default: f64) -> Result<f64> {
        match self.map.remove(field) {
            None => Ok(default),
            Some(value) => match value.as_f64() {
                Some(number) if number.is_finite() => Ok(number),
                _ => Err(self.unsupported(field, &value, "a number")),
            },
        }
    }

    /// A number above zero: an epsilon, or something that is divided by.
    pub(super) fn positive(&mut self, field: &str, default: f64) -> Result<f64> {
        let number = self.number(field, default)?;
        if number > 0.0 {
            return Ok(number);
        }
        Err(self.unsupported(field, &Value::from(number), "a number above 0"))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, field: &str, default: bool) -> Result<bool> {
        match self.map.remove(field) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(value) => Err(self.unsupported(field, &value, "true or false")),
        }
    }

    /// One of a few names.
    pub(super) fn choice<T: Clone>(&mut self, field: &str, default: T, choices: &[(&str, T)]) -> Result<T> {
        match self.map.remove(field) {
            None => Ok(default),
            Some(value) => self.choice_of(field, &value, choices),
        }
    }

    /// One of a few names, or null.
    pub(super) fn optional_choice<T: Clone>(
        &mut self,
        field: &str,
        default: Option<T>,
        choices: &[(&str, T)],
    ) -> Result<Option<T>> {
        match self.map.remove(field) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(value) => self.choice_of(field, &value, choices).map(Some),
        }
    }

    /// A list of names, each one of a few, with one entry for each block.
    pub(super) fn choice_per_block<T: Clone>(
        &mut self,
        field: &str,
        default: &[T],
        blocks: usize,
        choices: &[(&str, T)],
    ) -> Result<Vec<T>> {
        match self.map.remove(field) {
            None if default.len() == blocks => Ok(default.to_vec()),
            Some(Value::Array(list)) if list.len() == blocks => {
                list.iter().map(|value| self.choice_of(field, value, choices)).collect()
            }
            value => {
                let value = value.unwrap_or_default();
                Err(self.unsupported(field, &value, &format!("a list of {blocks} block types")))
            }
        }
    }

    /// The error for a value that this version does not do.
    pub(super) fn unsupported(&self, field: &str, value: &Value, accepted: &str) -> Error {
        // A hostile config may hold a long value; an error is read by a person.
        let value: String = value.to_string().chars().take(80).collect();
        Error::UnsupportedConfig {
            component: self.component.to_owned(),
            field: field.to_owned(),
            value,
            accepted: accepted.to_owned(),
        }
    }

    fn size_of(&self, field: &str, value: &Value, range: &RangeInclusive<usize>) -> Result<usize> {
        value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let accepted = format!("a whole number from {} to {}", range.start(), range.end());
                self.unsupported(field, value, &accepted)
            })
    }

    fn choice_of<T: Clone>(&self, field: &str, value: &Value, choices: &[(&str, T)]) -> Result<T> {
        let found = choices.iter().find(|(name, _)| value.as_str() == Some(name));
        found.map(|(_, choice)| choice.clone()).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.unsupported(field, value, &names.join(", "))
        })
    }
}

/// Refuses a request outside `range`: sizes come from a caller, who may be anybody.
pub(super) fn require_size(option: &'static str, value: usize, range: RangeInclusive<usize>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let accepted = format!("a whole number from {} to {}", range.start(), range.end());
    Err(Error::InvalidOption { option, accepted, value: value.to_string() })
}
