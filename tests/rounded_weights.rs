//! A model loaded as int8, because there was no room for its weights as they are stored.

#![cfg(feature = "native")]

mod diffusers_folder;
mod support;

use std::fs;
use std::rc::Rc;

use diffusers_folder::{Folder, source};
use pollster::block_on;
use support::runs::text;
use tenstep::burn::Cpu;
use tenstep::convert::{Options, Storage, convert};
use tenstep::executor::Executor;
use tenstep::options::{Field, GenerateOptions};
use tenstep::pipeline::{Loader, Model};
use tenstep::weights::{
    DType, Manifest, Shard, TensorInfo, dequantise, is_large, quantise, sha256_hex, to_int8,
};

/// Bytes of a shard here: no multiple of a row, and less than most tensors have.
const SHARD_BYTES: usize = 10_004;

/// The tests' folder, converted; and its shards, cut anew so that tensors lie across them.
fn converted(dtype: DType) -> (Manifest, Vec<Vec<u8>>) {
    let (source, out) =
        (source(&format!("rounded-{dtype:?}")), Folder::new(&format!("rounded-{dtype:?}-out")));
    let options = Options { storage: Storage::new(dtype), ..Options::default() };
    let mut manifest = convert(&source.0, &out.0, &options).expect("a conversion").manifest;
    let mut shards = Vec::new();
    for component in &mut manifest.components {
        let files = component.shards.iter().map(|shard| fs::read(out.join(&shard.file)).expect("a shard"));
        let stream = files.collect::<Vec<_>>().concat();
        component.shards.clear();
        for bytes in stream.chunks(SHARD_BYTES) {
            let (file, sha256) = (format!("{}.bin", shards.len()), sha256_hex(bytes));
            component.shards.push(Shard { file, bytes: bytes.len() as u64, sha256 });
            shards.push(bytes.to_vec());
        }
    }
    (manifest, shards)
}

/// Pushes the last shard first.
fn filled<E: Executor>(mut loader: Loader<E>, shards: &[Vec<u8>]) -> Model<E> {
    let numbers: Vec<usize> = loader.shards().map(|(number, ..)| number).collect();
    for number in numbers.into_iter().rev() {
        loader.push_shard(number, &shards[number]).expect("a good shard");
    }
    block_on(loader.finish()).expect("a model")
}

fn latents<E: Executor>(model: &Model<E>) -> (Vec<f32>, Vec<String>) {
    let fields =
        [("prompt", text("a red apple")), ("steps", Field::Number(2.0)), ("seed", Field::Number(3.0))];
    let fields = fields.map(|(name, field)| (name.to_owned(), field));
    let options = GenerateOptions::from_fields(&fields, model.limits()).expect("good options");
    block_on(async {
        let mut run = model.start(&options).await.expect("a run");
        while !run.is_done() {
            run.step().await.expect("a step");
        }
        (run.latents().await.expect("latents"), run.warnings())
    })
}

/// What is rounded on the way is what the converter would have stored.
fn rounding_is_conversion<E: Executor>(executor: E) {
    let executor = Rc::new(executor);
    let (stored, shards) = converted(DType::F32);
    let loader = Loader::new(executor.clone(), stored.clone()).expect("a good manifest");
    assert!(loader.can_be_rounded() && !loader.info().rounded);
    let (as_stored, warnings) = latents(&filled(loader, &shards));
    assert_eq!(warnings, [] as [String; 0]);

    let loader = Loader::rounded(executor.clone(), stored).expect("a good manifest");
    assert!(loader.info().rounded && !loader.can_be_rounded());
    let (rounded, warnings) = latents(&filled(loader, &shards));
    assert_eq!(
        warnings,
        ["Memory is short: the model's weights are rounded to 8 bits, which changes pictures a little."]
    );

    let int4 = Loader::new(executor.clone(), converted(DType::Int4).0).expect("a good manifest");
    assert!(!int4.can_be_rounded(), "less than what it would be rounded to");

    let (int8, shards) = converted(DType::Int8);
    let loader = Loader::new(executor, int8).expect("a good manifest");
    assert!(!loader.can_be_rounded(), "there is nothing left to round");
    assert_eq!(latents(&filled(loader, &shards)).0, rounded);
    assert!(rounded.iter().all(|value| value.is_finite()));
    assert_ne!(rounded, as_stored);
}

#[test]
fn rounding_on_the_way_to_the_cpu_is_conversion_to_int8() {
    rounding_is_conversion(Cpu::new());
}

#[test]
fn rounding_on_the_way_to_the_gpu_is_conversion_to_int8() {
    if let Some(gpu) = block_on(support::gpu()) {
        rounding_is_conversion(gpu);
    }
}

#[test]
fn a_stored_form_becomes_that_of_int8() {
    for shape in [vec![5, 7], vec![64, 65], vec![3, 3, 3, 3]] {
        let elements: usize = shape.iter().product();
        let values: Vec<f32> = (0..elements).map(|index| (index as f32 * 0.7).sin() * 3.0).collect();
        for dtype in [DType::F32, DType::F16] {
            let (info, stored) = quantise("w", &shape, &values, dtype);
            let (expected, int8) = quantise("w", &shape, &dequantise(&info, &stored), DType::Int8);
            assert_eq!(to_int8(&info, &stored), int8, "{dtype:?} {shape:?}");
            assert_eq!(Some(int8.len() as u64), TensorInfo { dtype: DType::Int8, ..expected }.stored_bytes());
        }
    }
    assert!(is_large(&[64, 64], 4096) && !is_large(&[4096], 4096) && !is_large(&[63, 65], 4095));
}
