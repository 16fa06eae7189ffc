//! The tokenizer of our default model: one id a word, and emoji mean what they show.
//!
//! The rules are those of `training/tokenizer.py`, which builds `words.json`; both give the same ids for every
//! string:
//!
//! 1. Variation selectors U+FE0E and U+FE0F and skin tones U+1F3FB to U+1F3FF are removed.
//! 2. From left to right, the longest emoji of the table becomes its words, with a space around.
//! 3. Lower case, by Unicode's full mapping. 4. Apostrophes are removed.
//! 5. Words are maximal runs of word characters. 6. Ignored words are dropped.
//! 7. A word that the vocabulary lacks is tried without its plural ending: `ies` to `y`, `es`, `s`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use super::{Frame, Ids, file, invalid, whole_number};
use crate::error::Result;

/// Code points from U+00C0 up that are no word characters: signs, punctuation, emoji that the table does not know,
/// private use.
const SEPARATORS: [RangeInclusive<u32>; 10] = [
    0xD7..=0xD7,
    0xF7..=0xF7,
    0x2000..=0x2BFF,
    0x3000..=0x303F,
    0xD800..=0xF8FF,
    0xFE00..=0xFE6F,
    0xFF00..=0xFF0F,
    0xFF1A..=0xFF20,
    0x1F000..=0x1FBFF,
    0xE0000..=0x10FFFF,
];

const PLURALS: [(&str, &str); 3] = [("ies", "y"), ("es", ""), ("s", "")];

/// words.json
#[derive(Deserialize)]
struct Tables {
    words: Vec<String>,
    ignored: HashSet<String>,
    emoji: HashMap<String, String>,
}

/// The vocabulary and the table of emoji.
#[derive(Debug, Clone)]
pub(super) struct WordTokenizer {
    ids: HashMap<String, u32>,
    ignored: HashSet<String>,
    emoji: HashMap<String, String>,
    /// Characters that an emoji of the table begins with.
    emoji_starts: HashSet<char>,
    /// Characters of the longest.
    longest_emoji: usize,
    unknown: u32,
    frame: Frame,
    vocab_size: usize,
}

impl WordTokenizer {
    pub(super) fn from_files(files: &BTreeMap<String, String>, config: &Value) -> Result<Self> {
        let Tables { words, ignored, emoji } = serde_json::from_str(file(files, "words.json")?)
            .map_err(|error| invalid(format!("words.json: {error}")))?;
        let first = whole_number(config, "first_word_id")?;
        let special = |field: &str| match whole_number(config, field)? {
            id if id < first => Ok(id as u32),
            id => Err(invalid(format!("{field} {id} must be below first_word_id {first}"))),
        };
        let vocab_size = first.checked_add(words.len()).filter(|&size| u32::try_from(size).is_ok());
        let vocab_size = vocab_size.ok_or_else(|| invalid("first_word_id is too large"))?;
        let numbered = words.into_iter().enumerate().map(|(index, word)| (word, (first + index) as u32));
        Ok(Self {
            ids: numbered.collect(),
            ignored,
            emoji_starts: emoji.keys().filter_map(|key| key.chars().next()).collect(),
            longest_emoji: emoji.keys().map(|key| key.chars().count()).max().unwrap_or(0),
            emoji,
            unknown: special("unk_token_id")?,
            frame: Frame {
                start: special("bos_token_id")?,
                end: special("eos_token_id")?,
                pad: special("pad_token_id")?,
            },
            vocab_size,
        })
    }

    pub(super) fn frame(&self) -> Frame {
        self.frame
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    pub(super) fn ids(&self, prompt: &str) -> Ids {
        let spelt = self.replace_emoji(prompt).to_lowercase().replace(['\'', '\u{2019}'], "");
        let words = spelt.split(|character| !is_word_character(character));
        let mut found = Ids::default();
        for word in words.filter(|word| !word.is_empty() && !self.ignored.contains(*word)) {
            let id = self.word_id(word).unwrap_or_else(|| {
                if !found.unknown.iter().any(|known| known == word) {
                    found.unknown.push(word.to_owned());
                }
                self.unknown
            });
            found.ids.push(id);
        }
        found
    }

    /// Rules 1 and 2.
    fn replace_emoji(&self, prompt: &str) -> String {
        let removed =
            |character: &char| matches!(character, '\u{FE0E}' | '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}');
        let text: String = prompt.chars().filter(|character| !removed(character)).collect();
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let (len, words) = match self.longest_emoji_at(rest, first) {
                Some((len, words)) => (len, format!(" {words} ")),
                None => (first.len_utf8(), first.to_string()),
            };
            replaced.push_str(&words);
            rest = &rest[len..];
        }
        replaced
    }

    /// Bytes of the longest emoji that `text` begins with, and its words.
    fn longest_emoji_at(&self, text: &str, first: char) -> Option<(usize, &str)> {
        if !self.emoji_starts.contains(&first) {
            return None;
        }
        let ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
        let ends: Vec<usize> = ends.take(self.longest_emoji).collect();
        let words = |end: usize| Some((end, self.emoji.get(&text[..end])?.as_str()));
        ends.into_iter().rev().find_map(words)
    }

    /// Rule 7.
    fn word_id(&self, word: &str) -> Option<u32> {
        let singular = |(ending, replacement): &(&str, &str)| {
            let stem = word.strip_suffix(ending).filter(|stem| !stem.is_empty())?;
            self.ids.get(&format!("{stem}{replacement}"))
        };
        self.ids.get(word).or_else(|| PLURALS.iter().find_map(singular)).copied()
    }
}

fn is_word_character(character: char) -> bool {
    match u32::from(character) {
        0..0xC0 => character.is_ascii_alphanumeric(),
        code => !SEPARATORS.iter().any(|range| range.contains(&code)),
    }
}
