//! The default model, as it ships: each executor and the interpreter against PyTorch and diffusers.
//!
//! Goldens: tests/goldens/default, made by training/goldens/default_model.py from the same shards.

mod support;

use std::rc::Rc;

use support::{Checkpoint, Goldens, evaluate, evaluate_in_f64, relative_error, weights_of};
use tenstep::convert::Storage;
use tenstep::executor::{Arithmetic, Executor};
use tenstep::graph::Graph;
use tenstep::model::{
    AutoencoderRequest, TextEncoderConfig, TextEncoderRequest, UNetConfig, UNetRequest, decoder, encoder,
    text_encoder, unet,
};
use tenstep::options::{Field, GenerateOptions};
use tenstep::pipeline;
use tenstep::weights::{DType, dequantise, quantise};

/// f32 arithmetic in another order than PyTorch's, through some fifty layers.
const PARITY: f64 = 1e-4;
/// Weights rounded to 11 significant bits.
const PARITY_WITH_F16_STORAGE: f64 = 1e-2;
/// Most weights of the UNet rounded to 4 bits, the others' to 8.
const COST_OF_INT4_STORAGE: f64 = 2.5e-1;
/// Ten evaluations, each amplified by guidance 4, feeding the next.
const FINAL_LATENTS: f64 = 1e-3;
/// Of networks, and of final latents: products of factors of 11 significant bits, and sums of 16 of them; of inputs of 8 bits.
const NARROW: [(Arithmetic, f64, f64); 2] = [(Arithmetic::F16, 5e-3, 8e-3), (Arithmetic::Int8, 2e-2, 4e-2)];

