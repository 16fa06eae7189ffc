//! The pipeline's behaviour with the default model on the CPU: options, runs side by side, and failure.

mod support;

use std::rc::Rc;

use pollster::block_on;
use serde_json::Value;
use support::runs::{latents, model, options, size, text};
use support::{Checkpoint, relative_error};
use tenstep::Error;
use tenstep::burn::Cpu;
use tenstep::options::Field;
use tenstep::pipeline::{Loader, open};
use tenstep::weights::{Channels, Manifest};

#[test]
fn a_picture_has_the_size_asked_for_and_is_not_blank() {
    let model = model();
    let scale = Checkpoint::default_model().autoencoder().vae_scale_factor();
    for units in [[4, 4], [6, 3]] {
        let [width, height] = size(&model, units);
        let options = options(&model, &[width, height, ("steps", Field::Number(2.0))]);
        let image = block_on(async {
            let mut run = model.start(&options).await.expect("a run");
            while !run.is_done() {
                let report = run.step().await.expect("a step");
                let preview = report.preview.expect("the CPU has its previews at once");
                assert_eq!((preview.width, preview.height), (options.width / scale, options.height / scale));
            }
            run.decode().await.expect("a picture")
        });
        assert_eq!((image.width, image.height), (options.width, options.height));
        assert_eq!(image.rgba.len(), 4 * image.width * image.height);
        assert!(image.rgba.iter().any(|&byte| byte != image.rgba[0]), "the picture is blank");
    }
}

#[test]
fn the_same_seed_gives_the_same_latents_and_another_seed_others() {
    let model = model();
    let of_seed = |seed: f64| {
        latents(&model, &options(&model, &[("seed", Field::Number(seed)), ("steps", Field::Number(2.0))]))
    };
    assert_eq!(of_seed(7.0), of_seed(7.0));
    assert!(relative_error(&of_seed(7.0), &of_seed(8.0)) > 0.1);
}

#[test]
fn runs_in_turn_do_not_disturb_each_other() {
    let model = model();
    let of_size = |units: usize, seed: f64, prompt: &str| {
        let [width, height] = size(&model, [units; 2]);
        let fields = [
            ("prompt", text(prompt)),
            width,
            height,
            ("seed", Field::Number(seed)),
            ("steps", Field::Number(2.0)),
        ];
        options(&model, &fields)
    };
    let asked = [of_size(4, 1.0, "a red apple"), of_size(4, 2.0, "a tree"), of_size(6, 3.0, "a fox")];
    let alone: Vec<Vec<f32>> = asked.iter().map(|options| latents(&model, options)).collect();
    block_on(async {
        let mut runs = Vec::new();
        for options in &asked {
            runs.push(model.start(options).await.expect("a run"));
        }
        for _ in 0..2 {
            for run in &mut runs {
                run.step().await.expect("a step");
            }
        }
        for (run, alone) in runs.iter().zip(&alone) {
            assert_eq!(&run.latents().await.expect("latents"), alone);
        }
    });
}

#[test]
fn two_models_share_an_executor() {
    let (checkpoint, cpu) = (Checkpoint::default_model(), Rc::new(Cpu::new()));
    let one = block_on(open(cpu.clone(), &checkpoint.path)).expect("a model");
    let other = block_on(open(cpu, &checkpoint.path)).expect("a second model");
    let asked = options(&one, &[("steps", Field::Number(1.0)), ("seed", Field::Number(5.0))]);
    let expected = latents(&one, &asked);
    drop(one);
    assert_eq!(latents(&other, &asked), expected);
}

#[test]
fn the_prompt_matters_and_so_does_the_negative_prompt() {
    let model = model();
    let of = |prompt: &str, negative: &str| {
        let fields = [
            ("prompt", text(prompt)),
            ("negativePrompt", text(negative)),
            ("steps", Field::Number(3.0)),
            ("seed", Field::Number(1.0)),
        ];
        latents(&model, &options(&model, &fields))
    };
    let apple = of("a red apple", "");
    assert!(relative_error(&apple, &of("a green tree", "")) > 0.05);
    assert!(relative_error(&apple, &of("a red apple", "red")) > 0.01);
}

#[test]
fn the_empty_prompt_is_the_unconditional_picture() {
    let model = model();
    let of = |guidance_scale: f64| {
        let fields = [
            ("guidanceScale", Field::Number(guidance_scale)),
            ("steps", Field::Number(2.0)),
            ("seed", Field::Number(3.0)),
        ];
        latents(&model, &options(&model, &fields))
    };
    assert_eq!(of(1.0), of(9.0));
}

