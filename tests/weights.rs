//! Manifests and shards that must be refused, each with its own error, and pieces that must arrive.

use serde_json::{Value, json};
use tenstep::Error;
use tenstep::weights::{DType, Manifest, Piece, ShardSet, TensorInfo, dequantise, sha256_hex};

/// Bytes that differ everywhere.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64).map(|index| ((index * 31 + seed * 7) % 251) as u8).collect()
}

fn shard(file: &str, bytes: &[u8]) -> Value {
    json!({"file": file, "bytes": bytes.len(), "sha256": sha256_hex(bytes)})
}

/// The shards of [`manifest`]: two of the UNet, whose middle tensor spans both, and one of the encoder.
fn shards() -> Vec<Vec<u8>> {
    vec![bytes(40, 1), bytes(24, 2), bytes(8, 3)]
}

fn manifest() -> Value {
    let shards = shards();
    json!({
        "schemaVersion": 1,
        "name": "tiny", "revision": "1", "licence": "CC0-1.0",
        "components": [
            {
                "name": "unet", "config": {"in_channels": 4},
                "tensors": [
                    {"name": "a", "shape": [2, 3], "dtype": "f32"},
                    {"name": "b", "shape": [4, 3], "dtype": "int8"},
                    {"name": "c", "shape": [5], "dtype": "f16"},
                ],
                "shards": [shard("unet-0.bin", &shards[0]), shard("unet-1.bin", &shards[1])],
            },
            {
                "name": "vae_encoder", "lazy": true, "config": {},
                "tensors": [{"name": "d", "shape": [], "dtype": "f32"}, {"name": "e", "shape": [1], "dtype": "f32"}],
                "shards": [shard("more/vae-0.bin", &shards[2])],
            },
        ],
        "scheduler": {"prediction_type": "v_prediction"},
        "tokenizer": {"words.json": "{}"},
        "styles": ["noto"],
        "defaults": {
            "width": 64, "height": 64, "steps": 10, "guidanceScale": 4.0, "solver": "dpmpp-2m", "schedule": "karras",
        },
        "image": {"channels": "rgba", "alpha": "premultiplied"},
        "preview": {"weight": [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.0]], "bias": [0.0, 0.0, 0.0, 1.0]},
    })
}

fn parse(json: &Value) -> Result<Manifest, Error> {
    Manifest::parse(&json.to_string())
}

fn good() -> Manifest {
    parse(&manifest()).expect("the manifest is good")
}

/// The manifest with the value at a JSON pointer replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut json = manifest();
    *json.pointer_mut(pointer).expect(pointer) = value;
    json
}

#[test]
fn a_manifest_survives_a_round_trip() {
    let manifest = good();
    assert_eq!(Manifest::parse(&manifest.to_json()), Ok(manifest.clone()));
    assert_eq!(manifest.parameters(), 6 + 12 + 5 + 1 + 1);
    assert_eq!(manifest.eager_bytes(), 64);
    assert_eq!(manifest.component("vae_encoder").map(|component| component.lazy), Some(true));
}

#[test]
fn the_schema_version_is_looked_at_first() {
    for (version, found) in [(json!(2), "2"), (json!("1"), "\"1\""), (json!(1.5), "1.5"), (json!(null), "")] {
        // Nothing else of the file need make sense.
        let error = parse(&json!({"schemaVersion": version, "components": 7})).expect_err("another schema");
        match error {
            Error::ManifestVersion { found: said, accepted } => {
                assert_eq!((said.as_str(), accepted.as_str()), (found, "1"));
            }
            Error::InvalidManifest { message } if version.is_null() => {
                assert_eq!(message, "missing field `schemaVersion`");
            }
            other => panic!("{version}: {other}"),
        }
    }
}

