//! Prompt to `input_ids`: what a text encoder reads.
//!
//! Two kinds: CLIP's byte-level BPE ([`clip`]), from a checkpoint's `vocab.json` and `merges.txt`, and the word
//! tokenizer of our default model ([`words`]), from its `words.json`. `tokenizer_config.json` says which.

mod byte_pairs;
mod clip;
mod pieces;
mod unicode;
mod words;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::error::{Error, Result};
use clip::ClipTokenizer;
use words::WordTokenizer;

/// Lengths that a config may ask for; the two special tokens alone would be a prompt that says nothing.
const LENGTHS: RangeInclusive<usize> = 3..=65_536;

/// A tokenizer, ready for prompts.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    kind: Kind,
    model_max_length: usize,
}

#[derive(Debug, Clone)]
enum Kind {
    Clip(ClipTokenizer),
    Words(WordTokenizer),
}

/// A prompt as a text encoder reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoding {
    /// Exactly [`Tokenizer::model_max_length`] ids: start, prompt, end, padding.
    pub input_ids: Vec<u32>,
    /// Whether the end of the prompt did not fit.
    pub truncated: bool,
    /// Words that the vocabulary lacks, in the order of the prompt, each once. Byte-level BPE spells any word.
    pub unknown: Vec<String>,
}

/// The ids of a prompt before special tokens and padding.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ids {
    ids: Vec<u32>,
    unknown: Vec<String>,
}

/// The ids around a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    start: u32,
    end: u32,
    pad: u32,
}

impl Tokenizer {
    /// Reads a tokenizer from the files of its folder by name: `tokenizer_config.json`; then `vocab.json`,
    /// `merges.txt` and, where there is one, `special_tokens_map.json`; or `words.json`. Other files are ignored.
    ///
    /// Errors: [`Error::InvalidTokenizer`] if a file is missing or malformed, [`Error::UnsupportedConfig`] for
    /// another class of tokenizer.
    pub fn from_files(files: &BTreeMap<String, String>) -> Result<Self> {
        let config = json(files, "tokenizer_config.json")?;
        let kind = match config.get("tokenizer_class").and_then(Value::as_str) {
            Some("CLIPTokenizer" | "CLIPTokenizerFast") => {
                Kind::Clip(ClipTokenizer::from_files(files, &config)?)
            }
            Some("TenstepWordTokenizer") => Kind::Words(WordTokenizer::from_files(files, &config)?),
            other => {
                return Err(Error::UnsupportedConfig {
                    component: "tokenizer".to_owned(),
                    field: "tokenizer_class".to_owned(),
                    value: other.unwrap_or("absent").chars().take(80).collect(),
                    accepted: "CLIPTokenizer, TenstepWordTokenizer".to_owned(),
                });
            }
        };
        let model_max_length = whole_number(&config, "model_max_length")?;
        if !LENGTHS.contains(&model_max_length) {
            return Err(invalid(format!("model_max_length {model_max_length} is not in 3 to 65536")));
        }
        Ok(Self { kind, model_max_length })
    }

    /// Tokens of every encoding, special ones and padding included.
    pub fn model_max_length(&self) -> usize {
        self.model_max_length
    }

    /// One more than the largest id it gives: a text encoder's `vocab_size` must not be smaller.
    pub fn vocab_size(&self) -> usize {
        match &self.kind {
            Kind::Clip(tokenizer) => tokenizer.vocab_size(),
            Kind::Words(tokenizer) => tokenizer.vocab_size(),
        }
    }

    /// Start, the prompt's ids, end, padding. What does not fit is cut from the prompt's end.
    pub fn encode(&self, prompt: &str) -> Encoding {
        let (Ids { mut ids, unknown }, frame) = match &self.kind {
            Kind::Clip(tokenizer) => (tokenizer.ids(prompt), tokenizer.frame()),
            Kind::Words(tokenizer) => (tokenizer.ids(prompt), tokenizer.frame()),
        };
        let room = self.model_max_length - 2;
        let truncated = ids.len() > room;
        ids.truncate(room);
        let mut input_ids = Vec::with_capacity(self.model_max_length);
        input_ids.push(frame.start);
        input_ids.append(&mut ids);
        input_ids.push(frame.end);
        input_ids.resize(self.model_max_length, frame.pad);
        Encoding { input_ids, truncated, unknown }
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::InvalidTokenizer { message: message.into() }
}

fn file<'a>(files: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str> {
    files.get(name).map(String::as_str).ok_or_else(|| invalid(format!("{name} is missing")))
}

fn json(files: &BTreeMap<String, String>, name: &str) -> Result<Value> {
    serde_json::from_str(file(files, name)?).map_err(|error| invalid(format!("{name}: {error}")))
}

fn whole_number(config: &Value, field: &str) -> Result<usize> {
    let number = config.get(field).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| invalid(format!("tokenizer_config.json: {field} must be a whole number")))
}
