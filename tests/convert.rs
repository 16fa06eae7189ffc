//! A diffusers folder becomes a manifest and shards that hold the same weights, or a named error.

#![cfg(feature = "native")]

mod diffusers_folder;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use diffusers_folder::{
    Folder, Tensors, part_tensors, safetensors, source, text_config, unet_config, vae_config, weights_file,
};
use serde_json::{Value, json};
use tenstep::Error;
use tenstep::convert::{Options, Storage, convert};
use tenstep::tokenizer::Tokenizer;
use tenstep::weights::{Alpha, Channels, DType, MAX_SHARD_BYTES, Manifest, ShardSet, dequantise, quantise};

/// Every tensor of a converted folder, by component.
fn read_back(out: &Path) -> (Manifest, BTreeMap<String, Tensors>) {
    let json = fs::read_to_string(out.join("manifest.json")).expect("a manifest");
    let manifest = Manifest::parse(&json).expect("a good manifest");
    let mut set = ShardSet::new(&manifest);
    let mut stored: Vec<Vec<Vec<u8>>> = manifest
        .components
        .iter()
        .map(|component| {
            let bytes = component.tensors.iter().map(|tensor| tensor.stored_bytes().expect("checked"));
            bytes.map(|bytes| vec![0; bytes as usize]).collect()
        })
        .collect();
    let files: Vec<(usize, String)> =
        set.iter(&manifest).map(|(number, _, shard)| (number, shard.file.clone())).collect();
    for (number, file) in files {
        let bytes = fs::read(out.join(file)).expect("a shard");
        assert!(bytes.len() as u64 <= MAX_SHARD_BYTES);
        for piece in set.accept(&manifest, number, &bytes).expect("a good shard") {
            let start = piece.offset as usize;
            stored[piece.component][piece.tensor][start..start + piece.bytes.len()]
                .copy_from_slice(piece.bytes);
        }
    }
    let components = manifest.components.iter().zip(&stored).map(|(component, stored)| {
        let tensors = component.tensors.iter().zip(stored);
        let read = tensors
            .map(|(info, bytes)| (info.name.clone(), (info.shape.clone(), dequantise(info, bytes))))
            .collect();
        (component.name.clone(), read)
    });
    let components = components.collect();
    (manifest, components)
}

fn options(dtype: DType) -> Options {
    Options { storage: Storage::new(dtype), ..Options::default() }
}

#[test]
fn converted_weights_equal_the_source_within_their_type() {
    let source = source("round-trip");
    for (dtype, bound) in [
        (DType::F32, 0.0),
        (DType::F16, 1.0 / 2048.0),
        (DType::Int8, 0.5001 / 127.0),
        (DType::Int4, 0.5003 / 7.0),
    ] {
        let out = Folder::new(&format!("round-trip-{dtype:?}"));
        let conversion = convert(&source.0, &out.0, &options(dtype)).expect("a conversion");
        assert!(conversion.unused.is_empty(), "{:?}", conversion.unused);
        let (manifest, components) = read_back(&out.0);
        assert_eq!(manifest, conversion.manifest);
        let names: Vec<&str> = components.keys().map(String::as_str).collect();
        assert_eq!(names, ["text_encoder", "unet", "vae_decoder", "vae_encoder"]);
        assert!(manifest.components[1].tensors.iter().any(|tensor| tensor.dtype == dtype));

        for part in ["text_encoder", "unet", "vae"] {
            let mut converted: Tensors = BTreeMap::new();
            for (name, tensors) in &components {
                if name.starts_with(part) {
                    converted.extend(tensors.clone());
                }
            }
            let expected = part_tensors(part);
            assert_eq!(converted.len(), expected.len(), "{part}");
            let mut exact = 0;
            for (name, (shape, values)) in &expected {
                let (converted_shape, converted) = &converted[name];
                assert_eq!(converted_shape, shape, "{part}/{name}");
                exact += usize::from(converted == values);
                // f16 rounds each value; int8 each row by its largest, int4 each 32 channels of a row, of which it may cut the largest.
                let row = values.len() / shape[0];
                let group =
                    if dtype == DType::Int4 { 32 * shape.iter().skip(2).product::<usize>() } else { row };
                for (index, (value, converted)) in values.iter().zip(converted).enumerate() {
                    let start = index / row * row + index % row / group * group;
                    let group = &values[start..(start + group).min(index / row * row + row)];
                    let largest = group.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                    let scale = if dtype == DType::F16 { value.abs() } else { largest };
                    // Below 2^-14 f16 has steps of 2^-24.
                    let least = if dtype == DType::F16 { 2.0f32.powi(-25) } else { 0.0 };
                    let error = (value - converted).abs();
                    let is_cut = dtype == DType::Int4
                        && value.abs() > converted.abs()
                        && converted.abs() >= 0.699 * largest;
                    assert!(
                        error <= (scale * bound).max(least) || is_cut,
                        "{dtype:?} {part}/{name}[{index}]: {value} {converted}"
                    );
                }
            }
            // Something is quantised in the large networks, and small tensors never are.
            let all_exact = exact == expected.len();
            assert_eq!(all_exact, dtype == DType::F32 || part == "text_encoder" || part == "vae", "{part}");
        }
    }
}