#[test]
fn what_is_not_json_says_so() {
    for html in ["<!DOCTYPE html><html></html>", "\u{feff}\n <html>"] {
        let error = Manifest::parse(html).expect_err("HTML");
        assert_eq!(error.code(), "invalid-manifest");
        assert!(error.to_string().contains("this is HTML, not JSON"), "{error}");
    }
    for text in ["", "[]", "{", "7", "\"a\"", "Not found", "{\"schemaVersion\": 1, \"schemaVersion\": 1}"] {
        assert_eq!(Manifest::parse(text).expect_err(text).code(), "invalid-manifest", "{text}");
    }
}

#[test]
fn missing_fields_are_named() {
    let required = [
        ("", "name"),
        ("", "revision"),
        ("", "licence"),
        ("", "components"),
        ("", "scheduler"),
        ("", "tokenizer"),
        ("", "defaults"),
        ("", "image"),
        ("/defaults", "guidanceScale"),
        ("/image", "channels"),
        ("/components/0", "name"),
        ("/components/0", "config"),
        ("/components/0", "tensors"),
        ("/components/0", "shards"),
        ("/components/0/tensors/1", "shape"),
        ("/components/0/tensors/1", "dtype"),
        ("/components/0/shards/1", "file"),
        ("/components/0/shards/1", "bytes"),
        ("/components/0/shards/1", "sha256"),
    ];
    for (pointer, field) in required {
        let mut json = manifest();
        let object = json.pointer_mut(pointer).and_then(Value::as_object_mut).expect(pointer);
        object.remove(field).expect(field);
        let error = parse(&json).expect_err(field);
        assert_eq!(error.code(), "invalid-manifest", "{error}");
        assert!(error.to_string().contains(&format!("missing field `{field}`")), "{pointer}: {error}");
    }
}