/// Methods that keep several samples, correct them, or evaluate several times a step: with a tensor of theirs
/// mistaken for another, they would not near the same solution.
#[test]
fn deterministic_solvers_near_one_solution() {
    let model = model();
    let of = |solver: &str, schedule: &str, steps: f64| {
        let fields = [
            ("prompt", text("a red apple")),
            ("guidanceScale", Field::Number(1.0)),
            ("seed", Field::Number(1.0)),
            ("solver", text(solver)),
            ("schedule", text(schedule)),
            ("steps", Field::Number(steps)),
        ];
        latents(&model, &options(&model, &fields))
    };
    let solution = of("dpmpp-2m", "exponential", 40.0);
    for (solver, schedule) in [
        ("unipc", "exponential"),
        ("dpmpp-3s", "exponential"),
        ("heun", "exponential"),
        ("rhork-4", "karras"),
        ("pndm", "trailing"),
        ("plms", "trailing"),
    ] {
        let error = relative_error(&of(solver, schedule, 25.0), &solution);
        println!("{solver}, {schedule}, 25 evaluations: {error:.1e} from the solution");
        assert!(error < 0.1, "{solver}: {error:e}");
    }
}

#[test]
fn options_of_the_solver_reach_it() {
    let model = model();
    let asked = |solver: &str, name: &str, value: f64| {
        let fields = [
            ("steps", Field::Number(3.0)),
            ("solver", text(solver)),
            ("solverOptions", Field::Fields(vec![(name.to_owned(), Field::Number(value))])),
        ];
        options(&model, &fields)
    };
    let plain = options(&model, &[("steps", Field::Number(3.0)), ("solver", text("ddim"))]);
    let plain = latents(&model, &plain);
    assert_eq!(latents(&model, &asked("ddim", "eta", 0.0)), plain);
    assert!(relative_error(&latents(&model, &asked("ddim", "eta", 1.0)), &plain) > 0.1);
    let error = block_on(model.start(&asked("ddim", "order", 2.0))).err().expect("ddim has no order");
    assert!(error.to_string().starts_with("order must be left out: ddim has only eta"), "{error}");
}

#[test]
fn levels_may_be_listed() {
    let model = model();
    let listed = ("timesteps", Field::Numbers(vec![999.0, 749.0, 499.0, 249.0]));
    let spaced = [("steps", Field::Number(4.0)), ("schedule", text("trailing"))];
    assert_eq!(latents(&model, &options(&model, &[listed])), latents(&model, &options(&model, &spaced)));
    let ends_noisy = options(&model, &[("sigmas", Field::Numbers(vec![20.0, 2.0, 0.5]))]);
    assert!(latents(&model, &ends_noisy).iter().all(|value| value.is_finite()));
    let rising = options(&model, &[("sigmas", Field::Numbers(vec![0.5, 2.0]))]);
    let error = block_on(model.start(&rising)).err().expect("noise must fall");
    assert!(error.to_string().starts_with("sigmas must be at least two numbers, falling"), "{error}");
}

/// A budget is kept, and what it makes of steps is said.
#[test]
fn evaluations_and_solver_steps_are_told_apart() {
    let model = model();
    for (solver, budget, solver_steps) in [("dpmpp-2m", 10, 10), ("heun", 10, 6), ("dpmpp-3s", 10, 4)] {
        let fields = [("steps", Field::Number(f64::from(budget))), ("solver", text(solver))];
        let run = block_on(model.start(&options(&model, &fields))).expect("a run");
        assert_eq!((run.steps(), run.solver_steps()), (budget as usize, solver_steps), "{solver}");
    }
}

#[test]
fn one_step_is_legal() {
    let model = model();
    let asked = options(&model, &[("steps", Field::Number(1.0)), ("prompt", text("a red apple"))]);
    assert!(latents(&model, &asked).iter().all(|value| value.is_finite()));
}

#[test]
fn long_prompts_are_cut_and_say_so() {
    let model = model();
    let asked = options(&model, &[("prompt", text(&"apple ".repeat(1_667))), ("steps", Field::Number(1.0))]);
    let run = block_on(model.start(&asked)).expect("a run");
    assert!(run.warnings().iter().any(|warning| warning.contains("cut")), "{:?}", run.warnings());
}

#[test]
fn emoji_mean_what_they_show() {
    let model = model();
    let of = |prompt: &str| {
        latents(
            &model,
            &options(
                &model,
                &[("prompt", text(prompt)), ("steps", Field::Number(1.0)), ("seed", Field::Number(1.0))],
            ),
        )
    };
    assert_eq!(of("🍎"), of("red apple"));
}

#[test]
fn a_model_is_not_finished_before_its_shards_are_there() {
    let checkpoint = Checkpoint::default_model();
    let loader = Loader::new(Rc::new(Cpu::new()), checkpoint.manifest).expect("a good manifest");
    let error = block_on(loader.finish()).err().expect("shards are missing");
    assert_eq!(error.code(), "missing-shard");
}