/// A network, what goes in, and what must come out.
struct Case {
    name: String,
    component: &'static str,
    graph: Graph,
    inputs: Vec<(&'static str, Vec<f32>)>,
    output: &'static str,
    expected: Vec<f32>,
}

fn cases(checkpoint: &Checkpoint, goldens: &Goldens) -> Vec<Case> {
    let revision = goldens.recipe["revision"].as_str().expect("a revision");
    assert_eq!(
        revision, checkpoint.manifest.revision,
        "the goldens belong to another model: run their script"
    );
    let config = |name| &checkpoint.component(name).config;
    let text_config = TextEncoderConfig::from_json(config("text_encoder")).expect("a text encoder");
    let unet_config = UNetConfig::from_json(config("unet")).expect("a UNet");
    let autoencoder = checkpoint.autoencoder();

    let [batch, length] = goldens.shape("input_ids")[..] else { panic!("input_ids is [B, L]") };
    let [_, height, width, _] = goldens.shape("unet_sample")[..] else {
        panic!("unet_sample is [B, h, w, C]")
    };
    let text_request = TextEncoderRequest { batch, length, ..TextEncoderRequest::default() };
    let unet_request = UNetRequest { batch, height, width, text_length: length, ..UNetRequest::default() };
    let picture_request = AutoencoderRequest { batch: 1, height, width };

    let picture = goldens.array("decoder_sample").iter().map(|value| value.clamp(-1.0, 1.0)).collect();

    let mut cases = vec![
        Case {
            name: "text encoder".to_owned(),
            component: "text_encoder",
            graph: text_encoder(&text_config, &text_request).expect("a graph"),
            inputs: vec![("input_ids", goldens.array("input_ids"))],
            output: "last_hidden_state",
            expected: goldens.array("last_hidden_state"),
        },
        Case {
            name: "decoder".to_owned(),
            component: "vae_decoder",
            graph: decoder(&autoencoder, &picture_request).expect("a graph"),
            inputs: vec![("latents", goldens.array("decoder_latents"))],
            output: "sample",
            expected: goldens.array("decoder_sample"),
        },
        Case {
            name: "encoder".to_owned(),
            component: "vae_encoder",
            graph: encoder(&autoencoder, &picture_request).expect("a graph"),
            inputs: vec![("sample", picture)],
            output: "latents",
            expected: goldens.array("encoder_latents"),
        },
    ];
    for (index, timestep) in goldens.recipe["timesteps"].as_array().expect("timesteps").iter().enumerate() {
        let timestep = timestep.as_f64().expect("a timestep") as f32;
        cases.push(Case {
            name: format!("UNet at timestep {timestep}"),
            component: "unet",
            graph: unet(&unet_config, &unet_request).expect("a graph"),
            inputs: vec![
                ("sample", goldens.array("unet_sample")),
                ("timestep", vec![timestep; batch]),
                ("encoder_hidden_states", goldens.array("last_hidden_state")),
            ],
            output: "model_output",
            expected: goldens.array(&format!("unet_output_{index}")),
        });
    }
    cases
}

fn check(name: &str, executor: &str, actual: &[f32], expected: &[f32], bound: f64) {
    let error = relative_error(actual, expected);
    println!("{name}, {executor}: relative error {error:.1e}");
    assert!(error <= bound, "{name} on {executor}: relative error {error:e} above {bound:e}");
}

async fn networks_match_pytorch<E: Executor>(executor: E, label: &str, parity: f64) {
    let (checkpoint, goldens, executor) =
        (Checkpoint::default_model(), Goldens::open("default"), Rc::new(executor));
    for case in cases(&checkpoint, &goldens) {
        let weights = checkpoint.weights(executor.as_ref(), case.component);
        let inputs: Vec<(&str, &[f32])> =
            case.inputs.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        let actual = evaluate(&executor, &case.graph, &weights, &inputs, case.output).await;
        check(&case.name, label, &actual, &case.expected, parity);

        let rounded = checkpoint.restored(case.component, |_, _, _| DType::F16);
        let rounded = weights_of(executor.as_ref(), &rounded);
        let actual = evaluate(&executor, &case.graph, &rounded, &inputs, case.output).await;
        check(&case.name, &format!("{label}, f16 storage"), &actual, &case.expected, PARITY_WITH_F16_STORAGE);

        if case.component == "unet" {
            let int4 = Storage::new(DType::Int4);
            let rounded =
                checkpoint.restored(case.component, |name, shape, values| int4.dtype(name, shape, values));
            let weights = weights_of(executor.as_ref(), &rounded);
            let actual = evaluate(&executor, &case.graph, &weights, &inputs, case.output).await;
            check(
                &case.name,
                &format!("{label}, int4 storage"),
                &actual,
                &case.expected,
                COST_OF_INT4_STORAGE,
            );

            let in_f32: Vec<_> = rounded
                .iter()
                .map(|(info, stored)| {
                    quantise(&info.name, &info.shape, &dequantise(info, stored), DType::F32)
                })
                .collect();
            let weights = weights_of(executor.as_ref(), &in_f32);
            let expected = evaluate(&executor, &case.graph, &weights, &inputs, case.output).await;
            check(&case.name, &format!("{label}, int4 as f32"), &actual, &expected, parity);
        }
    }
}

async fn final_latents_match_diffusers<E: Executor>(executor: E, label: &str, bound: f64) {
    let (checkpoint, goldens) = (Checkpoint::default_model(), Goldens::open("default"));
    let model = pipeline::open(Rc::new(executor), &checkpoint.path).await.expect("the default model loads");
    let recipe = &goldens.recipe;
    for (solver, golden) in [("dpmpp-2m", "latents_dpmpp_2m"), ("ddim", "latents_ddim")] {
        let text = |value: &serde_json::Value| Field::Text(value.as_str().expect("text").to_owned());
        let number = |value: &serde_json::Value| Field::Number(value.as_f64().expect("a number"));
        let fields = [
            ("prompt", text(&recipe["prompt"])),
            ("negativePrompt", text(&recipe["negativePrompt"])),
            ("steps", number(&recipe["steps"])),
            ("guidanceScale", number(&recipe["guidanceScale"])),
            ("solver", Field::Text(solver.to_owned())),
            ("schedule", text(&recipe["schedule"])),
        ]
        .map(|(name, field)| (name.to_owned(), field));
        let options = GenerateOptions::from_fields(&fields, model.limits()).expect("good options");
        let mut run = model.start(&options).await.expect("a run");
        run.set_noise(&goldens.array("noise")).expect("the golden's noise");
        while !run.is_done() {
            run.step().await.expect("a step");
        }
        let latents = run.latents().await.expect("latents");
        let error = relative_error(&latents, &goldens.array(golden));
        println!("final latents, {solver}, {label}: relative error {error:.1e}");
        assert!(error <= bound, "{solver} on {label}: relative error {error:e}");
    }
}

/// The run's own noise, as Python draws it from the seed.
#[test]
fn a_seed_means_the_same_noise_as_in_python() {
    let (checkpoint, goldens) = (Checkpoint::default_model(), Goldens::open("default"));
    pollster::block_on(async {
        let cpu = Rc::new(tenstep::burn::Cpu::new());
        let model = pipeline::open(cpu, &checkpoint.path).await.expect("the default model loads");
        let seed = Field::Number(goldens.recipe["seed"].as_f64().expect("a seed"));
        let options = GenerateOptions::from_fields(&[("seed".to_owned(), seed)], model.limits());
        let run = model.start(&options.expect("good options")).await.expect("a run");
        let noise = run.latents().await.expect("latents");
        let golden = goldens.array("seed_noise");
        assert!(noise.iter().zip(&golden).all(|(actual, expected)| (actual - expected).abs() <= 1e-6));
    });
}

#[test]
fn interpreter_matches_pytorch() {
    let (checkpoint, goldens) = (Checkpoint::default_model(), Goldens::open("default"));
    for case in cases(&checkpoint, &goldens) {
        let weights = checkpoint.arrays(case.component);
        let inputs: Vec<(&str, &[f32])> =
            case.inputs.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        let actual = evaluate_in_f64(&case.graph, &weights, &inputs, case.output);
        check(&case.name, "the interpreter", &actual, &case.expected, PARITY);
    }
}

#[test]
fn cpu_networks_match_pytorch() {
    pollster::block_on(networks_match_pytorch(tenstep::burn::Cpu::new(), "the CPU", PARITY));
}

#[test]
fn cpu_final_latents_match_diffusers() {
    pollster::block_on(final_latents_match_diffusers(tenstep::burn::Cpu::new(), "the CPU", FINAL_LATENTS));
}

#[test]
fn gpu_networks_match_pytorch() {
    pollster::block_on(async {
        let Some(gpu) = support::gpu().await else { return };
        networks_match_pytorch(gpu, "the GPU", PARITY).await;
    });
}

#[test]
fn gpu_final_latents_match_diffusers() {
    pollster::block_on(async {
        let Some(gpu) = support::gpu().await else { return };
        final_latents_match_diffusers(gpu, "the GPU", FINAL_LATENTS).await;
    });
}

#[test]
fn gpu_networks_in_narrow_arithmetic_match_pytorch() {
    for (arithmetic, parity, _) in NARROW {
        pollster::block_on(async {
            let Some(gpu) = support::gpu_in(arithmetic).await else { return };
            networks_match_pytorch(gpu, &format!("the GPU in {arithmetic:?}"), parity).await;
        });
    }
}

#[test]
fn gpu_final_latents_in_narrow_arithmetic_match_diffusers() {
    for (arithmetic, _, final_latents) in NARROW {
        pollster::block_on(async {
            let Some(gpu) = support::gpu_in(arithmetic).await else { return };
            final_latents_match_diffusers(gpu, &format!("the GPU in {arithmetic:?}"), final_latents).await;
        });
    }
}