#[test]
fn the_manifest_says_what_the_folder_says() {
    let source = source("manifest");
    source.write("image.json", r#"{"channels": "rgb", "range": [-1, 1]}"#);
    let row = [1.0, 2.0, 3.0, 4.0];
    source.write("preview.json", json!({"weight": [row, row, row], "bias": [0.0, 0.5, 1.0]}).to_string());
    source.write("training.json", r#"{"steps": 12, "loss": NaN}"#);
    let out = Folder::new("manifest-out");
    let options = Options {
        name: Some("tiny".to_owned()),
        licence: Some("MIT".to_owned()),
        styles: vec!["noto".to_owned()],
        ..options(DType::Int8)
    };
    let manifest = convert(&source.0, &out.0, &options).expect("a conversion").manifest;
    assert_eq!((manifest.name.as_str(), manifest.licence.as_str()), ("tiny", "MIT"));
    assert_eq!(manifest.revision.len(), 12);
    assert_eq!((manifest.defaults.width, manifest.defaults.height), (16, 16));
    assert_eq!((manifest.image.channels, manifest.image.alpha), (Channels::Rgb, Alpha::Straight));
    assert_eq!(manifest.preview.as_ref().map(|preview| preview.bias.clone()), Some(vec![0.0, 0.5, 1.0]));
    assert_eq!(manifest.provenance["training"], json!({"steps": 12, "loss": "NaN"}));
    assert_eq!(manifest.scheduler["lambda_min_clipped"], json!("-inf"));
    assert!(manifest.tokenizer["words.json"].contains("\"\\\"-Infinity\\\"\""), "texts are left alone");
    let lazy: Vec<bool> = manifest.components.iter().map(|component| component.lazy).collect();
    assert_eq!(lazy, [false, false, false, true]);
    assert_eq!(manifest.component("unet").map(|unet| unet.config.clone()), Some(unet_config()));
}

/// Every file of a folder, by name.
fn files_in(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(&folder.0).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a plain name");
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

#[test]
fn a_conversion_that_fails_leaves_what_it_found() {
    let source = source("fails");
    let (fresh, used) = (Folder::new("fails-fresh"), Folder::new("fails-used"));
    convert(&source.0, &used.0, &options(DType::F16)).expect("a conversion");
    let found = files_in(&used);
    // Noticed only once every shard is written.
    let wrong = Options { steps: 5000, ..options(DType::Int8) };
    for folder in [&fresh, &used] {
        let error = convert(&source.0, &folder.0, &wrong).expect_err("too many steps");
        assert_eq!(error.code(), "invalid-manifest");
    }
    assert!(files_in(&fresh).is_empty());
    assert!(files_in(&used) == found);
    convert(&source.0, &fresh.0, &options(DType::Int8)).expect("the next try");
}

#[test]
fn conversion_is_deterministic_and_replaces_an_earlier_one() {
    let source = source("again");
    let (first, second) = (Folder::new("again-1"), Folder::new("again-2"));
    convert(&source.0, &first.0, &options(DType::Int8)).expect("a conversion");
    convert(&source.0, &second.0, &options(DType::F16)).expect("a conversion");
    let of_f16 = files_in(&second);
    // One that somebody has removed already is no matter.
    let gone = of_f16.keys().find(|name| name.starts_with("unet")).expect("a shard");
    fs::remove_file(second.join(gone)).expect("was there");
    convert(&source.0, &second.0, &options(DType::Int8)).expect("a conversion over the other");
    assert_ne!(of_f16.keys().collect::<Vec<_>>(), files_in(&second).keys().collect::<Vec<_>>());
    assert!(
        files_in(&first) == files_in(&second),
        "the same input gives the same files, and no stale ones stay"
    );

    let other = Folder::new("again-other");
    other.write("notes.txt", "keep me");
    let error = convert(&source.0, &other.0, &options(DType::Int8)).expect_err("somebody's folder");
    assert_eq!(error.code(), "io");
    assert!(other.join("notes.txt").is_file());
}

#[test]
fn sharded_checkpoints_and_older_names_are_read() {
    let source = source("sharded");
    fs::remove_file(source.join(weights_file("unet"))).expect("the file was there");
    let (mut first, mut second) = (Tensors::new(), Tensors::new());
    let mut weight_map = serde_json::Map::new();
    for (index, (name, tensor)) in part_tensors("unet").into_iter().enumerate() {
        let (file, part) = match index % 2 {
            0 => ("diffusion_pytorch_model-00001-of-00002.safetensors", &mut first),
            _ => ("diffusion_pytorch_model-00002-of-00002.safetensors", &mut second),
        };
        weight_map.insert(name.clone(), json!(file));
        part.insert(name, tensor);
    }
    source.write("unet/diffusion_pytorch_model-00001-of-00002.safetensors", safetensors(&first));
    source.write("unet/diffusion_pytorch_model-00002-of-00002.safetensors", safetensors(&second));
    let index = json!({"metadata": {}, "weight_map": weight_map}).to_string();
    source.write("unet/diffusion_pytorch_model.safetensors.index.json", index);
    // transformers up to version 4.
    let mut older: Tensors = part_tensors("text_encoder")
        .into_iter()
        .map(|(name, tensor)| (format!("text_model.{name}"), tensor))
        .collect();
    let position_ids = (vec![1, 5], vec![0.0, 1.0, 2.0, 3.0, 4.0]);
    older.insert("text_model.embeddings.position_ids".to_owned(), position_ids);
    older.insert("text_projection.weight".to_owned(), (vec![1, 1], vec![0.0]));
    source.write(weights_file("text_encoder"), safetensors(&older));

    let out = Folder::new("sharded-out");
    let conversion = convert(&source.0, &out.0, &options(DType::F32)).expect("a conversion");
    assert_eq!(conversion.unused, ["text_encoder/text_projection.weight"]);
    let (_, components) = read_back(&out.0);
    assert!(components["unet"] == part_tensors("unet"), "the pieces come together");
    assert!(components["text_encoder"] == part_tensors("text_encoder"));
}

/// What transformers writes since version 5 instead of vocab.json and merges.txt.
#[test]
fn tokenizer_json_becomes_vocabulary_and_merges() {
    let source = source("tokenizer");
    fs::remove_file(source.join("tokenizer/words.json")).expect("the file was there");
    source.write(
        "tokenizer/tokenizer_config.json",
        r#"{"tokenizer_class": "CLIPTokenizer", "model_max_length": 5, "bos_token": "<s>", "eos_token": "</s>",
            "unk_token": "</s>", "pad_token": "</s>"}"#,
    );
    let joint = |merges: Value| {
        json!({
            "added_tokens": [{"id": 7, "content": "<s>"}, {"id": 8, "content": "</s>"}],
            "model": {
                "type": "BPE", "end_of_word_suffix": "</w>", "merges": merges,
                "vocab": {"r": 0, "e": 1, "d": 2, "d</w>": 3, "re": 4, "red</w>": 5, "r</w>": 6},
            },
        })
        .to_string()
    };
    for merges in [json!([["r", "e"], ["re", "d</w>"]]), json!(["r e", "re d</w>"])] {
        let out = Folder::new("tokenizer-out");
        source.write("tokenizer/tokenizer.json", joint(merges));
        let manifest = convert(&source.0, &out.0, &options(DType::F16)).expect("a conversion").manifest;
        assert_eq!(manifest.tokenizer["merges.txt"], "#version: 0.2\nr e\nre d</w>\n");
        let tokenizer = Tokenizer::from_files(&manifest.tokenizer).expect("a tokenizer");
        assert_eq!(tokenizer.encode("red").input_ids, [7, 5, 8, 8, 8]);
    }
    for broken in [json!({}), json!({"model": {"type": "Unigram"}}), json!([])] {
        let out = Folder::new("tokenizer-out");
        source.write("tokenizer/tokenizer.json", broken.to_string());
        let error = convert(&source.0, &out.0, &options(DType::F16)).expect_err("no such tokenizer");
        assert_eq!(error.code(), "invalid-tokenizer", "{error}");
    }
}

#[test]
fn bad_checkpoints_are_refused_with_the_tensor() {
    let source = source("bad");
    let out = Folder::new("bad-out");
    let file = weights_file("unet");
    let refuse = |tensors: &Tensors| {
        source.write(file, safetensors(tensors));
        let error = convert(&source.0, &out.0, &options(DType::F16)).expect_err("a bad checkpoint");
        assert!(!out.join("manifest.json").exists(), "no manifest names half a model");
        let _ = fs::remove_dir_all(&out.0);
        error
    };
    let good = part_tensors("unet");
    let name = "mid_block.attentions.0.proj_in.weight";

    let mut missing = good.clone();
    missing.remove(name).expect("the tensor is there");
    assert_eq!(refuse(&missing), Error::MissingTensor { tensor: name.to_owned() });

    let mut reshaped = good.clone();
    let (shape, _) = reshaped.get_mut("conv_in.weight").expect("the tensor is there");
    *shape = vec![16, 8, 3, 3];
    let (tensor, expected, actual) = ("conv_in.weight".to_owned(), vec![32, 4, 3, 3], vec![16, 8, 3, 3]);
    assert_eq!(refuse(&reshaped), Error::TensorShape { tensor, expected, actual });

    // A linear map stored as a convolution, or the other way round, is the same tensor.
    let mut squeezed = good.clone();
    let (shape, _) = squeezed.get_mut(name).expect("the tensor is there");
    *shape = if shape.len() == 4 { shape[..2].to_vec() } else { [shape.as_slice(), &[1, 1]].concat() };
    source.write(file, safetensors(&squeezed));
    convert(&source.0, &out.0, &options(DType::F16)).expect("a conversion");
    fs::remove_dir_all(&out.0).expect("the folder was there");

    let mut infinite = good.clone();
    infinite.get_mut(name).expect("the tensor is there").1[7] = f32::INFINITY;
    let error = refuse(&infinite);
    assert_eq!(error.to_string(), format!("unet config: tensor {name} holds values that are not finite"));
}

#[test]
fn damaged_files_are_refused_with_the_file() {
    let source = source("damaged");
    let out = Folder::new("damaged-out");
    let good = fs::read(source.join(weights_file("vae"))).expect("the file is there");
    let mut wild = good.clone();
    wild[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut header = good.clone();
    header[9] = b'!';
    // Sizes that are small only where they overflow.
    let huge: String = (0..8u64)
        .map(|index| {
            let [from, to] = [index, index + 1].map(|end| end * 2_305_843_009_213_693_951);
            format!(
                r#""{index}":{{"dtype":"U8","shape":[2305843009213693951],"data_offsets":[{from},{to}]}},"#
            )
        })
        .collect();
    let huge = format!("{{{}}}", huge.trim_end_matches(','));
    let huge = [&(huge.len() as u64).to_le_bytes()[..], huge.as_bytes()].concat();
    let damaged = [
        ("huge", huge),
        ("cut", good[..good.len() - 4].to_vec()),
        ("longer", [good.clone(), vec![0; 4]].concat()),
        ("wild length", wild),
        ("broken header", header),
        ("three bytes", vec![1, 2, 3]),
        ("empty", Vec::new()),
    ];
    for (what, bytes) in damaged {
        source.write(weights_file("vae"), bytes);
        let error = convert(&source.0, &out.0, &options(DType::F16)).expect_err(what);
        assert_eq!(error.code(), "io", "{what}: {error}");
        assert!(error.to_string().contains("vae/diffusion_pytorch_model.safetensors"), "{what}: {error}");
        let _ = fs::remove_dir_all(&out.0);
    }
    fs::remove_file(source.join(weights_file("vae"))).expect("the file is there");
    let error = convert(&source.0, &out.0, &options(DType::F16)).expect_err("no weights");
    assert!(error.to_string().contains("there are no weights"), "{error}");
}

#[test]
fn folders_that_are_something_else_are_refused() {
    let out = Folder::new("other-out");
    let refuse = |change: &dyn Fn(&Folder), code: &str, part: &str| {
        let source = source("other");
        change(&source);
        let error = convert(&source.0, &out.0, &options(DType::F16)).expect_err(part);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
        let _ = fs::remove_dir_all(&out.0);
    };
    let with = |mut config: Value, field: &str, value: Value| {
        config[field] = value;
        config.to_string()
    };
    let index = r#"{"_class_name": "StableDiffusionXLPipeline"}"#;
    refuse(&|folder| folder.write("model_index.json", index), "unsupported-config", "_class_name");
    refuse(&|folder| folder.write("model_index.json", "<html>"), "io", "model_index.json");
    let remove = |folder: &Folder| fs::remove_file(folder.join("unet/config.json")).expect("was there");
    refuse(&remove, "io", "unet/config.json");
    let remove = |folder: &Folder| fs::remove_file(folder.join("tokenizer/words.json")).expect("was there");
    refuse(&remove, "invalid-tokenizer", "words.json");
    let clips = r#"{"clip_sample": true}"#;
    let scheduler = "scheduler/scheduler_config.json";
    refuse(&|folder| folder.write(scheduler, clips), "unsupported-config", "clip_sample");
    let wide = with(unet_config(), "cross_attention_dim", json!(32));
    refuse(&|folder| folder.write("unet/config.json", &wide), "invalid-config", "cross_attention_dim");
    let large = with(unet_config(), "sample_size", json!(2048));
    refuse(&|folder| folder.write("unet/config.json", &large), "unsupported-config", "sample_size");
    let mut plain = unet_config();
    plain["down_block_types"] = json!(["DownBlock2D", "DownBlock2D"]);
    plain["up_block_types"] = json!(["UpBlock2D", "UpBlock2D"]);
    plain["mid_block_type"] = json!("UNetMidBlock2D");
    let plain = plain.to_string();
    refuse(&|folder| folder.write("unet/config.json", &plain), "invalid-config", "cross-attention");
    let many = with(unet_config(), "in_channels", json!(9));
    refuse(&|folder| folder.write("unet/config.json", &many), "invalid-config", "in_channels");
    let long = with(text_config(), "max_position_embeddings", json!(77));
    refuse(&|folder| folder.write("text_encoder/config.json", &long), "invalid-config", "model_max_length");
    let rgba = r#"{"channels": "rgba"}"#;
    refuse(&|folder| folder.write("image.json", rgba), "invalid-config", "channels");
    let two = with(vae_config(), "out_channels", json!(2));
    refuse(&|folder| folder.write("vae/config.json", &two), "unsupported-config", "out_channels");
}

#[test]
fn tensors_chosen_by_name_get_their_own_storage_type() {
    let (source, out) = (source("chosen"), Folder::new("chosen-out"));
    let chosen = |json: &str| Storage::new(DType::Int8).with_chosen(json);
    let with = |json: &str| Options { storage: chosen(json).expect("a choice"), ..Options::default() };
    let dtypes = |manifest: &Manifest| -> BTreeMap<String, DType> {
        let unet = manifest.component("unet").expect("a UNet");
        unet.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.dtype)).collect()
    };
    let plain = dtypes(&convert(&source.0, &out.0, &options(DType::Int8)).expect("a conversion").manifest);
    let large = plain.iter().find(|(_, dtype)| **dtype == DType::Int8).expect("a large tensor").0.clone();
    let choice = format!(r#"{{"unet/{large}": "f16", "unet/conv_in.bias": "f16"}}"#);
    let conversion = convert(&source.0, &out.0, &with(&choice)).expect("a conversion");
    let mut expected = plain;
    expected.insert(large, DType::F16);
    expected.insert("conv_in.bias".to_owned(), DType::F16);
    assert_eq!(dtypes(&conversion.manifest), expected);

    for (json, named) in [("[]", "object"), (r#"{"unet/conv_in.weight": "bf16"}"#, "bf16")] {
        let error = chosen(json).expect_err(named);
        assert!(error.code() == "invalid-config" && error.to_string().contains(named), "{error}");
    }
    for unknown in ["unet/conv_in", "conv_in.weight", "vae/conv_in.weight"] {
        let error =
            convert(&source.0, &out.0, &with(&format!(r#"{{"{unknown}": "f16"}}"#))).expect_err(unknown);
        assert!(error.code() == "invalid-config" && error.to_string().contains(unknown), "{error}");
    }
}

#[test]
fn rows_of_zeros_and_values_beyond_f16_keep_their_values() {
    let (info, stored) = quantise("w", &[2, 2], &[0.0, 0.0, -127.0, 1.0], DType::Int8);
    assert_eq!(dequantise(&info, &stored), [0.0, 0.0, -127.0, 1.0]);
    let mut values = vec![1.0; 4096];
    assert_eq!(Storage::new(DType::F16).dtype("unet/w", &[64, 64], &values), DType::F16);
    values[5] = 1e5;
    assert_eq!(Storage::new(DType::F16).dtype("unet/w", &[64, 64], &values), DType::F32);
    assert_eq!(Storage::new(DType::Int8).dtype("unet/w", &[64, 64], &values), DType::Int8);
    assert_eq!(Storage::new(DType::Int8).dtype("unet/w", &[4096], &values), DType::F32);
    assert_eq!(Storage::new(DType::Int8).dtype("unet/w", &[63, 65], &values[..4095]), DType::F32);
}

#[test]
fn int4_is_for_the_large_tensors_of_the_unet() {
    let int4 = Storage::new(DType::Int4).with_chosen(r#"{"unet/b": "int4"}"#).expect("a choice");
    let mut values = vec![1e5; 16384];
    assert_eq!(int4.dtype("unet/w", &[128, 128], &values), DType::Int4);
    assert_eq!(int4.dtype("unet/w", &[127, 129], &values[..16383]), DType::Int8);
    assert_eq!(int4.dtype("unet/w", &[5, 819], &values[..4095]), DType::F32);
    assert_eq!(int4.dtype("unet/w", &[16384], &values), DType::F32);
    assert_eq!(int4.dtype("vae_decoder/w", &[128, 128], &values), DType::Int8);
    assert_eq!(int4.dtype("unet/b", &[8], &values[..8]), DType::Int4, "chosen");
    values[6] = -5e5;
    assert_eq!(int4.dtype("unet/w", &[128, 128], &values), DType::F32, "no scale reaches it");
}

/// Within half a step of each group, also where f16 has few scales left, or cut where that leaves less error in all; and what no scale
/// reaches is cut.
#[test]
fn int4_scales_are_f16_and_keep_the_bound() {
    let least = 2.0f32.powi(-24);
    for factor in [1.0, 3e-5, 20.0 * least, 11.0 * least, 8.0 * least, 3.0 * least, 0.4 * least, 6e4] {
        for shape in [vec![3, 70], vec![2, 33, 3, 3], vec![5, 7], vec![9], vec![1, 32, 1, 1]] {
            let count = shape.iter().product();
            let values: Vec<f32> = (0..count).map(|at: usize| factor * (1.9 * at as f32).sin()).collect();
            let (info, stored) = quantise("w", &shape, &values, DType::Int4);
            assert_eq!(Some(stored.len() as u64), info.stored_bytes());
            let row = count / shape[0];
            let group = (32 * shape.iter().skip(2).product::<usize>()).min(row);
            for (at, (value, kept)) in values.iter().zip(dequantise(&info, &stored)).enumerate() {
                let start = at / row * row + at % row / group * group;
                let group = &values[start..(start + group).min(at / row * row + row)];
                let largest = group.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                let step = (largest / 7.0 * (1.0 + 1.0 / 2048.0)).max(least);
                let coarse = if step < 2.0f32.powi(-14) { least } else { 0.0 };
                let is_cut = value.abs() > kept.abs() && kept.abs() >= 0.699 * largest;
                assert!(
                    (value - kept).abs() <= 0.5 * (step + coarse) || is_cut,
                    "{factor} {shape:?} {at}: {value} {kept}"
                );
            }
        }
    }
    let (info, stored) = quantise("w", &[2, 2], &[0.0, -0.0, 1e9, -1e9], DType::Int4);
    assert_eq!(dequantise(&info, &stored), [0.0, 0.0, 458_528.0, -458_528.0]);
}

/// By a scale of 1, 7 and 31 times 0.8 miss by 31 · 0.2² = 1.24 in squares; by one of 0.9 by 0.7² + 31 · 0.1² = 0.8, which is the least.
#[test]
fn int4_cuts_what_is_rare() {
    let mut values = vec![0.8f32; 32];
    values[0] = 7.0;
    let (info, stored) = quantise("w", &[1, 32], &values, DType::Int4);
    let kept = dequantise(&info, &stored);
    let near = |value: f32, expected: f32| (value - expected).abs() < 1e-3;
    assert!(near(kept[0], 6.3) && kept[1..].iter().all(|&value| near(value, 0.9)), "{kept:?}");
}
