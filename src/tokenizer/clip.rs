//! CLIP's tokenizer: byte-level BPE without case. Radford et al. 2019, section 2.2 (bytes); 2021, section 2.4.
//!
//! ```text
//! prompt -> cut at special tokens -> NFC, white space to one space, lower case -> pieces -> bytes as letters
//!        -> symbols, the last with "</w>" -> merges -> ids
//! ```

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::byte_pairs::{Merges, merge};
use super::pieces::pieces;
use super::unicode::nfc;
use super::{Frame, Ids, file, invalid, json};
use crate::error::Result;

/// Ends the last symbol of a piece.
const END_OF_WORD: &str = "</w>";

/// The vocabulary, the merges and the special tokens.
#[derive(Debug, Clone)]
pub(super) struct ClipTokenizer {
    /// The symbol of each byte inside a piece, and at its end.
    symbols: Vec<[u32; 2]>,
    merges: Merges,
    /// Tokens that are recognised in a prompt as they are spelt, with their ids.
    special: Vec<(String, u32)>,
    frame: Frame,
    vocab_size: usize,
}

impl ClipTokenizer {
    pub(super) fn from_files(files: &BTreeMap<String, String>, config: &Value) -> Result<Self> {
        let vocab: HashMap<String, u32> = serde_json::from_str(file(files, "vocab.json")?)
            .map_err(|error| invalid(format!("vocab.json: {error}")))?;
        let id = |token: &str| {
            vocab.get(token).copied().ok_or_else(|| invalid(format!("vocab.json lacks {}", shown(token))))
        };
        let names = special_names(files, config)?;
        let special: Vec<(String, u32)> =
            names.iter().map(|name| Ok((name.clone(), id(name)?))).collect::<Result<_>>()?;
        let [start, end, unknown, pad] = [0, 1, 2, 3].map(|index| special[index].1);

        let mut symbols = Vec::with_capacity(256);
        for letter in byte_letters() {
            let inside = vocab.get(&letter.to_string()).copied().unwrap_or(unknown);
            let last = vocab.get(&format!("{letter}{END_OF_WORD}")).copied().unwrap_or(unknown);
            symbols.push([inside, last]);
        }
        let merges = read_merges(file(files, "merges.txt")?, id)?;
        let vocab_size = vocab.values().max().map_or(0, |&largest| largest as usize + 1);
        Ok(Self { symbols, merges, special, frame: Frame { start, end, pad }, vocab_size })
    }

    pub(super) fn frame(&self) -> Frame {
        self.frame
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    pub(super) fn ids(&self, prompt: &str) -> Ids {
        let mut ids = Vec::new();
        let mut rest = prompt;
        while let Some((at, token, id)) = self.next_special(rest) {
            self.push_text(&rest[..at], &mut ids);
            ids.push(id);
            rest = &rest[at + token.len()..];
        }
        self.push_text(rest, &mut ids);
        Ids { ids, unknown: Vec::new() }
    }

    /// The first special token in `text`; of those that begin at one place, the longest.
    fn next_special(&self, text: &str) -> Option<(usize, &str, u32)> {
        let found =
            self.special.iter().filter_map(|(token, id)| Some((text.find(token)?, token.as_str(), *id)));
        found.min_by_key(|(at, token, _)| (*at, usize::MAX - token.len()))
    }

    fn push_text(&self, text: &str, ids: &mut Vec<u32>) {
        // Character by character: a final sigma stays σ, as in the reference. Spaces only separate, so one is as
        // good as many.
        let normalised: String = nfc(text).chars().flat_map(char::to_lowercase).collect();
        for piece in pieces(&normalised) {
            let last = piece.len() - 1;
            let symbol =
                |(index, byte): (usize, u8)| self.symbols[usize::from(byte)][usize::from(index == last)];
            let symbols = piece.bytes().enumerate().map(symbol).collect();
            ids.extend(merge(symbols, &self.merges));
        }
    }
}

/// The names of start, end, unknown and padding. `special_tokens_map.json` overrides the config: Stable Diffusion 2
/// pads with `!`, and says so only there.
fn special_names(files: &BTreeMap<String, String>, config: &Value) -> Result<[String; 4]> {
    let map = match files.contains_key("special_tokens_map.json") {
        true => json(files, "special_tokens_map.json")?,
        false => Value::Null,
    };
    let name = |field: &str, default: &str| match map.get(field).or_else(|| config.get(field)) {
        None | Some(Value::Null) => Ok(default.to_owned()),
        Some(value) => {
            // Older versions write a token with its flags, newer ones only its text.
            let text = value.as_str().or_else(|| value.get("content")?.as_str());
            let text = text.filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| invalid(format!("{field} must be a token")))
        }
    };
    Ok([
        name("bos_token", "<|startoftext|>")?,
        name("eos_token", "<|endoftext|>")?,
        name("unk_token", "<|endoftext|>")?,
        name("pad_token", "<|endoftext|>")?,
    ])
}

/// Lines of two symbols, the most important merge first; a first line `#version: …` is none.
fn read_merges(text: &str, id: impl Fn(&str) -> Result<u32>) -> Result<Merges> {
    let mut merges = Merges::new();
    let lines = text.lines().filter(|line| !line.starts_with("#version") && !line.trim().is_empty());
    for (rank, line) in lines.enumerate() {
        let Some((left, right)) = line.trim_end().split_once(' ') else {
            return Err(invalid(format!("merges.txt: {} is not two symbols", shown(line))));
        };
        let merged = id(&format!("{left}{right}"))?;
        merges.entry((id(left)?, id(right)?)).or_insert((rank as u32, merged));
    }
    Ok(merges)
}

/// A letter for each byte, so that a vocabulary is text: printable bytes stand for themselves, the others for the
/// letters from U+0100 on. Radford et al. 2019 (GPT-2, `encoder.py`).
fn byte_letters() -> impl Iterator<Item = char> {
    let mut next = 0x100;
    (0..=255u8).map(move |byte| match byte {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
        _ => {
            next += 1;
            char::from_u32(next - 1).expect("no surrogates near U+0100")
        }
    })
}

/// A token in an error: quoted, and not longer than a person reads.
fn shown(token: &str) -> String {
    format!("{:?}", token.chars().take(40).collect::<String>())
}