#[test]
fn a_damaged_shard_is_refused_and_may_be_pushed_again() {
    let checkpoint = Checkpoint::default_model();
    let mut loader = Loader::new(Rc::new(Cpu::new()), checkpoint.manifest).expect("a good manifest");
    let (number, file) =
        loader.shards().map(|(number, _, shard)| (number, shard.file.clone())).next().expect("a shard");
    let good = std::fs::read(checkpoint.path.with_file_name(file)).expect("the shard");
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    assert_eq!(loader.push_shard(number, &damaged).map_err(|error| error.code()), Err("shard-hash"));
    assert_eq!(loader.push_shard(number, &good[1..]).map_err(|error| error.code()), Err("shard-size"));
    assert_eq!(loader.push_shard(number, &good), Ok(()));
}

/// A checkpoint whose tensors do not fit its configs is refused before any shard is fetched.
#[test]
fn a_manifest_that_contradicts_its_configs_is_refused() {
    let refusal = |manifest: Manifest| match Loader::new(Rc::new(Cpu::new()), manifest) {
        Ok(_) => panic!("accepted"),
        Err(error) => error,
    };
    let unet = |manifest: &Manifest| {
        manifest.components.iter().position(|component| component.name == "unet").expect("a UNet")
    };

    let mut renamed = Checkpoint::default_model().manifest;
    let index = unet(&renamed);
    renamed.components[index].tensors[0].name = "nothing.weight".to_owned();
    assert!(matches!(refusal(renamed), Error::MissingTensor { .. }));

    let mut reshaped = Checkpoint::default_model().manifest;
    let tensor = reshaped.components[index].tensors.iter_mut().find(|tensor| tensor.shape.len() == 4);
    tensor.expect("a convolution").shape.swap(0, 1);
    let error = refusal(reshaped);
    assert!(matches!(error, Error::TensorShape { .. }), "{error}");

    let mut without = Checkpoint::default_model().manifest;
    without.components.remove(index);
    assert!(matches!(refusal(without), Error::InvalidManifest { .. }));

    let width = |width: usize| {
        let mut manifest = Checkpoint::default_model().manifest;
        manifest.defaults.width = width;
        refusal(manifest)
    };
    for error in [width(4), width(8192 + 64)] {
        assert!(matches!(error, Error::InvalidManifest { .. }), "{error}");
    }
}

#[test]
fn parts_that_do_not_fit_each_other_are_refused_before_the_first_shard() {
    let refusal = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = Checkpoint::default_model().manifest;
        change(&mut manifest);
        match Loader::new(Rc::new(Cpu::new()), manifest) {
            Ok(_) => ("accepted", String::new()),
            Err(error) => (error.code(), error.to_string()),
        }
    };
    let with_config = |name: &str, field: &str, value: Value| {
        refusal(&|manifest| {
            let component = manifest.components.iter_mut().find(|component| component.name == name);
            component.expect("a component").config[field] = value.clone();
        })
    };
    let plain = |of: &str| Value::from(vec![format!("{of}Block2D"); 3]);
    let cases = [
        ("invalid-config", "in_channels", with_config("unet", "in_channels", 9.into())),
        ("invalid-config", "out_channels", with_config("unet", "out_channels", 16.into())),
        ("invalid-config", "cross_attention_dim", with_config("unet", "cross_attention_dim", 32.into())),
        ("unsupported-config", "num_class_embeds", with_config("unet", "num_class_embeds", 10.into())),
        ("unsupported-config", "timestep", with_config("unet", "class_embed_type", "timestep".into())),
        ("invalid-config", "vocab_size", with_config("text_encoder", "vocab_size", 100.into())),
        (
            "invalid-config",
            "model_max_length",
            with_config("text_encoder", "max_position_embeddings", 12.into()),
        ),
        ("invalid-config", "cross-attention", {
            refusal(&|manifest| {
                let unet = manifest.components.iter_mut().find(|component| component.name == "unet");
                let config = &mut unet.expect("a UNet").config;
                config["down_block_types"] = plain("Down");
                config["up_block_types"] = plain("Up");
                config["mid_block_type"] = "UNetMidBlock2D".into();
            })
        }),
        ("invalid-config", "channels", {
            refusal(&|manifest| {
                manifest.image.channels = Channels::Rgb;
                manifest.preview = None;
            })
        }),
        ("invalid-config", "preview", {
            refusal(&|manifest| {
                let preview = manifest.preview.as_mut().expect("a preview");
                preview.weight.iter_mut().for_each(|row| row.truncate(1));
            })
        }),
        ("invalid-tokenizer", "words.json", {
            refusal(&|manifest| {
                manifest.tokenizer.insert("words.json".to_owned(), "{".to_owned());
            })
        }),
    ];
    for (expected, named, (code, message)) in cases {
        assert_eq!(code, expected, "{named}: {message}");
        assert!(message.contains(named), "{named}: {message}");
    }
}
