//! Cutting a text into the pieces within which byte pairs are merged.
//!
//! CLIP's pattern (openai/CLIP, `simple_tokenizer.py`), alternatives in this order:
//!
//! ```text
//! <|startoftext|>  <|endoftext|>  's  't  're  've  'm  'll  'd  [\p{L}]+  [\p{N}]  [^\s\p{L}\p{N}]+
//! ```
//!
//! A text that spells a special token in other letters arrives here in lower case. transformers cuts each piece once
//! more with GPT-2's pattern, which lacks the first two alternatives, so that such a text comes out in three.

use super::unicode::{is_letter, is_number};

const SPELT_TOKENS: [&str; 2] = ["<|startoftext|>", "<|endoftext|>"];
const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

/// The pieces of a normalised text, without the spaces between them.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(token) = SPELT_TOKENS.iter().find(|token| rest.starts_with(**token)) {
            let (piece, after) = rest.split_at(token.len());
            let name = piece.len() - 2;
            found.extend([&piece[..2], &piece[2..name], &piece[name..]]);
            rest = after;
            continue;
        }
        let class = class(first);
        let len = match CONTRACTIONS.iter().find(|ending| rest.starts_with(**ending)) {
            Some(ending) => ending.len(),
            None if class == Class::Number => first.len_utf8(),
            None => rest.find(|next| self::class(next) != class).unwrap_or(rest.len()),
        };
        let (piece, after) = rest.split_at(len);
        if class != Class::Space {
            found.push(piece);
        }
        rest = after;
    }
    found
}

fn class(character: char) -> Class {
    match character {
        'a'..='z' => Class::Letter,
        _ if character.is_whitespace() => Class::Space,
        _ if is_letter(character) => Class::Letter,
        _ if is_number(character) => Class::Number,
        _ => Class::Other,
    }
}
