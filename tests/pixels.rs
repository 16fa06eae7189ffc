//! Models of pixels: converted without an autoencoder, and with estimates that are kept to the range of pixels.

#![cfg(feature = "native")]

mod diffusers_folder;
mod gpu_support;

use std::rc::Rc;

use diffusers_folder::{Folder, pixel_source, source};
use gpu_support::{gpu, relative_error};
use pollster::block_on;
use serde_json::json;
use tenstep::burn::Cpu;
use tenstep::convert::{Options, Storage, convert};
use tenstep::executor::Executor;
use tenstep::image::Image;
use tenstep::options::{Field, GenerateOptions};
use tenstep::pipeline::{Model, open};
use tenstep::solver::Thresholding;
use tenstep::weights::{DType, Manifest};
use tenstep::{Error, Result};

fn converted(source: &Folder, out: &Folder) -> Manifest {
    let options = Options { storage: Storage::new(DType::F32), ..Options::default() };
    convert(&source.0, &out.0, &options).expect("a conversion").manifest
}

fn load<E: Executor>(executor: E, out: &Folder) -> Result<Model<E>> {
    block_on(open(Rc::new(executor), &out.join("manifest.json")))
}

type Fields<'a> = &'a [(&'a str, Field)];

/// The picture and the latents it was made of.
fn picture<E: Executor>(
    model: &Model<E>,
    fields: Fields<'_>,
    of_solver: Fields<'_>,
) -> Result<(Image, Vec<f32>)> {
    let named = |fields: Fields<'_>| -> Vec<(String, Field)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let mut fields = named(fields);
    fields.push(("solverOptions".to_owned(), Field::Fields(named(of_solver))));
    let options = GenerateOptions::from_fields(&fields, model.limits())?;
    block_on(async {
        let mut run = model.start(&options).await?;
        while !run.is_done() {
            let report = run.step().await?;
            if let Some(preview) = report.preview {
                assert_eq!((preview.width, preview.height), (8, 8), "a preview is as large as the picture");
            }
        }
        Ok((run.decode().await?, run.latents().await?))
    })
}

fn text(value: &str) -> Field {
    Field::Text(value.to_owned())
}

fn switch(value: bool) -> Field {
    Field::Other(value.to_string())
}

#[test]
fn without_an_autoencoder_the_latents_are_the_picture() {
    let (source, out) = (pixel_source("pixels"), Folder::new("pixels-out"));
    let manifest = converted(&source, &out);
    let decoder = manifest.component("vae_decoder").expect("a decoder that does nothing");
    assert_eq!(decoder.config, json!({"_class_name": "Identity", "latent_channels": 3}));
    assert!(decoder.tensors.is_empty() && decoder.shards.is_empty());
    assert_eq!((manifest.defaults.width, manifest.defaults.height), (8, 8));
    let preview = manifest.preview.as_ref().expect("a preview");
    assert_eq!(preview.weight, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    let model = load(Cpu::new(), &out).expect("a model");
    for solver in ["dpmpp-2m", "ddim", "unipc"] {
        let fields = [("prompt", text("red fox")), ("solver", text(solver)), ("steps", Field::Number(4.0))];
        let (image, latents) = picture(&model, &fields, &[]).expect("a picture");
        let most = latents.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(most <= 1.0, "{solver}: the last estimate is in range, not up to {most}");
        let pixels = image.rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]);
        for (byte, value) in pixels.zip(&latents) {
            assert_eq!(*byte, (255.0 * (0.5 * value + 0.5)).round_ties_even() as u8, "{solver}");
        }
        let (_, free) = picture(&model, &fields, &[("thresholding", switch(false))]).expect("a picture");
        let most = free.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(most > 1.0, "{solver}: nothing keeps these in range, which go up to {most}");
    }
}

/// After one evaluation the picture is the estimate, whether the method keeps estimates of it or of the noise.
#[test]
fn what_a_method_keeps_follows_from_the_estimate_in_range() {
    let (source, out) = (pixel_source("kept"), Folder::new("kept-out"));
    converted(&source, &out);
    let model = load(Cpu::new(), &out).expect("a model");
    for solver in ["dpmpp-2m", "dpm-2m", "lms", "euler"] {
        let fields = [
            ("prompt", text("red fox")),
            ("solver", text(solver)),
            ("sigmas", Field::Numbers(vec![2.0, 0.0])),
        ];
        let of = |of_solver: Fields<'_>| picture(&model, &fields, of_solver).expect("a picture").1;
        let ratio = 0.6;
        let ours = of(&[
            ("dynamic_thresholding_ratio", Field::Number(ratio)),
            ("sample_max_value", Field::Number(1000.0)),
        ]);
        let mut expected: Vec<f64> =
            of(&[("thresholding", switch(false))]).iter().map(|&value| f64::from(value)).collect();
        Thresholding { ratio, sample_max_value: 1000.0 }.apply(&mut expected);
        let error = relative_error(&ours, &expected);
        println!("{solver}: {error:.1e} from by hand");
        assert!(error < 1e-5, "{solver}: {error:e}");
    }
}

#[test]
fn both_backends_make_the_same_picture() {
    let Some(gpu) = gpu() else { return };
    let (source, out) = (pixel_source("backends"), Folder::new("backends-out"));
    converted(&source, &out);
    let fields = [("prompt", text("red fox")), ("steps", Field::Number(5.0))];
    let of_solver =
        [("dynamic_thresholding_ratio", Field::Number(0.9)), ("sample_max_value", Field::Number(100.0))];
    let (_, on_cpu) =
        picture(&load(Cpu::new(), &out).expect("a model"), &fields, &of_solver).expect("a picture");
    let (_, on_gpu) = picture(&load(gpu, &out).expect("a model"), &fields, &of_solver).expect("a picture");
    let on_cpu: Vec<f64> = on_cpu.iter().map(|&value| f64::from(value)).collect();
    let error = relative_error(&on_gpu, &on_cpu);
    println!("{error:.1e} apart");
    assert!(error < 1e-4, "{error:e}");
}

#[test]
fn latents_have_no_range_to_be_kept_to() {
    let (source, out) = (source("latents"), Folder::new("latents-out"));
    let mut manifest = converted(&source, &out);
    let model = load(Cpu::new(), &out).expect("a model");
    let wanted = [("thresholding", switch(true))];
    match picture(&model, &[], &wanted) {
        Err(Error::InvalidOption { option: "thresholding", accepted, .. }) => {
            assert!(accepted.contains("latents"), "{accepted}");
        }
        other => panic!("{:?}", other.map(|(_, latents)| latents)),
    }
    picture(&model, &[], &[("thresholding", switch(false))]).expect("a picture");
    for (name, value) in [("dynamic_thresholding_ratio", 1.5), ("sample_max_value", 0.9)] {
        match picture(&model, &[], &[(name, Field::Number(value))]) {
            Err(Error::InvalidOption { option, .. }) => assert_eq!(option, name),
            other => panic!("{:?}", other.map(|(_, latents)| latents)),
        }
    }

    let refused = |result: Result<()>| match result {
        Err(Error::UnsupportedConfig { field, accepted, .. }) => {
            assert!(field == "thresholding" && accepted.contains("latents"), "{field}: {accepted}");
        }
        other => panic!("{other:?}"),
    };
    manifest.scheduler["thresholding"] = json!(true);
    std::fs::write(out.join("manifest.json"), manifest.to_json()).expect("a manifest");
    refused(load(Cpu::new(), &out).map(drop));
    source.write("scheduler/scheduler_config.json", r#"{"thresholding": true}"#);
    refused(convert(&source.0, &Folder::new("latents-2").0, &Options::default()).map(drop));
}