#[test]
fn contradictions_and_impossible_sizes_are_refused() {
    let tensor = "/components/0/tensors/0/shape";
    let shard = "/components/0/shards/0";
    let huge = u64::MAX;
    let cases = [
        (with("/components", json!([])), "no components"),
        (with("/components/1/name", json!("unet")), "component unet is listed twice"),
        (with("/components/0/config", json!(null)), "config must be an object"),
        (with("/components/0/tensors", json!([])), "its tensors take 0 bytes, its shards hold 64"),
        (with("/components/0/tensors/1/name", json!("a")), "tensor a is listed twice"),
        (with(tensor, json!([2, 4])), "its tensors take 72 bytes, its shards hold 64"),
        (with(tensor, json!([2, 2])), "its tensors take 56 bytes, its shards hold 64"),
        (with(tensor, json!([0, 3])), "impossible shape [0, 3]"),
        (with(tensor, json!([huge, huge])), "impossible shape"),
        (with(tensor, json!([1u64 << 62, 4])), "impossible shape"),
        (with(tensor, json!([1u64 << 40])), "impossible shape"),
        (with(tensor, json!([1, 1, 1, 1, 1, 1, 1, 1, 6])), "impossible shape"),
        (with(tensor, json!([-2, 3])), "invalid value"),
        (with(tensor, json!([2.5, 3])), "invalid type"),
        (with("/components/0/tensors/0/dtype", json!("int2")), "unknown variant `int2`"),
        (
            with("/components/0/tensors/1/dtype", json!("int4")),
            "its tensors take 52 bytes, its shards hold 64",
        ),
        (with(&format!("{shard}/bytes"), json!(0)), "bytes must be"),
        (with(&format!("{shard}/bytes"), json!(42)), "bytes must be"),
        (with(&format!("{shard}/bytes"), json!((4 << 20) + 4)), "bytes must be"),
        (with(&format!("{shard}/bytes"), json!(huge)), "bytes must be"),
        (with(&format!("{shard}/bytes"), json!(36)), "its shards hold 60"),
        (with(&format!("{shard}/sha256"), json!("ab")), "64 lower-case hexadecimal"),
        (with(&format!("{shard}/sha256"), json!("G".repeat(64))), "64 lower-case hexadecimal"),
        (with(&format!("{shard}/file"), json!("unet-1.bin")), "shard unet-1.bin is listed twice"),
        (with("/defaults/steps", json!(0)), "defaults.steps"),
        (with("/defaults/steps", json!(1001)), "defaults.steps"),
        (with("/defaults/guidanceScale", json!(-1)), "defaults.guidanceScale"),
        (with("/defaults/guidanceScale", json!("4")), "invalid type"),
        (with("/defaults/width", json!(0)), "defaults.width"),
        (with("/defaults/height", json!(huge)), "defaults.height"),
        (with("/defaults/solver", json!("magic")), "solver must be one of"),
        (with("/defaults/schedule", json!("magic")), "schedule must be one of"),
        (with("/image/channels", json!("cmyk")), "unknown variant `cmyk`"),
        (with("/preview/weight", json!([[1.0]])), "preview must hold 4 rows"),
        (with("/preview/weight/2", json!([1.0])), "preview must hold 4 rows"),
        (with("/preview/bias", json!([1.0])), "preview must hold 4 rows"),
        (with("/preview/bias/0", json!(1e300)), "not finite"),
    ];
    for (json, expected) in cases {
        let error = parse(&json).expect_err(expected);
        assert_eq!(error.code(), "invalid-manifest", "{expected}: {error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    let mut json = manifest();
    json["components"].as_array_mut().expect("an array").swap(0, 1);
    let error = parse(&json).expect_err("the lazy component is first");
    assert!(error.to_string().contains("component unet must come before the lazy ones"), "{error}");
    let error = parse(&with("/scheduler/prediction_type", json!("score"))).expect_err("unsupported");
    assert_eq!(error.code(), "unsupported-config");
}

#[test]
fn files_stay_below_the_manifest() {
    let outside = [
        "",
        "/a",
        "../a",
        "a/../../b",
        "a//b",
        "a/",
        "./a",
        "a\\b",
        "http://a/b",
        "a?b",
        "a#b",
        "%2e%2e/a",
        "a\nb",
    ];
    for file in outside {
        let error = parse(&with("/components/0/shards/0/file", json!(file))).expect_err(file);
        assert!(error.to_string().contains("plain path"), "{file:?}: {error}");
    }
    parse(&with("/components/0/shards/0/file", json!("deep/er/unet-0.bin"))).expect("a plain path");
}

#[test]
fn pieces_cover_every_tensor_once() {
    let manifest = good();
    let mut set = ShardSet::new(&manifest);
    let mut stored: Vec<Vec<Option<u8>>> = Vec::new();
    for component in &manifest.components {
        for tensor in &component.tensors {
            stored.push(vec![None; tensor.stored_bytes().expect("small") as usize]);
        }
    }
    assert_eq!(stored.iter().map(Vec::len).collect::<Vec<_>>(), [24, 28, 12, 4, 4]);
    // Any order will do.
    for number in [2, 1, 0] {
        let bytes = &shards()[number];
        for Piece { component, tensor, offset, bytes } in set.accept(&manifest, number, bytes).expect("good")
        {
            assert!(offset % 4 == 0 && bytes.len() % 4 == 0, "offsets and lengths are multiples of 4");
            let into = &mut stored[3 * component + tensor][offset as usize..];
            for (slot, byte) in into.iter_mut().zip(bytes) {
                assert_eq!(slot.replace(*byte), None, "a byte arrived twice");
            }
        }
    }
    let stored: Vec<u8> = stored.into_iter().flatten().map(|byte| byte.expect("a byte is missing")).collect();
    assert_eq!(stored, shards().concat());
    for component in 0..2 {
        set.require(&manifest, component).expect("complete");
    }
}

#[test]
fn bad_shards_are_refused_and_a_good_one_still_counts() {
    let manifest = good();
    let mut set = ShardSet::new(&manifest);
    let good = shards();
    let mut refuse = |number: usize, bytes: &[u8], code: &str| {
        let error = set.accept(&manifest, number, bytes).map(drop).expect_err(code);
        assert_eq!(error.code(), code, "{error}");
    };
    let mut flipped = good[0].clone();
    flipped[17] ^= 1;
    refuse(0, &good[0][..36], "shard-size");
    refuse(0, &[], "shard-size");
    refuse(0, &[good[0].clone(), vec![0]].concat(), "shard-size");
    refuse(0, &good[1], "shard-size");
    refuse(0, &bytes(40, 9), "shard-hash");
    refuse(0, &flipped, "shard-hash");
    refuse(3, &good[0], "unknown-shard");
    refuse(usize::MAX, &good[0], "unknown-shard");
    set.accept(&manifest, 0, &good[0]).map(drop).expect("the good one");
    let error = set.accept(&manifest, 0, &good[0]).map(drop).expect_err("twice");
    assert_eq!(error, Error::RepeatedShard { shard: "unet-0.bin".to_owned() });
    let error = set.require(&manifest, 0).expect_err("one is missing");
    assert_eq!(error, Error::MissingShard { shard: "unet-1.bin".to_owned() });
    assert_eq!(error.code(), "missing-shard");
    set.accept(&manifest, 1, &good[1]).map(drop).expect("the other one");
    set.require(&manifest, 0).expect("complete");
}

#[test]
fn stored_forms_are_read_as_documented() {
    let info = |shape: &[usize], dtype| TensorInfo { name: "w".to_owned(), shape: shape.to_vec(), dtype };
    let f32s: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(dequantise(&info(&[2], DType::F32), &f32s), [1.5, -2.0]);
    // 1.0, -2.0, 0.5 as f16, and two bytes of padding.
    let f16s = [0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38, 0, 0];
    assert_eq!(dequantise(&info(&[3], DType::F16), &f16s), [1.0, -2.0, 0.5]);
    // Scales 0.5 and 2, then rows of three.
    let mut int8s: Vec<u8> = [0.5f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    int8s.extend([1i8, -2, 127, 0, -127, 3].map(|value| value as u8));
    int8s.extend([0, 0]);
    let info = info(&[2, 3], DType::Int8);
    assert_eq!(info.stored_bytes(), Some(int8s.len() as u64));
    assert_eq!(dequantise(&info, &int8s), [0.5, -1.0, 63.5, 0.0, -254.0, 6.0]);
}

#[test]
fn int4_is_read_as_documented() {
    let info =
        |shape: &[usize]| TensorInfo { name: "w".to_owned(), shape: shape.to_vec(), dtype: DType::Int4 };
    // Scales 1, -2 and 0.5, two bytes of padding; nine nibbles, of which rows take three each, and padding.
    let stored = [0, 0x3c, 0, 0xc0, 0, 0x38, 0, 0, 0x71, 0x1f, 0xf2, 0x39, 0x06, 0, 0, 0];
    let info_of_rows = info(&[3, 3]);
    assert_eq!(info_of_rows.stored_bytes(), Some(stored.len() as u64));
    assert_eq!(dequantise(&info_of_rows, &stored), [1.0, 7.0, -1.0, -2.0, -4.0, 2.0, -3.5, 1.5, 3.0]);

    // Two rows of 34 channels and three taps: scales of 96 elements and of the 6 that are left.
    let info_of_groups = info(&[2, 34, 3, 1]);
    let mut stored: Vec<u8> =
        [1.0, 4.0, 0.25, -8.0].map(half::f16::from_f32).iter().flat_map(|s| s.to_le_bytes()).collect();
    stored.extend([0x21; 102]);
    stored.extend([0, 0]);
    assert_eq!(info_of_groups.stored_bytes(), Some(stored.len() as u64));
    let scale = |at: usize| match (at / 102, at % 102 / 96) {
        (0, 0) => 1.0,
        (0, _) => 4.0,
        (_, 0) => 0.25,
        _ => -8.0,
    };
    let expected: Vec<f32> = (0..204).map(|at| scale(at) * if at % 2 == 0 { 1.0 } else { 2.0 }).collect();
    assert_eq!(dequantise(&info_of_groups, &stored), expected);

    for impossible in [vec![usize::MAX, 3], vec![1 << 62], vec![1 << 61, 2]] {
        assert_eq!(info(&impossible).stored_bytes(), None, "{impossible:?}");
    }
    assert_eq!(info(&[]).stored_bytes(), Some(8));
}
