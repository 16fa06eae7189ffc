//! The default model keeps to its budget, and carries what is needed to make it again.

#![cfg(feature = "native")]

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tenstep::burn::Cpu;
use tenstep::pipeline::Loader;
use tenstep::weights::Manifest;

/// The revision whose first training's provenance has no hash of training/held_out.json, and the hash of that file at its commit.
const TRAINED_BEFORE_LISTS_WERE_HASHED: (&str, &str) =
    ("347165278a8d", "ebdc022ef537ae8ce81a739b4661cb4b730c9b06079dd5244648014a4026b3a7");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("www/models/default")
}

fn manifest() -> Manifest {
    let json = fs::read_to_string(folder().join("manifest.json")).expect("manifest.json");
    Manifest::parse(&json).expect("a good manifest")
}

#[test]
fn the_default_model_keeps_to_its_budget() {
    let manifest = manifest();
    let loader = Loader::new(Rc::new(Cpu::new()), manifest.clone()).expect("a model");
    let files: u64 = fs::read_dir(folder())
        .expect("the model's folder")
        .map(|entry| entry.and_then(|entry| entry.metadata()).expect("a file").len())
        .sum();
    let (evaluation, decode) = (loader.info().evaluation_flops, loader.info().decode_flops);
    println!("{} parameters, {files} bytes, {evaluation} and {decode} operations", manifest.parameters());
    assert!(manifest.parameters() <= 11_000_000, "{} parameters", manifest.parameters());
    assert!(files <= 12_000_000, "{files} bytes in all files");
    assert!(evaluation <= 2_000_000_000, "{evaluation} operations a guided evaluation");
    assert!(decode <= 2_000_000_000, "{decode} operations a decode");
}

#[test]
fn the_default_model_says_how_it_was_made() {
    let training = &manifest().provenance["training"];
    let hexadecimal = |value: &Value, digits: usize| {
        let text = value.as_str().unwrap_or_default();
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    assert!(hexadecimal(&training["git_commit"], 40), "the commit: {}", training["git_commit"]);
    assert!(hexadecimal(&training["data"]["images_sha256"], 64), "a hash of the pictures");
    assert!(training["seed"].is_u64(), "the seed: {}", training["seed"]);
    for seen in [&training["images_seen"], &training["autoencoder"]["autoencoder"]["images_seen"]] {
        assert!(seen.as_u64().is_some_and(|seen| seen > 0));
    }
    for stage in ["dataset", "autoencoder", "text", "unet"] {
        assert!(training["config"][stage].is_object(), "the numbers of {stage}");
    }
    // What was held out is what the list says now: the model is judged by nothing that it was trained on.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("training/held_out.json");
    let list = fs::read(path).expect("held_out.json");
    let sha256: String = Sha256::digest(&list).iter().map(|byte| format!("{byte:02x}")).collect();
    match &training["data"]["held_out_sha256"] {
        Value::String(then) => assert_eq!(&sha256, then),
        _ => assert_eq!((manifest().revision.as_str(), sha256.as_str()), TRAINED_BEFORE_LISTS_WERE_HASHED),
    }
    let list: Value = serde_json::from_slice(&list).expect("JSON");
    assert!(list["pairs"].as_array().is_some_and(|pairs| pairs.len() >= 200));
}

#[test]
fn the_default_model_says_what_fine_tuned_it() {
    let training = &manifest().provenance["training"];
    for stage in ["reward", "short_prompts"] {
        let run = &training[stage];
        assert!(run["initial"].is_string(), "the revision that {stage} started from: {}", run["initial"]);
        let commit = run["git_commit"].as_str();
        assert!(commit.is_some_and(|commit| commit.len() == 40), "the commit of {stage}: {commit:?}");
        assert!(run["seed"].is_u64(), "the seed of {stage}: {}", run["seed"]);
        for count in ["steps", "images_seen"] {
            assert!(run[count].as_u64().is_some_and(|count| count > 0), "{count} of {stage}: {}", run[count]);
        }
        assert!(run["config"][stage].is_object(), "the numbers of {stage}");
    }
    // Each attribute that shall stay has a network that names it (docs/adr/0012).
    for table in ["reward_concept", "reward_style", "reward_shading", "reward_tone"] {
        assert!(training["reward"]["config"][table].is_object(), "the numbers of {table}");
    }
}
