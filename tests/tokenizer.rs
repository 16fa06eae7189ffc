//! Prompts to ids, exactly: CLIP's tokenizer against transformers, the word tokenizer against training/tokenizer.py.
//!
//! Goldens: tests/goldens/tokenizer, made by training/goldens/tokenizers.py and training/goldens/words.py.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tenstep::Error;
use tenstep::tokenizer::Tokenizer;

/// A tokenizer's files, as a manifest holds them.
fn files(kind: &str) -> BTreeMap<String, String> {
    let names: &[&str] = match kind {
        "clip" => &["tokenizer_config.json", "vocab.json", "merges.txt"],
        _ => &["tokenizer_config.json", "words.json"],
    };
    names.iter().map(|&name| (name.to_owned(), read(kind, name))).collect()
}

fn read(kind: &str, name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/tokenizer").join(kind);
    std::fs::read_to_string(folder.join(name)).expect(name)
}

fn with(kind: &str, name: &str, content: &str) -> BTreeMap<String, String> {
    let mut files = files(kind);
    files.insert(name.to_owned(), content.to_owned());
    files
}

/// Compares all goldens of a kind: the ids under `field`, and whether the prompt was cut.
fn assert_goldens(kind: &str, files: &BTreeMap<String, String>, field: &str) {
    let tokenizer = Tokenizer::from_files(files).expect("a tokenizer");
    let goldens: Vec<Value> = serde_json::from_str(&read(kind, "prompts.json")).expect("goldens");
    assert!(goldens.len() >= 40, "only {} goldens", goldens.len());
    let mut wrong = Vec::new();
    for golden in &goldens {
        let prompt = golden["prompt"].as_str().expect("a prompt");
        let expected: Vec<u32> = serde_json::from_value(golden[field].clone()).expect("ids");
        let encoding = tokenizer.encode(prompt);
        if encoding.input_ids != expected || golden["truncated"] != encoding.truncated {
            wrong.push(format!("{prompt:?}: {encoding:?}, expected {expected:?}"));
        }
        assert!(encoding.input_ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), goldens.len(), wrong.join("\n"));
}

#[test]
fn clip_gives_the_ids_of_transformers() {
    assert_goldens("clip", &files("clip"), "input_ids");
}

#[test]
fn clip_pads_as_stable_diffusion_2_does() {
    let exclamation = with("clip", "special_tokens_map.json", r#"{"pad_token": {"content": "!"}}"#);
    assert_goldens("clip", &exclamation, "input_ids_padded_with_exclamation");
}

#[test]
fn words_give_the_ids_of_the_training() {
    assert_goldens("words", &files("words"), "input_ids");
}

#[test]
fn an_emoji_means_what_it_shows() {
    let tokenizer = Tokenizer::from_files(&files("words")).expect("a tokenizer");
    assert_eq!(tokenizer.encode("🍎"), tokenizer.encode("red apple"));
    assert_eq!(tokenizer.encode("❤️"), tokenizer.encode("red heart"));
}

#[test]
fn words_that_nobody_knows_are_named_once() {
    let tokenizer = Tokenizer::from_files(&files("words")).expect("a tokenizer");
    let encoding = tokenizer.encode("an Xyzzy apple, a xyzzy and a plugh");
    assert_eq!(encoding.unknown, ["xyzzy", "plugh"]);
    assert!(!encoding.truncated);
    assert!(tokenizer.encode("red apple").unknown.is_empty());
}

#[test]
fn a_very_long_prompt_is_cut_quickly() {
    // One piece of a million letters: quadratic merging would take hours.
    let tokenizer = Tokenizer::from_files(&files("clip")).expect("a tokenizer");
    let encoding = tokenizer.encode(&"astronaut".repeat(111_111));
    assert_eq!(encoding.input_ids.len(), 77);
    assert!(encoding.truncated);
    let tokenizer = Tokenizer::from_files(&files("words")).expect("a tokenizer");
    assert!(tokenizer.encode(&"apple 🍎 ".repeat(100_000)).truncated);
}

#[test]
fn malformed_files_are_refused_by_name() {
    let cases: [(&str, &str, &str, &str); 14] = [
        ("clip", "tokenizer_config.json", "{", "tokenizer_config.json"),
        ("clip", "tokenizer_config.json", r#"{"tokenizer_class": "CLIPTokenizer"}"#, "model_max_length"),
        (
            "clip",
            "tokenizer_config.json",
            r#"{"tokenizer_class": "CLIPTokenizer", "model_max_length": 2}"#,
            "model_max_length 2",
        ),
        (
            "clip",
            "tokenizer_config.json",
            r#"{"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": "<start>"}"#,
            "<start>",
        ),
        ("clip", "vocab.json", r#"["a"]"#, "vocab.json"),
        ("clip", "vocab.json", r#"{"a": -1}"#, "vocab.json"),
        ("clip", "vocab.json", "{}", "<|startoftext|>"),
        ("clip", "merges.txt", "#version: 0.2\nabc\n", "abc"),
        ("clip", "merges.txt", "#version: 0.2\nq q\n", "\"qq\""),
        ("clip", "special_tokens_map.json", r#"{"pad_token": 3}"#, "pad_token"),
        ("words", "words.json", r#"{"words": ["a"]}"#, "words.json"),
        ("words", "words.json", r#"{"words": [1], "ignored": [], "emoji": {}}"#, "words.json"),
        (
            "words",
            "tokenizer_config.json",
            r#"{"tokenizer_class": "TenstepWordTokenizer", "model_max_length": 16, "first_word_id": 4}"#,
            "unk_token_id",
        ),
        (
            "words",
            "tokenizer_config.json",
            r#"{"tokenizer_class": "TenstepWordTokenizer", "model_max_length": 16, "first_word_id": 4,
                "unk_token_id": 9}"#,
            "unk_token_id 9",
        ),
    ];
    for (kind, name, content, named) in cases {
        let error = Tokenizer::from_files(&with(kind, name, content)).expect_err(content);
        assert!(matches!(error, Error::InvalidTokenizer { .. }), "{error:?}");
        assert!(error.to_string().contains(named), "{error} names {named}");
    }
}

#[test]
fn missing_files_are_named() {
    for (kind, names) in [
        ("clip", vec!["tokenizer_config.json", "vocab.json", "merges.txt"]),
        ("words", vec!["tokenizer_config.json", "words.json"]),
    ] {
        for name in names {
            let mut files = files(kind);
            files.remove(name);
            let error = Tokenizer::from_files(&files).expect_err(name);
            assert_eq!(error, Error::InvalidTokenizer { message: format!("{name} is missing") });
        }
    }
}

#[test]
fn another_class_of_tokenizer_is_refused() {
    let config = r#"{"tokenizer_class": "T5Tokenizer", "model_max_length": 77}"#;
    let error = Tokenizer::from_files(&with("clip", "tokenizer_config.json", config)).expect_err("T5");
    assert_eq!(error.code(), "unsupported-config");
    assert!(error.to_string().contains("T5Tokenizer"));
}
