//! The files of a tokenizer's folder.
//!
//! CLIP's vocabulary comes as vocab.json and merges.txt, which is what Stable Diffusion was published with, or
//! inside tokenizer.json, which is all that transformers writes since version 5. The latter is turned into the
//! former.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::folder::{read_json, read_text};
use crate::error::{Error, Result};

/// What a tokenizer may be made of.
const FILES: [&str; 5] =
    ["vocab.json", "merges.txt", "words.json", "tokenizer_config.json", "special_tokens_map.json"];

/// The files of `folder` that a tokenizer reads, by name.
pub fn tokenizer_files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for file in FILES {
        let path = folder.join(file);
        if path.is_file() {
            files.insert(file.to_owned(), read_text(&path)?);
        }
    }
    let joint = folder.join("tokenizer.json");
    if !files.contains_key("vocab.json") && !files.contains_key("words.json") && joint.is_file() {
        let (vocab, merges) = split(&read_json(&joint)?)?;
        files.insert("vocab.json".to_owned(), vocab);
        files.insert("merges.txt".to_owned(), merges);
    }
    Ok(files)
}

/// vocab.json and merges.txt from tokenizer.json.
fn split(json: &Value) -> Result<(String, String)> {
    let model = &json["model"];
    if model["type"] != "BPE" || model["end_of_word_suffix"] != "</w>" {
        return Err(malformed("model must be BPE with the suffix </w>"));
    }
    let mut vocab = model["vocab"].as_object().ok_or_else(|| malformed("model.vocab is missing"))?.clone();
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        if let Some(content) = token["content"].as_str() {
            vocab.insert(content.to_owned(), token["id"].clone());
        }
    }
    let merges = model["merges"].as_array().ok_or_else(|| malformed("model.merges is missing"))?;
    let mut text = String::from("#version: 0.2\n");
    for merge in merges {
        // A pair, or in older files its two parts with a space between.
        let line = match merge {
            Value::String(line) => Some(line.clone()),
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(first), Value::String(second)] => Some(format!("{first} {second}")),
                _ => None,
            },
            _ => None,
        };
        text += &line.ok_or_else(|| malformed("model.merges must hold pairs"))?;
        text.push('\n');
    }
    Ok((Value::Object(vocab).to_string(), text))
}

fn malformed(message: &str) -> Error {
    Error::InvalidTokenizer { message: format!("tokenizer.json: {message}") }
}
